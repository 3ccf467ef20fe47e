//! A set of row numbers as pages of bits; pages without rows take no room.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Rows of a page: also the share of work that a thread takes.
pub(super) const PAGE_ROWS: usize = 1 << 16;
const WORDS: usize = PAGE_ROWS / 64;
/// Ranges that serde writes.
const MAX_RANGES: usize = 1000;

/// A set of row numbers, at most one bit a row.
///
/// Serialises as `{"rows": 3, "ranges": [[4, 6], [9, 9]], "truncated": false}`, both ends included,
/// at most 1000 ranges.
///
/// # Examples
/// ```
/// use feedguard::{Bars, DataQualityValidator, Series};
/// let price = [10.0, -1.0, 10.0];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1.0; 3] };
/// let report = DataQualityValidator::new(Default::default())?.validate(&Series::new(&[1, 2, 3], bars)?);
/// let good: Vec<usize> = (0..3).filter(|row| !report.quarantine.contains(*row)).collect();
/// assert_eq!(good, [0, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct RowSet {
    pages: Vec<Option<Box<[u64; WORDS]>>>,
}

impl RowSet {
    /// Puts a row in; `false` if it was there.
    pub(super) fn insert(&mut self, row: usize) -> bool {
        let (page, bit) = (row / PAGE_ROWS, row % PAGE_ROWS);
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        let words = self.pages[page].get_or_insert_with(|| Box::new([0; WORDS]));
        let (word, mask) = (&mut words[bit / 64], 1 << (bit % 64));
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }

    /// Whether the row is in the set.
    pub fn contains(&self, row: usize) -> bool {
        let page = self.pages.get(row / PAGE_ROWS).and_then(Option::as_ref);
        page.is_some_and(|words| words[row % PAGE_ROWS / 64] & (1 << (row % 64)) != 0)
    }

    /// Number of rows in the set.
    pub fn len(&self) -> usize {
        self.pages.iter().flatten().flat_map(|words| words.iter()).map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(page, words)| Some((page, words.as_ref()?)));
        pages.flat_map(|(page, words)| {
            words.iter().enumerate().flat_map(move |(at, word)| Bits(*word).map(move |bit| page * PAGE_ROWS + at * 64 + bit))
        })
    }

    /// Takes the rows of another set in.
    pub(super) fn merge(&mut self, other: Self) {
        if self.pages.len() < other.pages.len() {
            self.pages.resize(other.pages.len(), None);
        }
        for (mine, theirs) in self.pages.iter_mut().zip(other.pages) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.iter_mut().zip(theirs.iter()).for_each(|(mine, theirs)| *mine |= theirs),
                (mine @ None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// Runs of neighbouring rows, first and last.
    pub fn ranges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut rows = self.iter().peekable();
        std::iter::from_fn(move || {
            let first = rows.next()?;
            let mut last = first;
            while let Some(row) = rows.next_if_eq(&(last + 1)) {
                last = row;
            }
            Some((first, last))
        })
    }
}

impl FromIterator<usize> for RowSet {
    fn from_iter<I: IntoIterator<Item = usize>>(rows: I) -> Self {
        let mut set = Self::default();
        for row in rows {
            set.insert(row);
        }
        set
    }
}

impl PartialEq for RowSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for RowSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSet").field("rows", &self.len()).finish_non_exhaustive()
    }
}

impl Serialize for RowSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ranges: Vec<_> = self.ranges().take(MAX_RANGES + 1).collect();
        let truncated = ranges.len() > MAX_RANGES;
        ranges.truncate(MAX_RANGES);
        let mut set = serializer.serialize_struct("RowSet", 3)?;
        set.serialize_field("rows", &self.len())?;
        set.serialize_field("ranges", &ranges)?;
        set.serialize_field("truncated", &truncated)?;
        set.end()
    }
}

/// The places of the set bits of a word.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = (self.0 != 0).then(|| self.0.trailing_zeros() as usize)?;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
