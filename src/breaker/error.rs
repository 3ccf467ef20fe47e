//! The refusal of an open breaker.

use std::time::Duration;

use super::{BreakerState, OpenReason};
use crate::hint::RetryHint;
use crate::name::Name;

/// A call refused by the breaker; the source was not reached.
///
/// # Examples
/// ```
/// use feedguard::breaker::OpenReason;
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::free())?;
/// (0..3).for_each(|_| drop(breaker.call(|| Err::<(), _>("down"))));
/// let open = breaker.try_acquire().unwrap_err();
/// assert_eq!(open.reason, OpenReason::ConsecutiveFailures(3));
/// println!("{open}"); // says when to call again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("circuit {name:?} is {state} ({reason}, opened {times_opened} time(s)), retry in {retry_after:?}")]
#[non_exhaustive]
pub struct Open {
    /// Name of the breaker.
    pub name: Name,
    /// `Open`, or `HalfOpen` when all probes are taken.
    pub state: BreakerState,
    /// When a call may be admitted again, from now.
    pub retry_after: Duration,
    /// Why it opened.
    pub reason: OpenReason,
    /// How often it has opened since it was made.
    pub times_opened: u64,
}

impl Open {
    /// When a call may be admitted again, from now.
    pub const fn retry_after(&self) -> Option<Duration> {
        Some(self.retry_after)
    }
}

impl RetryHint for Open {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }

    fn reached_source(&self) -> bool {
        false
    }
}
