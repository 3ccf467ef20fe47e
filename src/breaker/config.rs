//! Settings of a breaker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Settings of a [`CircuitBreaker`](super::CircuitBreaker); the default suits a source of unknown
/// kind.
///
/// # Examples
/// ```
/// use feedguard::BreakerConfig;
/// use std::time::Duration;
/// let config = BreakerConfig::free().open_for(Duration::from_secs(30));
/// assert_eq!(config.failure_threshold, 3);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// `false`: every call is admitted and nothing is recorded. Default `true`.
    pub enabled: bool,
    /// Consecutive failures that open the breaker. Default 5, free sources 3, paid sources 10.
    pub failure_threshold: u32,
    /// How long the breaker stays open before it admits probes. Default 60 s.
    #[serde(with = "crate::config::human")]
    pub open_for: Duration,
    /// Probes admitted while half-open; all must succeed to close it. Default 3.
    pub half_open_permits: u32,
    /// The longest a call may take; a probe is given up after the larger of this and `open_for`.
    /// Default 30 s.
    #[serde(with = "crate::config::human")]
    pub call_timeout: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_threshold: 5,
            open_for: Duration::from_secs(60),
            half_open_permits: 3,
            call_timeout: Duration::from_secs(30),
        }
    }
}

setters!(BreakerConfig {
    enabled: bool,
    failure_threshold: u32,
    open_for: Duration,
    half_open_permits: u32,
    call_timeout: Duration,
});

impl BreakerConfig {
    /// For free sources: opens after 3 failures.
    pub fn free() -> Self {
        Self::default().failure_threshold(3)
    }

    /// For paid sources: opens after 10 failures.
    pub fn paid() -> Self {
        Self::default().failure_threshold(10)
    }

    /// Admits everything.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("failure_threshold", self.failure_threshold, 1..=1_000_000);
        faults.duration("open_for", self.open_for, Duration::from_millis(1)..=MAX_DURATION);
        faults.range("half_open_permits", self.half_open_permits, 1..=1_000);
        faults.duration("call_timeout", self.call_timeout, Duration::from_millis(1)..=MAX_DURATION);
        faults.finish()
    }

    /// How long a probe may hold its permit.
    pub(super) fn lease(&self) -> Duration {
        self.open_for.max(self.call_timeout)
    }
}
