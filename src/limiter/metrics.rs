//! Handles of one limiter.

use super::RateBound;
use crate::metrics::{Counter, Gauge, Metrics};

#[derive(Clone, Default)]
pub(super) struct LimiterMetrics {
    rate: Gauge,
    bound: Gauge,
    pub(super) limited: Counter,
    pub(super) rejected: Counter,
}

impl LimiterMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self {
            rate: metrics.limiter_rate(name),
            bound: metrics.limiter_bound(name),
            limited: metrics.limiter_limited(name),
            rejected: metrics.rejected(name, "rate_limited"),
        }
    }

    pub(super) fn show(&self, rate: f64, bound: RateBound) {
        self.rate.set(rate);
        self.bound.set(bound.gauge());
    }
}
