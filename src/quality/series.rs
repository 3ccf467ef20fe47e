//! A price series as borrowed columns.

use super::SeriesError;

/// Price and volume columns of a series, all of one length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars<'a> {
    /// First price of the interval.
    pub open: &'a [f64],
    /// Highest price.
    pub high: &'a [f64],
    /// Lowest price.
    pub low: &'a [f64],
    /// Last price.
    pub close: &'a [f64],
    /// Units traded.
    pub volume: &'a [f64],
}

/// A price series: timestamps in any unit, and its bars. Rows may be in any order; what compares a
/// row with the one before it goes by timestamp.
///
/// # Examples
/// ```
/// use feedguard::{Bars, Series};
/// let price = [10.0, 10.1];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[100.0, 90.0] };
/// assert_eq!(Series::new(&[1, 2], bars)?.len(), 2);
/// assert!(Series::new(&[1], bars).is_err());
/// # Ok::<(), feedguard::SeriesError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'a> {
    timestamps: &'a [i64],
    bars: Bars<'a>,
}

impl<'a> Series<'a> {
    /// A series of these columns.
    ///
    /// # Errors
    /// [`SeriesError`] if a column has another length than the timestamps.
    pub fn new(timestamps: &'a [i64], bars: Bars<'a>) -> Result<Self, SeriesError> {
        let columns = [
            ("open", bars.open),
            ("high", bars.high),
            ("low", bars.low),
            ("close", bars.close),
            ("volume", bars.volume),
        ];
        match columns.iter().find(|(_, column)| column.len() != timestamps.len()) {
            Some((column, values)) => Err(SeriesError { column, found: values.len(), expected: timestamps.len() }),
            None => Ok(Self { timestamps, bars }),
        }
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// The timestamps.
    pub const fn timestamps(&self) -> &'a [i64] {
        self.timestamps
    }

    /// The bars.
    pub const fn bars(&self) -> &Bars<'a> {
        &self.bars
    }

    /// Rows by timestamp, rows of one timestamp in the order given.
    pub(super) fn by_time(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        if !self.timestamps.is_sorted() {
            rows.sort_by_key(|row| self.timestamps[*row]);
        }
        rows
    }
}
