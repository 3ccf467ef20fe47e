//! What the calls of a policy brought, for each arm of a split.

use std::time::Duration;

use serde::Serialize;

use super::RouterPolicy;
use super::histogram::{Bucket, Histogram};
use crate::clock::Tick;

/// What the calls of one policy brought; of [`Split`](super::Split), the router's own policy is the first.
///
/// # Examples
/// ```
/// use feedguard::router::{RouterPolicy, Split};
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// let config = RouterConfig::default().split(Some(Split::new(RouterPolicy::RoundRobin, 0.5)));
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], config)?;
/// assert_eq!(router.snapshot().arms.unwrap()[1].successes, 0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ArmSnapshot {
    /// The policy.
    pub policy: RouterPolicy,
    /// Calls finished, without ignored ones.
    pub calls: u64,
    /// Calls that succeeded.
    pub successes: u64,
    /// Mean latency of all successes.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub mean: Duration,
    /// Median latency of the latest successes.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub p50: Duration,
    /// 95th percentile of the latest successes.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub p95: Duration,
    /// Money spent.
    pub cost: f64,
}

#[derive(Debug, Default)]
pub(super) struct Arm {
    calls: u64,
    successes: u64,
    seconds: f64,
    cost: f64,
    latencies: Histogram,
}

impl Arm {
    pub(super) fn record(&mut self, latency: Bucket, success: bool, cost: f64, now: Tick) {
        self.calls += 1;
        self.cost += cost;
        if success {
            self.successes += 1;
            self.seconds += latency.seconds;
            self.latencies.record(latency, now);
        }
    }

    pub(super) fn snapshot(&self, policy: RouterPolicy) -> ArmSnapshot {
        let mean = self.seconds / (self.successes.max(1)) as f64;
        let [p50, p95, _] = self.latencies.percentiles().map(crate::clock::seconds);
        let mean = crate::clock::seconds(mean);
        ArmSnapshot { policy, calls: self.calls, successes: self.successes, mean, p50, p95, cost: self.cost }
    }
}
