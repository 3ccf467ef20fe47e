//! Settings of a router.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Budget, RouterPolicy, Split};
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Settings of a [`SmartRouter`](super::SmartRouter).
///
/// # Examples
/// ```
/// use feedguard::RouterConfig;
/// use feedguard::router::RouterPolicy;
/// let config = RouterConfig::default().policy(RouterPolicy::RoundRobin);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouterConfig {
    /// How endpoints are ranked. Default `adaptive`.
    pub policy: RouterPolicy,
    /// Latency statistics forget with this time constant. Default 16 s.
    #[serde(with = "crate::config::human")]
    pub decay: Duration,
    /// Failures and flaws are forgotten with this time constant, without a call too: what happened
    /// yesterday weighs nothing. A good probe forgives sooner. Default 2 min.
    #[serde(with = "crate::config::human")]
    pub failure_decay: Duration,
    /// What a failed call costs, as a latency; multiplied by the failure rate. Default 1 s.
    #[serde(with = "crate::config::human")]
    pub failure_penalty: Duration,
    /// What one unit of price is worth, as a latency: the price dial. Default 160 ms; zero ignores
    /// prices.
    #[serde(with = "crate::config::human")]
    pub price_weight: Duration,
    /// What another location costs, as a latency. Default 5 ms.
    #[serde(with = "crate::config::human")]
    pub remote_penalty: Duration,
    /// What another location costs as a share of the endpoint's latency, 0 to 10, beside
    /// `remote_penalty`: 0.1 is a bonus of a tenth for local ones. Default 0.
    pub remote_share: f64,
    /// Failures in a row after which an endpoint is set aside. Default 5.
    pub eject_after: u32,
    /// Share of failures, of the decayed rate, at which it is set aside too, above 0 to 1. Default
    /// 0.5.
    pub eject_rate: f64,
    /// How long it is set aside at first; doubles up to 4 times that, varied by a fifth. Then one
    /// probe, then twice as many calls at once with each success. After a minute of good health it
    /// starts from here again. Default 3 s.
    #[serde(with = "crate::config::human")]
    pub eject_for: Duration,
    /// An endpoint that has not been called for this long, nor in 20 calls of the category, gets one, to
    /// learn how it does: if at its price it could be the best; a bad one is asked later and later, to
    /// 16 times this. All probes together are at most 3 % of the calls and 2 % of the money. Default
    /// 10 s.
    #[serde(with = "crate::config::human")]
    pub probe_idle_after: Duration,
    /// When all endpoints are ejected, refuse instead of asking the least bad; `seed_score` always
    /// refuses. Default `false`.
    pub fail_closed: bool,
    /// What may be spent. Default unlimited.
    pub budgets: Vec<Budget>,
    /// A second policy that is only compared with the first, in the snapshot. Default none.
    pub shadow: Option<RouterPolicy>,
    /// A second policy that decides for a share of the calls, both counted in the snapshot. Default none.
    pub split: Option<Split>,
    /// Seed of the tie-breaking; equal seeds decide equally. Default 0.
    pub seed: u64,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            policy: RouterPolicy::Adaptive,
            decay: Duration::from_secs(16),
            failure_decay: Duration::from_secs(120),
            failure_penalty: Duration::from_secs(1),
            price_weight: Duration::from_millis(160),
            remote_penalty: Duration::from_millis(5),
            remote_share: 0.0,
            eject_after: 5,
            eject_rate: 0.5,
            eject_for: Duration::from_secs(3),
            probe_idle_after: Duration::from_secs(10),
            fail_closed: false,
            budgets: Vec::new(),
            shadow: None,
            split: None,
            seed: 0,
        }
    }
}

setters!(RouterConfig {
    policy: RouterPolicy,
    decay: Duration,
    failure_decay: Duration,
    failure_penalty: Duration,
    price_weight: Duration,
    remote_penalty: Duration,
    remote_share: f64,
    eject_after: u32,
    eject_rate: f64,
    eject_for: Duration,
    probe_idle_after: Duration,
    fail_closed: bool,
    budgets: Vec<Budget>,
    shadow: Option<RouterPolicy>,
    split: Option<Split>,
    seed: u64,
});

impl RouterConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.duration("decay", self.decay, Duration::from_millis(100)..=MAX_DURATION);
        faults.duration("failure_decay", self.failure_decay, Duration::from_millis(100)..=MAX_DURATION);
        faults.duration("failure_penalty", self.failure_penalty, Duration::ZERO..=MAX_DURATION);
        faults.duration("price_weight", self.price_weight, Duration::ZERO..=MAX_DURATION);
        faults.duration("remote_penalty", self.remote_penalty, Duration::ZERO..=MAX_DURATION);
        faults.range("remote_share", self.remote_share, 0.0..=10.0);
        if let Some(split) = &self.split {
            faults.nested("split", split.validate());
        }
        faults.range("eject_after", self.eject_after, 1..=1_000_000);
        faults.range("eject_rate", self.eject_rate, 0.01..=1.0);
        faults.duration("probe_idle_after", self.probe_idle_after, Duration::from_millis(1)..=MAX_DURATION);
        for (index, budget) in self.budgets.iter().enumerate() {
            faults.nested(&format!("budgets[{index}]"), budget.validate());
        }
        faults.duration("eject_for", self.eject_for, Duration::from_millis(1)..=MAX_DURATION);
        faults.finish()
    }
}
