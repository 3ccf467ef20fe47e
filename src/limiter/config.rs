//! Settings of a limiter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quota_config::{QuotaWindow, validate_windows};
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// What moves the rate of a limiter.
///
/// # Examples
/// ```
/// use feedguard::LimiterConfig;
/// use feedguard::limiter::RateControl;
/// assert_eq!(LimiterConfig::fixed(5.0).control, RateControl::Fixed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateControl {
    /// Finds the rate the source accepts, from its "too many requests" answers.
    #[default]
    Adaptive,
    /// The rule of the first design: every error, limit or not, raises a score by 0.05, every
    /// success lowers it by 0.01; above 0.1 each grant lowers the rate by 10 %, below 0.01 it raises
    /// it by 10 %, in whole numbers.
    ErrorRate,
    /// Stays at [`initial_rate_per_sec`](LimiterConfig::initial_rate_per_sec).
    Fixed,
}

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
    /// What moves the rate. Default `adaptive`.
    pub control: RateControl,
    /// Permits per second at the start. Default 10.
    pub initial_rate_per_sec: f64,
    /// The rate never falls below this. Default 1.
    pub min_rate_per_sec: f64,
    /// The rate never rises above this. Default 100.
    pub max_rate_per_sec: f64,
    /// Permits that may be taken at once after a rest: any window `w` grants at most
    /// `burst + rate x w`. Default 1.
    pub burst: u32,
    /// Longest pause a source's `Retry-After` may impose; a longer one is kept to this, logged and told.
    /// Default 1 h.
    #[serde(with = "crate::config::human")]
    pub max_pause: Duration,
    /// With adaptive control: holds calls back once latency shows that they queue at the source.
    /// Default `true`.
    pub in_flight_guard: bool,
    /// Calls that may be under way at once, whatever the control; beside the guard the smaller number
    /// holds. Default `None`: any number.
    pub max_in_flight: Option<u32>,
    /// A call that has not ended after this time no longer counts as under way (up to an eighth longer), and
    /// a [`Reservation`](super::Reservation) that nobody waits on for so long after its turn is given up.
    /// Default 60 s.
    #[serde(with = "crate::config::human")]
    pub lease: Duration,
    /// Calendar quotas, at most 8 windows. Default none.
    pub quotas: Vec<QuotaWindow>,
}

impl Default for LimiterConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            control: RateControl::Adaptive,
            initial_rate_per_sec: 10.0,
            min_rate_per_sec: 1.0,
            max_rate_per_sec: 100.0,
            burst: 1,
            max_pause: Duration::from_secs(3600),
            in_flight_guard: true,
            max_in_flight: None,
            lease: Duration::from_secs(60),
            quotas: Vec::new(),
        }
    }
}

setters!(LimiterConfig {
    enabled: bool,
    control: RateControl,
    initial_rate_per_sec: f64,
    min_rate_per_sec: f64,
    max_rate_per_sec: f64,
    burst: u32,
    max_pause: Duration,
    in_flight_guard: bool,
    max_in_flight: Option<u32>,
    lease: Duration,
    quotas: Vec<QuotaWindow>,
});

impl LimiterConfig {
    /// Grants everything.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// A rate that stays; [`burst`](Self::burst) permits may be taken at once.
    pub fn fixed(rate_per_sec: f64) -> Self {
        let config = Self::default().control(RateControl::Fixed).initial_rate_per_sec(rate_per_sec);
        let (min, max) = (config.min_rate_per_sec.min(rate_per_sec), config.max_rate_per_sec.max(rate_per_sec));
        config.min_rate_per_sec(min).max_rate_per_sec(max)
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
        if let Some(most) = self.max_in_flight {
            faults.range("max_in_flight", most, 1..=1_000_000);
        }
        faults.duration("lease", self.lease, Duration::from_millis(1)..=MAX_DURATION);
        faults.nested("quotas", validate_windows(&self.quotas));
        faults.finish()
    }
}
