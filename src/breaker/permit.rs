//! The right to make one call, and the duty to say how it ended.

use std::sync::Arc;

use super::grant::Grant;
use super::{CircuitBreaker, Settled};
use crate::outcome::Outcome;

/// The right to make one call.
///
/// Dropped without a verdict it is given back and counts as nothing; dropped while its thread
/// panics it counts as a failure.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker, Outcome};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::default())?;
/// let permit = breaker.try_acquire()?;
/// let answer: Result<f64, std::io::Error> = Ok(9.81); // the call
/// permit.finish(if answer.is_ok() { Outcome::Success } else { Outcome::Failure });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// What it is, without the duty.
    #[expect(clippy::mem_forget, reason = "the grant moves on; nothing here owns anything")]
    pub(super) fn into_grant(self) -> Grant {
        let grant = self.grant;
        std::mem::forget(self);
        grant
    }

    /// The call succeeded.
    #[inline]
    pub fn succeed(self) -> Settled {
        self.finish(Outcome::Success)
    }

    /// The call failed through the source's fault.
    #[inline]
    pub fn fail(self) -> Settled {
        self.finish(Outcome::Failure)
    }

    /// The call says nothing about the source's health; the permit goes back.
    #[inline]
    pub fn ignore(self) -> Settled {
        self.finish(Outcome::Ignored)
    }

    /// Says how the call ended.
    #[inline]
    #[expect(clippy::mem_forget, reason = "the verdict stands in for the drop; nothing here owns anything")]
    pub fn finish(self, verdict: Outcome) -> Settled {
        let (breaker, grant) = (self.breaker, self.grant);
        std::mem::forget(self);
        breaker.settle(grant, verdict)
    }
}

impl Drop for CallPermit<'_> {
    #[inline]
    fn drop(&mut self) {
        let verdict = if std::thread::panicking() { Outcome::Failure } else { Outcome::Ignored };
        self.breaker.settle(self.grant, verdict);
    }
}

/// As [`CallPermit`], for calls whose end another thread tells: it moves into threads and keeps the
/// breaker alive.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker, Outcome};
/// use std::sync::Arc;
/// let breaker = Arc::new(CircuitBreaker::new("sina", BreakerConfig::default())?);
/// let permit = breaker.try_acquire_owned()?;
/// std::thread::spawn(move || permit.finish(Outcome::Success)).join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a permit that is dropped at once admits nothing"]
#[derive(Debug)]
pub struct OwnedCallPermit {
    breaker: Arc<CircuitBreaker>,
    /// Empty once finished.
    grant: Option<Grant>,
}

impl OwnedCallPermit {
    pub(super) fn new(breaker: Arc<CircuitBreaker>, grant: Grant) -> Self {
        Self { breaker, grant: Some(grant) }
    }

    /// The call succeeded.
    pub fn succeed(self) -> Settled {
        self.finish(Outcome::Success)
    }

    /// The call failed through the source's fault.
    pub fn fail(self) -> Settled {
        self.finish(Outcome::Failure)
    }

    /// The call says nothing about the source's health; the permit goes back.
    pub fn ignore(self) -> Settled {
        self.finish(Outcome::Ignored)
    }

    /// Says how the call ended.
    pub fn finish(mut self, outcome: Outcome) -> Settled {
        self.grant.take().map_or(Settled::Stale, |grant| self.breaker.settle(grant, outcome))
    }
}

impl Drop for OwnedCallPermit {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let outcome = if std::thread::panicking() { Outcome::Failure } else { Outcome::Ignored };
            self.breaker.settle(grant, outcome);
        }
    }
}
