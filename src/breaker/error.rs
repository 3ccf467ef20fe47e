//! The refusal of an open breaker.

use std::sync::Arc;
use std::time::Duration;

use super::BreakerState;

/// Why a breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenReason {
    /// This many calls failed in a row.
    ConsecutiveFailures(u32),
    /// A probe failed while half-open.
    ProbeFailed,
    /// An operator forced it open.
    Forced,
}

impl std::fmt::Display for OpenReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConsecutiveFailures(n) => write!(f, "{n} consecutive failures"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::Forced => f.write_str("forced by an operator"),
        }
    }
}

/// A call refused by the breaker; the source was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("circuit {name:?} is {state} ({reason}, opened {times_opened} time(s)), retry in {retry_after:?}")]
#[non_exhaustive]
pub struct Open {
    /// Name of the breaker.
    pub name: Arc<str>,
    /// `Open`, or `HalfOpen` when all probes are taken.
    pub state: BreakerState,
    /// When a call may be admitted again, from now.
    pub retry_after: Duration,
    /// Why it opened.
    pub reason: OpenReason,
    /// How often it has opened since it was made.
    pub times_opened: u64,
}
