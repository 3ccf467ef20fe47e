//! The refusal of an open breaker.

use std::time::Duration;

use super::{BreakerState, OpenReason};
use crate::clock::brief;
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
#[error("circuit {name:?} is {state} ({reason}, opened {times_opened} time(s)), {}", retry(*.retry_after))]
#[non_exhaustive]
pub struct Open {
    /// Name of the breaker.
    pub name: Name,
    /// `Open`, or `HalfOpen` when all probes are taken.
    pub state: BreakerState,
    /// When a call may be admitted again, from now; `None` if only an operator can close it. While probes
    /// are under way, when it is worth asking again: any of them may end.
    pub retry_after: Option<Duration>,
    /// Why it opened.
    pub reason: OpenReason,
    /// How often it has opened since it was made.
    pub times_opened: u64,
}

fn retry(after: Option<Duration>) -> String {
    after.map_or_else(|| "until an operator resets it".to_owned(), |after| format!("retry in {:?}", brief(after)))
}

impl Open {
    /// When a call may be admitted again, from now; `None` if only an operator can close it.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl RetryHint for Open {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }

    fn reached_source(&self) -> bool {
        false
    }

    fn can_help(&self) -> bool {
        self.retry_after.is_some()
    }
}
