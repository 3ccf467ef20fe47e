//! Settings of the threads that calls run on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Where calls run.
///
/// # Examples
/// ```
/// use feedguard::manager::{CallsConfig, Isolation};
/// assert_eq!(CallsConfig::default().isolation, Isolation::Thread);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Isolation {
    /// On a thread of the manager: a call that hangs is given up at `call_timeout`.
    #[default]
    Thread,
    /// The old way: on the caller's thread. A call that hangs holds its caller, and nothing is hedged.
    Caller,
}

/// Settings of the threads that calls run on.
///
/// # Examples
/// ```
/// use feedguard::ManagerConfig;
/// use feedguard::manager::CallsConfig;
/// let config = ManagerConfig::default().calls(CallsConfig::default().max_threads(64));
/// # drop(config);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CallsConfig {
    /// Where calls run. Default `thread`.
    pub isolation: Isolation,
    /// Calls at once, hung ones not counted. Default 256.
    pub max_threads: usize,
    /// Hung calls whose threads are replaced; beyond that they count among `max_threads`. Default 256.
    pub max_abandoned: usize,
    /// How long a thread without a call stays. Default 10 s.
    #[serde(with = "crate::config::human")]
    pub idle_for: Duration,
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self { isolation: Isolation::Thread, max_threads: 256, max_abandoned: 256, idle_for: Duration::from_secs(10) }
    }
}

setters!(CallsConfig { isolation: Isolation, max_threads: usize, max_abandoned: usize, idle_for: Duration });

impl CallsConfig {
    /// Calls on their callers' threads.
    pub fn on_callers() -> Self {
        Self::default().isolation(Isolation::Caller)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("max_threads", self.max_threads, 1..=65_536);
        faults.range("max_abandoned", self.max_abandoned, 0..=65_536);
        faults.duration("idle_for", self.idle_for, Duration::from_millis(1)..=MAX_DURATION);
        faults.finish()
    }
}
