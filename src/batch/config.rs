//! Settings of a batch processor.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// How items run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchMode {
    /// On the pool, at once.
    #[default]
    Concurrent,
    /// The old way: one after the other on the caller's thread, without item time-outs.
    Serial,
}

/// Settings of a [`BatchProcessor`](super::BatchProcessor).
///
/// # Examples
/// ```
/// let config = feedguard::BatchConfig::default().workers(8);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BatchConfig {
    /// How items run. Default `concurrent`.
    pub mode: BatchMode,
    /// Threads. Default four a core, at most 32.
    pub workers: usize,
    /// How long one item may run, from its start. Default 30 s.
    #[serde(with = "crate::config::human")]
    pub item_timeout: Duration,
    /// Workers stuck in calls past their time-out that are replaced; more are not, and items that
    /// find no worker then fail at once. Default: as many as `workers`.
    pub max_abandoned: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = (4 * cores).min(32);
        Self { mode: BatchMode::Concurrent, workers, item_timeout: Duration::from_secs(30), max_abandoned: workers }
    }
}

setters!(BatchConfig { mode: BatchMode, workers: usize, item_timeout: Duration, max_abandoned: usize });

impl BatchConfig {
    /// One item after the other.
    pub fn serial() -> Self {
        Self::default().mode(BatchMode::Serial)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("workers", self.workers, 1..=1024);
        faults.duration("item_timeout", self.item_timeout, Duration::from_millis(1)..=MAX_DURATION);
        faults.range("max_abandoned", self.max_abandoned, 0..=1024);
        faults.finish()
    }
}
