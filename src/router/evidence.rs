//! How often something goes wrong, pure: counts that fade with time and with calls.

use std::time::Duration;

use crate::clock::{Tick, nanos};

/// Calls that are remembered at most: each one fades what was before by a fiftieth.
const MEMORY: f64 = 50.0;
/// Good calls assumed beside those seen, so that one failure is no verdict.
const ASSUMED_GOOD: f64 = 9.0;

/// Bad ones among the latest, in counts that halve and halve again without a call too.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    bad: f64,
    all: f64,
    at: Tick,
}

impl Evidence {
    /// `badness` is 0 for a good one and 1 for a bad one.
    pub(super) fn record(&mut self, badness: f64, constant: Duration, now: Tick) {
        let keep = fade(now.since(self.at), constant).min(1.0 - 1.0 / MEMORY);
        self.bad = self.bad * keep + badness;
        self.all = self.all * keep + 1.0;
        self.at = now;
    }

    /// The share of bad ones to expect of the next.
    #[inline]
    pub(super) fn expected(&self, constant: Duration, now: Tick) -> f64 {
        if self.bad <= 0.0 {
            return 0.0;
        }
        let keep = self.fresh(constant, now);
        self.bad * keep / (self.all * keep + ASSUMED_GOOD)
    }

    /// How much of it counts still, 0 to 1.
    pub(super) fn fresh(&self, constant: Duration, now: Tick) -> f64 {
        fade(now.since(self.at), constant)
    }

    /// The share of bad ones seen, if at least so many calls are remembered.
    pub(super) fn observed(&self, least: f64) -> Option<f64> {
        (self.all >= least).then(|| self.bad / self.all)
    }

    /// Only this share of the bad ones counts from now on.
    pub(super) fn forgive(&mut self, share: f64) {
        self.bad *= share;
    }
}

/// What is left after a time: 1 at once, a third after the constant.
#[inline]
pub(super) fn fade(gap: Duration, constant: Duration) -> f64 {
    let gone = nanos(gap) as f64 / nanos(constant) as f64;
    // To a millionth; most gaps are short.
    if gone < 0.01 { 1.0 - gone + gone * gone / 2.0 } else { (-gone).exp() }
}
