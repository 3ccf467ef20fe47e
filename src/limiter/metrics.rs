//! Handles of one limiter.

use super::RateBound;
use crate::metrics::{Counter, Gauge, Metrics};

#[derive(Clone, Default)]
pub(super) struct LimiterMetrics {
    rate: Gauge,
    bound: Gauge,
    waiters: Gauge,
    pub(super) limited: Counter,
    pub(super) rejected: Counter,
}

impl LimiterMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let waiters = metrics.limiter_waiters(name);
        waiters.set(0.0);
        Self {
            rate: metrics.limiter_rate(name),
            bound: metrics.limiter_bound(name),
            waiters,
            ..Self::of_many(metrics, name)
        }
    }

    /// Of limiters that share a name: what they count together.
    pub(super) fn of_many(metrics: &Metrics, name: &str) -> Self {
        Self {
            limited: metrics.limiter_limited(name),
            rejected: metrics.rejected(name, "rate_limited"),
            ..Self::default()
        }
    }

    pub(super) fn show(&self, rate: f64, bound: RateBound) {
        self.rate.set(rate);
        self.bound.set(bound.gauge());
    }

    /// Out of use, whoever holds it.
    pub(super) fn end(&self) {
        [&self.rate, &self.bound, &self.waiters].into_iter().for_each(Gauge::end);
    }

    /// A caller waits, until the guard is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiters.add(1.0);
        Waiting(&self.waiters)
    }
}

/// A caller that waits for a permit.
pub(super) struct Waiting<'a>(&'a Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}
