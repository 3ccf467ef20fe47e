//! Why columns are no series.

/// Columns of unequal length; nothing was checked.
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
