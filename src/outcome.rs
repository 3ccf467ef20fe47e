//! How a call ended: the one word that every guard's `finish` takes.

use std::time::Duration;

/// How a call ended. Every guard takes it, and ignores what does not concern it:
///
/// | outcome | [breaker](crate::breaker) | [limiter](crate::limiter) | [router](crate::router) |
/// |---|---|---|---|
/// | `Success` | success | accepted | success |
/// | `Failure` | failure | the rate stays | failure |
/// | `FailureFor` | failure; may lengthen the open time | the rate stays | failure |
/// | `Limited` | permit returned | the rate is cut | not counted |
/// | `TimedOut` | failure | informs the in-flight guard | failure |
/// | `Ignored` | permit returned | the rate stays | not counted |
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker, Outcome};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::free())?;
/// let permit = breaker.try_acquire()?;
/// let status = 404;
/// permit.finish(if status < 500 { Outcome::Ignored } else { Outcome::Failure });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The source gave a usable answer.
    Success,
    /// The source failed.
    Failure,
    /// The source failed and said when to come back, from now (a 503 with `Retry-After`).
    FailureFor(Duration),
    /// The source refused with "too many requests".
    Limited {
        /// The source's `Retry-After`, from now, if it sent one.
        retry_after: Option<Duration>,
    },
    /// The caller gave the call up before it ended.
    TimedOut,
    /// The call says nothing about the source: the request was at fault, or nothing was sent.
    Ignored,
}

impl Outcome {
    /// Whether the source is to blame: `Failure`, `FailureFor` and `TimedOut`.
    #[inline]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::FailureFor(_) | Self::TimedOut)
    }

    /// When the source asked to be called again, from now.
    #[inline]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::FailureFor(after) => Some(after),
            Self::Limited { retry_after } => retry_after,
            _ => None,
        }
    }
}
