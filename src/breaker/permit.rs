//! The right to make one call, and the duty to say how it ended.

use super::CircuitBreaker;
use super::state::{Grant, Verdict};

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
    grant: Option<Grant>,
}

impl<'a> CallPermit<'a> {
    pub(super) fn new(breaker: &'a CircuitBreaker, grant: Grant) -> Self {
        Self { breaker, grant: Some(grant) }
    }

    /// The call succeeded.
    pub fn succeed(self) -> Settled {
        self.settle(Verdict::Success)
    }

    /// The call failed through the source's fault.
    pub fn fail(self) -> Settled {
        self.settle(Verdict::Failure)
    }

    /// The call says nothing about the source's health; the permit goes back.
    pub fn ignore(self) -> Settled {
        self.settle(Verdict::Ignore)
    }

    fn settle(mut self, verdict: Verdict) -> Settled {
        match self.grant.take() {
            Some(grant) => self.breaker.settle(grant, verdict),
            None => Settled::Stale,
        }
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let verdict = if std::thread::panicking() { Verdict::Failure } else { Verdict::Ignore };
            self.breaker.settle(grant, verdict);
        }
    }
}
