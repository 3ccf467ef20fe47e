//! Why an item gave no value.

use std::sync::Arc;
use std::time::Duration;

/// Why an item gave no value.
///
/// # Examples
/// ```
/// use feedguard::batch::ItemError;
/// use feedguard::{BatchProcessor, Clock, Deadline};
/// let (clock, _time) = Clock::manual();
/// let batch = BatchProcessor::builder("nightly").clock(clock.clone()).build()?;
/// let passed = Deadline::at(clock.now());
/// let report = batch.run(vec![1], passed, |n, _deadline| Ok::<_, ()>(*n));
/// assert_eq!(report.results, [Err(ItemError::NotStarted)]);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError<E> {
    /// The call returned this error.
    #[error("call failed: {0}")]
    Failed(E),
    /// The call did not end in time; it may still be running, its result will be dropped.
    #[error("call did not end within {after:?}")]
    TimedOut {
        /// How long it had run.
        after: Duration,
    },
    /// The call panicked.
    #[error("call panicked: {}", .message.escape_debug())]
    Panicked {
        /// What it said.
        message: Arc<str>,
    },
    /// The deadline of the run passed before the item was started.
    #[error("not started before the deadline of the batch")]
    NotStarted,
    /// All workers, or all places at the source, are held by calls past their time-out.
    #[error("not started: {abandoned} call(s) stuck, no place left")]
    Saturated {
        /// Stuck calls.
        abandoned: usize,
    },
    /// The queue had no room.
    #[error("not started: the queue is full")]
    QueueFull,
    /// The job was cancelled before the item was started.
    #[error("not started: cancelled")]
    Cancelled,
    /// The processor was shut down.
    #[error("not started: shutting down")]
    ShuttingDown,
}

impl<E> ItemError<E> {
    /// The same with another error of the call.
    pub(super) fn map<F>(self, map: impl FnOnce(E) -> F) -> ItemError<F> {
        match self {
            Self::Failed(error) => ItemError::Failed(map(error)),
            Self::TimedOut { after } => ItemError::TimedOut { after },
            Self::Panicked { message } => ItemError::Panicked { message },
            Self::NotStarted => ItemError::NotStarted,
            Self::Saturated { abandoned } => ItemError::Saturated { abandoned },
            Self::QueueFull => ItemError::QueueFull,
            Self::Cancelled => ItemError::Cancelled,
            Self::ShuttingDown => ItemError::ShuttingDown,
        }
    }

    /// Whether the call was made.
    pub const fn reached_source(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::TimedOut { .. } | Self::Panicked { .. })
    }
}
