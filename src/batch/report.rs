//! What a run gave.

use std::time::Duration;

use super::ItemError;

/// What a run gave: one result an item, in the order of the items.
///
/// # Examples
/// ```
/// use feedguard::{BatchConfig, BatchProcessor, Deadline};
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// let report = batch.run(vec!["7", "x"], Deadline::never(), |text, _deadline| text.parse::<u32>());
/// assert_eq!((report.succeeded(), report.failed()), (1, 1));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchReport<T, E> {
    /// One result an item, in the order of the items.
    pub results: Vec<Result<T, ItemError<E>>>,
    /// Time from start to end of the run.
    pub elapsed: Duration,
}

impl<T, E> BatchReport<T, E> {
    pub(super) fn of(results: Vec<Option<Result<T, ItemError<E>>>>, elapsed: Duration) -> Self {
        let results = results.into_iter().map(|result| result.unwrap_or(Err(ItemError::NotStarted)));
        Self { results: results.collect(), elapsed }
    }

    /// Items that gave a value.
    pub fn succeeded(&self) -> usize {
        self.results.iter().filter(|result| result.is_ok()).count()
    }

    /// Items that gave none.
    pub fn failed(&self) -> usize {
        self.results.len() - self.succeeded()
    }
}
