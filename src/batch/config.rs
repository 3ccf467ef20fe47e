//! Settings of a batch processor.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// How items run.
///
/// # Examples
/// ```
/// use feedguard::BatchConfig;
/// use feedguard::batch::BatchMode;
/// assert_eq!(BatchConfig::serial().mode, BatchMode::Serial);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
    /// Calls to one source at once, for jobs that name the source of their items; the hung ones
    /// count, and when all are hung the source's items fail at once. Default: as many as `workers`.
    pub per_source: usize,
    /// The same for single sources, by name. Default none.
    pub source_limits: HashMap<String, usize>,
    /// Items of all jobs that may wait for a worker. Default 1,024.
    pub max_queued: usize,
    /// What a job does when they do. Default `wait`.
    pub when_full: WhenFull,
}

/// What a job does with items for which the queue has no room.
///
/// # Examples
/// ```
/// use feedguard::BatchConfig;
/// use feedguard::batch::WhenFull;
/// let config = BatchConfig::default().max_queued(10).when_full(WhenFull::Reject);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room, until its deadline.
    #[default]
    Wait,
    /// They fail with [`ItemError::QueueFull`](super::ItemError::QueueFull), where the job has nothing
    /// in the queue itself: other jobs have filled it.
    Reject,
}

impl Default for BatchConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = (4 * cores).min(32);
        Self {
            mode: BatchMode::Concurrent,
            workers,
            item_timeout: Duration::from_secs(30),
            max_abandoned: workers,
            per_source: workers,
            source_limits: HashMap::new(),
            max_queued: 1024,
            when_full: WhenFull::Wait,
        }
    }
}

setters!(BatchConfig {
    mode: BatchMode,
    workers: usize,
    item_timeout: Duration,
    max_abandoned: usize,
    per_source: usize,
    source_limits: HashMap<String, usize>,
    max_queued: usize,
    when_full: WhenFull,
});

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
        faults.range("per_source", self.per_source, 1..=1024);
        for (source, limit) in &self.source_limits {
            faults.range(&format!("source_limits.{source}"), *limit, 1..=1024);
        }
        faults.range("max_queued", self.max_queued, 1..=1_000_000);
        faults.finish()
    }
}
