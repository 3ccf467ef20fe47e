//! Handles of one breaker.

use crate::metrics::{Counter, Gauge, Metrics};

use super::BreakerState;

#[derive(Clone, Default)]
pub(super) struct BreakerMetrics {
    state: Gauge,
    to: [Counter; 3],
    pub(super) rejected: Counter,
    pub(super) would_reject: Counter,
}

impl BreakerMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
        let state = metrics.breaker_state(name);
        state.set(f64::from(BreakerState::Closed as u8));
        Self {
            state,
            to: states.map(|to| metrics.breaker_transitions(name, to.as_str())),
            rejected: metrics.rejected(name, "breaker_open"),
            would_reject: metrics.rejected(name, "breaker_observed"),
        }
    }

    pub(super) fn entered(&self, to: BreakerState) {
        self.state.set(f64::from(to as u8));
        self.to[to as usize].inc();
    }
}
