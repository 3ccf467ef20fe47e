//! Settings of a retry policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::seconds;
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Settings of a [`Retry`](super::Retry), and of the rounds of a manager's fetches.
///
/// # Examples
/// ```
/// use feedguard::retry::RetryConfig;
/// use std::time::Duration;
/// let config = RetryConfig::default().rounds(3).backoff(Duration::from_millis(50));
/// assert!(config.validate().is_ok());
/// assert_eq!(RetryConfig::off().rounds, 0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Rounds after the first one; 0 switches retries off. Default 10.
    pub rounds: u32,
    /// Least pause before the second round; doubles with each further one, varied by half. Default
    /// 100 ms.
    #[serde(with = "crate::config::human")]
    pub backoff: Duration,
    /// Longest such pause. Default 5 s.
    #[serde(with = "crate::config::human")]
    pub max_backoff: Duration,
    /// Second calls, as a share of first ones, 0 to 1; up to ten are saved. Rounds that reached no source
    /// are free. Default 0.1.
    pub budget: f64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { rounds: 10, backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), budget: 0.1 }
    }
}

setters!(RetryConfig { rounds: u32, backoff: Duration, max_backoff: Duration, budget: f64 });

impl RetryConfig {
    /// No second round.
    pub fn off() -> Self {
        Self::default().rounds(0)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("rounds", self.rounds, 0..=1_000_000);
        faults.duration("backoff", self.backoff, Duration::from_millis(1)..=MAX_DURATION);
        faults.duration("max_backoff", self.max_backoff, Duration::from_millis(1)..=MAX_DURATION);
        faults.range("budget", self.budget, 0.0..=1.0);
        faults.finish()
    }

    /// The pause after round `round`, counted from 1; `dice` in 0..1 makes it up to a half shorter.
    pub(crate) fn pause(&self, round: u32, dice: f64) -> Duration {
        let doublings = round.saturating_sub(1).min(30);
        let full = self.backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        seconds(full.as_secs_f64() * (1.0 - 0.5 * dice))
    }
}
