//! Why columns are no series.

/// Columns of unequal length; nothing was checked.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Series};
/// let bars = Bars { open: &[1.0], high: &[1.0], low: &[1.0], close: &[1.0], volume: &[] };
/// let error = Series::new(&[1], bars).unwrap_err();
/// assert_eq!((error.column, error.found, error.expected), ("volume", 0, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} has {found} rows, the timestamps have {expected}")]
#[non_exhaustive]
pub struct SeriesError {
    /// The first column that does not fit.
    pub column: &'static str,
    /// Its length.
    pub found: usize,
    /// Length of the timestamps.
    pub expected: usize,
}
