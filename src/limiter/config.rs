//! Settings of a limiter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Settings of an [`AdaptiveRateLimiter`](super::AdaptiveRateLimiter).
///
/// # Examples
/// ```
/// let config = feedguard::LimiterConfig::default().initial_rate_per_sec(5.0).burst(5);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimiterConfig {
    /// `false`: every call is granted at once. Default `true`.
    pub enabled: bool,
    /// `false`: the rate stays at `initial_rate_per_sec`. Default `true`.
    pub adaptive: bool,
    /// Permits per second at the start. Default 10.
    pub initial_rate_per_sec: f64,
    /// The rate never falls below this. Default 1.
    pub min_rate_per_sec: f64,
    /// The rate never rises above this. Default 100.
    pub max_rate_per_sec: f64,
    /// Permits that may be taken at once after a rest: any window `w` grants at most
    /// `burst + rate x w`. Default 1.
    pub burst: u32,
    /// Longest pause a source's `Retry-After` may impose. Default 5 min.
    #[serde(with = "crate::config::human")]
    pub max_pause: Duration,
}

impl Default for LimiterConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            adaptive: true,
            initial_rate_per_sec: 10.0,
            min_rate_per_sec: 1.0,
            max_rate_per_sec: 100.0,
            burst: 1,
            max_pause: Duration::from_secs(300),
        }
    }
}

setters!(LimiterConfig {
    enabled: bool,
    adaptive: bool,
    initial_rate_per_sec: f64,
    min_rate_per_sec: f64,
    max_rate_per_sec: f64,
    burst: u32,
    max_pause: Duration,
});

impl LimiterConfig {
    /// Grants everything.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (slowest, fastest) = (1.0 / 86_400.0, 5e9);
        let mut faults = Faults::new();
        faults.range("min_rate_per_sec", self.min_rate_per_sec, slowest..=fastest);
        faults.range("max_rate_per_sec", self.max_rate_per_sec, self.min_rate_per_sec.max(slowest)..=fastest);
        faults.range(
            "initial_rate_per_sec",
            self.initial_rate_per_sec,
            self.min_rate_per_sec.max(slowest)..=self.max_rate_per_sec.min(fastest),
        );
        faults.range("burst", self.burst, 1..=1_000_000);
        faults.duration("max_pause", self.max_pause, Duration::ZERO..=MAX_DURATION);
        faults.finish()
    }
}
