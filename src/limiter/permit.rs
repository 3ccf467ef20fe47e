//! The right to make `n` calls, and the duty to say how they ended.

use std::time::Duration;

use super::AdaptiveRateLimiter;
use super::bucket::Place;

/// How a call ended, as far as the limiter cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateOutcome {
    /// The source accepted the call.
    Accepted,
    /// The source said "too many requests", perhaps with a time to wait.
    Limited {
        /// The source's `Retry-After`, from now.
        retry_after: Option<Duration>,
    },
    /// The call failed in another way; the rate stays.
    Failed,
}

/// The right to make the permitted calls now.
///
/// Dropped without an outcome the permits go back, unless somebody has started later: then they
/// are lost, since handing them on could let two calls start at one moment. Dropped while its
/// thread panics the call counts as made and failed.
#[must_use = "a permit that is dropped at once gives its tokens back"]
#[derive(Debug)]
pub struct RatePermit<'a> {
    limiter: &'a AdaptiveRateLimiter,
    tokens: u32,
    /// Its start until it is settled; `None` also where nothing is counted.
    start: Option<Place>,
}

impl<'a> RatePermit<'a> {
    pub(super) fn new(limiter: &'a AdaptiveRateLimiter, tokens: u32, start: Option<Place>) -> Self {
        Self { limiter, tokens, start }
    }

    /// Says how the call ended.
    pub fn finish(mut self, outcome: RateOutcome) {
        self.start = None;
        self.limiter.record(outcome);
    }

    /// The source accepted the call.
    pub fn succeed(self) {
        self.finish(RateOutcome::Accepted);
    }

    /// The call failed for a reason other than a limit.
    pub fn fail(self) {
        self.finish(RateOutcome::Failed);
    }
}

impl Drop for RatePermit<'_> {
    fn drop(&mut self) {
        if let (Some(start), false) = (self.start, std::thread::panicking()) {
            self.limiter.refund(self.tokens, start);
        }
    }
}
