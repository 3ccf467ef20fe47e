//! Settings of a router.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// How endpoints are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouterPolicy {
    /// One unit, seconds: predicted latency under the present load, plus failures and price
    /// turned into seconds. The default.
    #[default]
    Adaptive,
    /// The literal score: performance .4, cost .3, load .2, location .1.
    SeedScore,
    /// Lowest measured median latency.
    Fastest,
    /// In turn.
    RoundRobin,
}

/// Settings of a [`SmartRouter`](super::SmartRouter).
///
/// # Examples
/// ```
/// use feedguard::{RouterConfig, RouterPolicy};
/// let config = RouterConfig::default().policy(RouterPolicy::RoundRobin);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouterConfig {
    /// How endpoints are ranked. Default `adaptive`.
    pub policy: RouterPolicy,
    /// Latency statistics forget with this time constant. Default 10 s.
    #[serde(with = "crate::config::human")]
    pub decay: Duration,
    /// What a failed call costs, as a latency; multiplied by the failure rate. Default 3 s.
    #[serde(with = "crate::config::human")]
    pub failure_penalty: Duration,
    /// What one unit of price is worth, as a latency: the price dial. Default 60 ms; zero ignores
    /// prices.
    #[serde(with = "crate::config::human")]
    pub price_weight: Duration,
    /// What another location costs, as a latency. Default 5 ms.
    #[serde(with = "crate::config::human")]
    pub remote_penalty: Duration,
    /// Failures in a row after which an endpoint is set aside. Default 5.
    pub eject_after: u32,
    /// How long it is set aside at first; doubles up to 16 times that. Default 5 s.
    #[serde(with = "crate::config::human")]
    pub eject_for: Duration,
    /// Seed of the tie-breaking; equal seeds decide equally. Default 0.
    pub seed: u64,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            policy: RouterPolicy::Adaptive,
            decay: Duration::from_secs(10),
            failure_penalty: Duration::from_secs(3),
            price_weight: Duration::from_millis(60),
            remote_penalty: Duration::from_millis(5),
            eject_after: 5,
            eject_for: Duration::from_secs(5),
            seed: 0,
        }
    }
}

setters!(RouterConfig {
    policy: RouterPolicy,
    decay: Duration,
    failure_penalty: Duration,
    price_weight: Duration,
    remote_penalty: Duration,
    eject_after: u32,
    eject_for: Duration,
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
        faults.duration("failure_penalty", self.failure_penalty, Duration::ZERO..=MAX_DURATION);
        faults.duration("price_weight", self.price_weight, Duration::ZERO..=MAX_DURATION);
        faults.duration("remote_penalty", self.remote_penalty, Duration::ZERO..=MAX_DURATION);
        faults.range("eject_after", self.eject_after, 1..=1_000_000);
        faults.duration("eject_for", self.eject_for, Duration::from_millis(1)..=MAX_DURATION);
        faults.finish()
    }
}
