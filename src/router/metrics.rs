//! Handles of one router: of its endpoints, and of the two arms of a split.

use std::sync::Arc;

use super::{EndpointSpec, RouterConfig};
use crate::metrics::{Amount, Counter, Gauge, Histogram, Metrics};
use crate::name::Name;

#[derive(Clone, Default)]
pub(super) struct RouterMetrics {
    pub(super) endpoints: Vec<EndpointMetrics>,
    pub(super) arms: Option<[ArmMetrics; 2]>,
}

/// Handles of one endpoint.
#[derive(Clone, Default)]
pub(super) struct EndpointMetrics {
    pub(super) picks: Counter,
    /// By category; none of those it does not serve.
    scores: Vec<Option<Gauge>>,
    quota_left: Option<Gauge>,
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
    pub(super) fn new(metrics: &Metrics, name: &Name, config: &RouterConfig, endpoints: Vec<EndpointMetrics>) -> Self {
        let arm = |arm: &str| {
            let calls = |result: &str| metrics.router_arm_calls(name.as_str(), arm, result);
            ArmMetrics {
                successes: calls("success"),
                failures: calls("failure"),
                latency: metrics.router_arm_latency(name.as_str(), arm),
                cost: metrics.router_arm_cost(name.as_str(), arm),
            }
        };
        Self { endpoints, arms: config.split.map(|_| [arm("own"), arm("split")]) }
    }
}

impl EndpointMetrics {
    pub(super) fn of_all(metrics: &Metrics, endpoints: &[EndpointSpec], categories: &[Arc<str>]) -> Vec<Self> {
        let of = |endpoint: &EndpointSpec| {
            let (metrics, name) = (metrics.of_vendor(endpoint.vendor()), &*endpoint.name);
            let score = |category: &Arc<str>| endpoint.serves(category).then(|| metrics.router_score(name, category));
            Self {
                picks: metrics.router_picks(name),
                scores: categories.iter().map(score).collect(),
                quota_left: (endpoint.free_quota > 0).then(|| metrics.router_quota_left(name)),
            }
        };
        endpoints.iter().map(of).collect()
    }

    /// Out of use, whoever holds it.
    pub(super) fn end(&self) {
        self.scores.iter().flatten().chain(&self.quota_left).for_each(Gauge::end);
    }

    pub(super) fn show_score(&self, category: usize, score: f64) {
        if let Some(Some(gauge)) = self.scores.get(category) {
            gauge.set(score);
        }
    }

    pub(super) fn show_quota(&self, left: u64) {
        if let Some(gauge) = &self.quota_left {
            gauge.set(left as f64);
        }
    }
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
