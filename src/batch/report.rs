//! What a run gave.

use std::time::Duration;

use super::ItemError;

/// What a run gave: one result an item, in the order of the items.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchReport<T, E> {
    /// One result an item, in the order of the items.
    pub results: Vec<Result<T, ItemError<E>>>,
    /// Time from start to end of the run.
    pub elapsed: Duration,
}

impl<T, E> BatchReport<T, E> {
    /// Items that gave a value.
    pub fn succeeded(&self) -> usize {
        self.results.iter().filter(|result| result.is_ok()).count()
    }

    /// Items that gave none.
    pub fn failed(&self) -> usize {
        self.results.len() - self.succeeded()
    }
}
