//! Two policies in earnest: a share of the calls goes by a second one, and both are counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RouterPolicy;
use super::histogram::{Bucket, Histogram};
use crate::clock::Tick;
use crate::config::Faults;
use crate::error::ConfigError;

/// Sends a share of the calls by a second policy, so that the two can be compared by what they bring:
/// [`RouterSnapshot::arms`](super::RouterSnapshot::arms).
///
/// # Examples
/// ```
/// use feedguard::router::{RouterPolicy, Split};
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let config = RouterConfig::default().split(Some(Split::new(RouterPolicy::Fastest, 0.1)));
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], config)?;
/// for _ in 0..100 {
///     router.pick()?.finish(Outcome::Success);
/// }
/// let arms = router.snapshot().arms.unwrap();
/// assert_eq!(arms[0].calls + arms[1].calls, 100);
/// assert!(arms[1].calls < 30 && arms[1].policy == RouterPolicy::Fastest);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Split {
    /// The second policy.
    pub policy: RouterPolicy,
    /// Its share of the calls, 0 to 1, by chance.
    pub share: f64,
}

impl Split {
    /// This share of the calls by this policy.
    pub fn new(policy: RouterPolicy, share: f64) -> Self {
        Self { policy, share }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("share", self.share, 0.0..=1.0);
        faults.finish()
    }
}

/// What the calls of one policy brought; of [`Split`], the router's own policy is the first.
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
