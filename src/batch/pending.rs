//! One item that was submitted alone.

use std::fmt;

use super::owner::Owner;
use super::run::ItemResult;
use crate::clock::Deadline;

/// An item that was [submitted](super::BatchJob::submit) alone: what became of it. Dropped before the item
/// has started, it never does; a call under way ends unseen.
///
/// # Examples
/// ```
/// use feedguard::batch::CallScope;
/// use feedguard::{BatchConfig, BatchProcessor};
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// let pending = batch.job(|n: &u32, _: &CallScope| Ok::<_, String>(n * 2)).submit(21);
/// // ... something else meanwhile ...
/// assert_eq!(pending.wait(), Ok(42));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use = "an item whose handle is dropped may never start"]
pub struct Pending<T, E> {
    /// Empty once it is known.
    waiting: Option<Box<dyn Await<T, E>>>,
    result: Option<ItemResult<T, E>>,
}

/// An owner whose items are nobody's business.
trait Await<T, E>: Send {
    fn until(&mut self, deadline: Deadline) -> Option<ItemResult<T, E>>;
}

impl<K, T, E> Await<T, E> for Owner<K, T, E>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn until(&mut self, deadline: Deadline) -> Option<ItemResult<T, E>> {
        loop {
            let found = self.run.take_finished().or_else(|| self.wait(deadline));
            if let Some((_, result)) = found {
                return Some(result);
            }
            if deadline.has_passed(self.engine.clock.now()) {
                return None;
            }
        }
    }
}

impl<T, E> Pending<T, E> {
    pub(super) fn new<K>(owner: Owner<K, T, E>, result: Option<ItemResult<T, E>>) -> Self
    where
        K: Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let waiting: Option<Box<dyn Await<T, E>>> = if result.is_none() { Some(Box::new(owner)) } else { None };
        Self { waiting, result }
    }

    /// Waits for the end of the item.
    ///
    /// # Errors
    /// [`ItemError`](super::ItemError): why it gave no value. Never later than its time-out, once it has
    /// started, and than the deadline of its job.
    pub fn wait(mut self) -> ItemResult<T, E> {
        self.look(Deadline::never());
        self.result.take().unwrap_or(Err(super::ItemError::NotStarted))
    }

    /// Whether it has ended; waits for that until `deadline`.
    pub fn is_done_by(&mut self, deadline: Deadline) -> bool {
        self.look(deadline);
        self.result.is_some()
    }

    fn look(&mut self, deadline: Deadline) {
        if let Some(result) = self.waiting.as_mut().and_then(|waiting| waiting.until(deadline)) {
            (self.result, self.waiting) = (Some(result), None);
        }
    }
}

impl<T, E> fmt::Debug for Pending<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("is_done", &self.result.is_some()).finish_non_exhaustive()
    }
}
