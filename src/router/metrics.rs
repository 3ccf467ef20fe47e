//! Handles of one router, one per endpoint, and of the two arms of a split.

use super::{EndpointSpec, RouterConfig};
use crate::metrics::{Amount, Counter, Histogram, Metrics};
use crate::name::Name;

#[derive(Clone, Default)]
pub(super) struct RouterMetrics {
    pub(super) picks: Vec<Counter>,
    pub(super) arms: Option<[ArmMetrics; 2]>,
}

/// What the calls of one policy brought.
#[derive(Clone, Default)]
pub(super) struct ArmMetrics {
    pub(super) successes: Counter,
    pub(super) failures: Counter,
    pub(super) latency: Histogram,
    pub(super) cost: Amount,
}

impl RouterMetrics {
    pub(super) fn new(metrics: &Metrics, name: &Name, config: &RouterConfig, endpoints: &[EndpointSpec]) -> Self {
        let arm = |arm: &str| {
            let calls = |result: &str| metrics.router_arm_calls(name.as_str(), arm, result);
            ArmMetrics {
                successes: calls("success"),
                failures: calls("failure"),
                latency: metrics.router_arm_latency(name.as_str(), arm),
                cost: metrics.router_arm_cost(name.as_str(), arm),
            }
        };
        Self { picks: picks(metrics, endpoints), arms: config.split.map(|_| [arm("own"), arm("split")]) }
    }
}

/// One handle an endpoint.
pub(super) fn picks(metrics: &Metrics, endpoints: &[EndpointSpec]) -> Vec<Counter> {
    endpoints.iter().map(|endpoint| metrics.router_picks(&endpoint.name)).collect()
}

impl ArmMetrics {
    pub(super) fn record(&self, seconds: f64, success: bool, cost: f64) {
        if success {
            self.successes.inc();
            self.latency.observe(crate::clock::seconds(seconds));
            self.cost.add(cost);
        } else {
            self.failures.inc();
        }
    }
}
