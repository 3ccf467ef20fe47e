//! The right to make one call, and the duty to say how it ended.

use std::time::Duration;

use super::CircuitBreaker;
use super::state::Grant;

/// How a call ended, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallVerdict {
    /// The source works.
    Success,
    /// The source failed.
    Failure,
    /// The source failed and said when to come back: if this opens the breaker, it stays open for
    /// that time, at most [`max_open_for`](super::BreakerConfig::max_open_for).
    FailureFor(Duration),
    /// Says nothing about the source's health; the permit goes back.
    Ignore,
}

impl CallVerdict {
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::FailureFor(_))
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        if let Self::FailureFor(time) = self { Some(time) } else { None }
    }
}

/// Whether a result still counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was booked.
    Recorded,
    /// The breaker has moved on since the call was admitted; it changed nothing.
    Stale,
}

/// The right to make one call.
///
/// Dropped without a verdict it is given back and counts as nothing; dropped while its thread
/// panics it counts as a failure.
#[must_use = "a permit that is dropped at once admits nothing"]
#[derive(Debug)]
pub struct CallPermit<'a> {
    breaker: &'a CircuitBreaker,
    grant: Grant,
}

impl<'a> CallPermit<'a> {
    #[inline]
    pub(super) fn new(breaker: &'a CircuitBreaker, grant: Grant) -> Self {
        Self { breaker, grant }
    }

    /// The call succeeded.
    #[inline]
    pub fn succeed(self) -> Settled {
        self.finish(CallVerdict::Success)
    }

    /// The call failed through the source's fault.
    #[inline]
    pub fn fail(self) -> Settled {
        self.finish(CallVerdict::Failure)
    }

    /// The call says nothing about the source's health; the permit goes back.
    #[inline]
    pub fn ignore(self) -> Settled {
        self.finish(CallVerdict::Ignore)
    }

    /// Says how the call ended.
    #[inline]
    #[expect(clippy::mem_forget, reason = "the verdict stands in for the drop; nothing here owns anything")]
    pub fn finish(self, verdict: CallVerdict) -> Settled {
        let (breaker, grant) = (self.breaker, self.grant);
        std::mem::forget(self);
        breaker.settle(grant, verdict)
    }
}

impl Drop for CallPermit<'_> {
    #[inline]
    fn drop(&mut self) {
        let verdict = if std::thread::panicking() { CallVerdict::Failure } else { CallVerdict::Ignore };
        self.breaker.settle(self.grant, verdict);
    }
}
