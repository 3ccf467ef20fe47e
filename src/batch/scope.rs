//! What a call of a batch is given beside its item.

use crate::cancel::CancelToken;
use crate::clock::Deadline;

/// What a call of a batch is given beside its item.
///
/// # Examples
/// ```
/// use feedguard::batch::{CallScope, CancelToken};
/// use feedguard::{BatchConfig, BatchProcessor, Clock};
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// let job = batch.job(|_: &u32, scope: &CallScope| {
///     let left = scope.deadline().remaining(Clock::system().now());
///     if scope.is_cancelled() { Err("cancelled") } else { Ok(left) }
/// });
/// assert_eq!(job.cancel(&CancelToken::new()).run([1]).succeeded(), 1);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CallScope {
    pub(super) deadline: Deadline,
    pub(super) cancel: CancelToken,
}

impl CallScope {
    /// When the call has to end: the earlier of its own time-out and the job's deadline.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether the job has been cancelled: what the call still does is in vain.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
