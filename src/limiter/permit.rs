//! The right to make `n` calls, and the duty to say how they ended.

use std::time::Duration;

use super::AdaptiveRateLimiter;

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
/// Dropped without an outcome the permits go back; dropped while its thread panics the call counts
/// as made and failed.
#[must_use = "a permit that is dropped at once gives its tokens back"]
#[derive(Debug)]
pub struct RatePermit<'a> {
    limiter: &'a AdaptiveRateLimiter,
    tokens: u32,
    settled: bool,
}

impl<'a> RatePermit<'a> {
    pub(super) fn new(limiter: &'a AdaptiveRateLimiter, tokens: u32) -> Self {
        Self { limiter, tokens, settled: false }
    }

    /// Says how the call ended.
    pub fn finish(mut self, outcome: RateOutcome) {
        self.settled = true;
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
        if !self.settled && !std::thread::panicking() {
            self.limiter.refund(self.tokens);
        }
    }
}
