//! Stops a batch from outside.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::wakers::{Wake, Wakers};

/// Stops the batch jobs it was given to: items that have not started never do, and calls under way can
/// see it. Cloning shares it.
///
/// # Examples
/// ```
/// use feedguard::BatchProcessor;
/// use feedguard::batch::{CancelToken, ItemError};
/// let batch = BatchProcessor::new("batch", Default::default())?;
/// let token = CancelToken::new();
/// let seen = token.clone();
/// let report = batch
///     .job(move |n: &u32, _scope: &feedguard::batch::CallScope| {
///         if *n == 0 {
///             seen.cancel();
///         }
///         Ok::<_, ()>(*n)
///     })
///     .cancel(&token)
///     .run(0..10_000);
/// assert!(report.results.contains(&Err(ItemError::Cancelled)));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

struct Inner {
    is_cancelled: AtomicBool,
    waiting: Mutex<Wakers>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { is_cancelled: AtomicBool::new(false), waiting: Mutex::new(Wakers::default()) }
    }
}

impl CancelToken {
    /// A token that has not been used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops all jobs it was given to, now and later.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.waiting.lock());
        for job in waiting.living() {
            job.wake();
        }
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Has a job woken by `cancel`, as long as it lives.
    pub(crate) fn wakes(&self, job: Weak<dyn Wake>) {
        self.0.waiting.lock().add(job);
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}
