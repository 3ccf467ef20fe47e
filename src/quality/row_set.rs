//! A set of row numbers as pages of bits; pages without rows take no room.

use std::fmt;
use std::ops::Range;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Rows of a page: also the share of work that a thread takes.
pub(super) const PAGE_ROWS: usize = 1 << 16;
const WORDS: usize = PAGE_ROWS / 64;
/// Ranges that `Debug` shows.
const MAX_SHOWN: usize = 8;
/// Ranges that serde writes.
const MAX_RANGES: usize = 1000;

/// A set of row numbers, at most one bit a row.
///
/// Serialises as `{"rows": 3, "ranges": [[4, 6], [9, 9]], "truncated": false}`, both ends included,
/// at most 1000 ranges.
///
/// # Examples
/// ```
/// use feedguard::DataQualityValidator;
/// use feedguard::quality::{Bars, Series};
/// let price = [10.0, -1.0, 10.0];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1.0; 3] };
/// let report = DataQualityValidator::new("quality", Default::default())?.validate(&Series::new(&[1, 2, 3], bars)?);
/// let good: Vec<usize> = (0..3).filter(|row| !report.quarantine.contains(*row)).collect();
/// assert_eq!(good, [0, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct RowSet {
    pages: Vec<Option<Box<[u64; WORDS]>>>,
}

impl RowSet {
    /// Puts a row in.
    pub(super) fn insert(&mut self, row: usize) {
        self.word(row / 64, 1 << (row % 64));
    }

    /// Puts `row + bit` in for each bit of the mask; `row` is a multiple of 32.
    pub(super) fn insert_mask(&mut self, row: usize, mask: u32) {
        if mask != 0 {
            self.word(row / 64, u64::from(mask) << (row % 64));
        }
    }

    /// Puts all rows of the range in.
    pub(super) fn insert_range(&mut self, rows: Range<usize>) {
        let mut row = rows.start;
        while row < rows.end {
            let (from, to) = (row % 64, (rows.end - row / 64 * 64).min(64));
            self.word(row / 64, (!0 << from) & (!0 >> (64 - to)));
            row = row / 64 * 64 + 64;
        }
    }

    /// Keeps the rows for which `keep` holds.
    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for (page, words) in self.pages.iter_mut().enumerate().filter_map(|(page, words)| Some((page, words.as_mut()?)))
        {
            for (at, word) in words.iter_mut().enumerate() {
                for bit in Bits(*word) {
                    if !keep(page * PAGE_ROWS + at * 64 + bit) {
                        *word &= !(1 << bit);
                    }
                }
            }
        }
    }

    fn word(&mut self, word: usize, mask: u64) {
        let page = word / WORDS;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        self.pages[page].get_or_insert_with(|| Box::new([0; WORDS]))[word % WORDS] |= mask;
    }

    /// Rows of the set in a range of whole words.
    pub(super) fn count_in(&self, rows: Range<usize>) -> usize {
        let words = rows.start / 64..rows.end.div_ceil(64);
        let word = |word: usize| self.pages.get(word / WORDS)?.as_ref().map(|words| words[word % WORDS]);
        words.filter_map(word).map(|word| word.count_ones() as usize).sum()
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
            words
                .iter()
                .enumerate()
                .flat_map(move |(at, word)| Bits(*word).map(move |bit| page * PAGE_ROWS + at * 64 + bit))
        })
    }

    /// The last rows, descending.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = usize> + '_ {
        let pages = self.pages.iter().enumerate().rev().filter_map(|(page, words)| Some((page, words.as_ref()?)));
        pages.flat_map(|(page, words)| {
            let words = words.iter().enumerate().rev().filter(|(_, word)| **word != 0);
            words.flat_map(move |(at, word)| {
                let bits = (0..64).rev().filter(move |bit| word & (1 << bit) != 0);
                bits.map(move |bit| page * PAGE_ROWS + at * 64 + bit)
            })
        })
    }

    /// Takes the rows of another set in.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.pages.len() < other.pages.len() {
            self.pages.resize(other.pages.len(), None);
        }
        for (mine, theirs) in self.pages.iter_mut().zip(&other.pages) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => {
                    mine.iter_mut().zip(theirs.iter()).for_each(|(mine, theirs)| *mine |= theirs);
                }
                (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Runs of neighbouring rows, first and last.
    pub fn ranges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut words = self.pages.iter().enumerate().flat_map(|(page, words)| {
            let words = words.as_ref().map(|words| words.iter().enumerate());
            words.into_iter().flatten().map(move |(at, word)| (page * PAGE_ROWS + at * 64, *word))
        });
        let (mut base, mut word) = (0, 0_u64);
        let mut open: Option<(usize, usize)> = None;
        std::iter::from_fn(move || {
            loop {
                if word == 0 {
                    let Some(next) = words.next() else { return open.take() };
                    (base, word) = next;
                    continue;
                }
                let from = word.trailing_zeros();
                let length = (!(word >> from)).trailing_zeros();
                // All bits that the run covers and those below are done.
                word = if from + length >= 64 { 0 } else { word & (!0 << (from + length)) };
                let run = (base + from as usize, base + (from + length) as usize - 1);
                match open {
                    Some((first, last)) if last + 1 == run.0 => open = Some((first, run.1)),
                    before => {
                        open = Some(run);
                        if before.is_some() {
                            return before;
                        }
                    }
                }
            }
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
        let ranges: Vec<_> = self.ranges().take(MAX_SHOWN).collect();
        f.debug_struct("RowSet").field("rows", &self.len()).field("first", &ranges).finish_non_exhaustive()
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
