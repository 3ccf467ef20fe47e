//! The right to make `n` calls, and the duty to say how they ended.

use std::sync::Arc;

use super::AdaptiveRateLimiter;
use super::quota::Taken;
use super::wait_queue::Start;
use crate::clock::Tick;
use crate::outcome::Outcome;

/// What a permit has to remember.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    pub(super) n: u32,
    pub(super) start: Start,
    pub(super) at: Tick,
    /// Calls that were in flight already; `None`: it is not counted.
    pub(super) alongside: Option<u64>,
}

pub(super) type QuotaTaken = Option<Box<[Taken]>>;

/// The right to make the permitted calls now.
///
/// Dropped without an outcome the permits go back, unless somebody has started later, or the rate was
/// changed or the limiter looked at meanwhile: then they are lost, since handing them on could let two
/// calls start at one moment. Dropped while its
/// thread panics the call counts as made and failed.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig, Outcome};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::default())?;
/// let permit = limiter.try_acquire(1)?;
/// permit.finish(Outcome::Limited { retry_after: None }); // the source said 429
/// assert!(limiter.rate() < 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a permit that is dropped at once gives its tokens back"]
#[derive(Debug)]
pub struct RatePermit<'a> {
    limiter: &'a AdaptiveRateLimiter,
    grant: Grant,
    quotas: QuotaTaken,
}

impl<'a> RatePermit<'a> {
    #[inline]
    pub(super) fn new(limiter: &'a AdaptiveRateLimiter, grant: Grant, quotas: QuotaTaken) -> Self {
        Self { limiter, grant, quotas }
    }

    /// Of a call that has to pass nothing but the rate.
    #[inline]
    pub(super) fn plain(limiter: &'a AdaptiveRateLimiter, n: u32, start: Start, at: Tick) -> Self {
        Self { limiter, grant: Grant { n, start, at, alongside: None }, quotas: None }
    }

    /// Says how the call ended.
    #[inline]
    #[expect(clippy::mem_forget, reason = "the outcome stands in for the drop; what is owned is dropped before")]
    pub fn finish(mut self, outcome: Outcome) {
        let (limiter, grant) = (self.limiter, self.grant);
        drop(self.quotas.take());
        std::mem::forget(self);
        limiter.finish(grant, outcome);
    }

    /// The call counts as made, and nobody will say how it ended.
    #[expect(clippy::mem_forget, reason = "it stands in for the drop; what is owned is dropped before")]
    pub(super) fn forget(mut self) {
        let (limiter, grant) = (self.limiter, self.grant);
        drop(self.quotas.take());
        std::mem::forget(self);
        limiter.end(grant);
    }

    /// What it is, without the duty.
    #[expect(clippy::mem_forget, reason = "what is owned moves on")]
    pub(super) fn into_parts(mut self) -> (Grant, QuotaTaken) {
        let parts = (self.grant, self.quotas.take());
        std::mem::forget(self);
        parts
    }

    /// The source accepted the call.
    #[inline]
    pub fn succeed(self) {
        self.finish(Outcome::Success);
    }

    /// The call failed for a reason other than a limit.
    pub fn fail(self) {
        self.finish(Outcome::Failure);
    }
}

impl Drop for RatePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.limiter.drop_permit(self.grant, self.quotas.as_deref().unwrap_or_default());
    }
}

/// As [`RatePermit`], for calls whose end another thread tells: it moves into threads and keeps the
/// limiter alive.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, Deadline, LimiterConfig, Outcome};
/// use std::sync::Arc;
/// let limiter = Arc::new(AdaptiveRateLimiter::new("tushare", LimiterConfig::default())?);
/// let permit = limiter.acquire_owned(1, Deadline::never())?;
/// std::thread::spawn(move || permit.finish(Outcome::Success)).join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a permit that is dropped at once gives its tokens back"]
#[derive(Debug)]
pub struct OwnedRatePermit {
    limiter: Arc<AdaptiveRateLimiter>,
    /// Empty once finished.
    held: Option<(Grant, QuotaTaken)>,
}

impl OwnedRatePermit {
    pub(super) fn new(limiter: Arc<AdaptiveRateLimiter>, grant: Grant, quotas: QuotaTaken) -> Self {
        Self { limiter, held: Some((grant, quotas)) }
    }

    /// The source accepted the call.
    pub fn succeed(self) {
        self.finish(Outcome::Success);
    }

    /// The call failed for a reason other than a limit.
    pub fn fail(self) {
        self.finish(Outcome::Failure);
    }

    /// Says how the call ended.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some((grant, _quotas)) = self.held.take() {
            self.limiter.finish(grant, outcome);
        }
    }
}

impl Drop for OwnedRatePermit {
    fn drop(&mut self) {
        if let Some((grant, quotas)) = self.held.take() {
            self.limiter.drop_permit(grant, quotas.as_deref().unwrap_or_default());
        }
    }
}
