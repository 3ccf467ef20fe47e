//! The face of the batch room.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::{BatchConfig, BatchJob, BatchMode, BatchReport, CallScope};
use crate::clock::{Clock, Deadline};
use crate::name::Name;
use crate::pool::{PoolSnapshot, ShutdownReport};

/// Runs many calls at once on its own threads.
///
/// # Concurrency
/// Thread-safe; runs of several callers take turns, item by item, on the threads, so that a small run
/// does not wait for a large one. Threads start with the first run, and so does the one that watches
/// time-outs; all end with the processor. A run started by a call of the same processor goes one after
/// the other on that worker, so nested runs cannot wait for each other.
///
/// # Examples
/// ```
/// use feedguard::{BatchProcessor, Deadline};
/// let batch = BatchProcessor::new("batch", Default::default())?;
/// let report = batch.run(vec![1, 2, 3], Deadline::never(), |n, _deadline| Ok::<_, String>(n * 10));
/// assert_eq!(report.results, [Ok(10), Ok(20), Ok(30)]);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct BatchProcessor {
    pub(super) name: Name,
    pub(super) config: BatchConfig,
    pub(super) engine: Arc<Engine>,
}

impl BatchProcessor {
    /// Calls `call` for every item; returns when each has a result. The deadline given to a call is
    /// the earlier of its own time-out and that of the run. [`job`](Self::job) has more settings.
    ///
    /// # Panics
    /// Panics of `call` become [`ItemError::Panicked`](super::ItemError::Panicked).
    pub fn run<K, T, E>(
        &self,
        items: Vec<K>,
        deadline: Deadline,
        call: impl Fn(&K, Deadline) -> Result<T, E> + Send + Sync + 'static,
    ) -> BatchReport<T, E>
    where
        K: Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.job(move |item: &K, scope: &CallScope| call(item, scope.deadline())).deadline(deadline).run(items)
    }

    /// Puts a job together: sub-limits by source, cancellation, pacing, results as they come.
    pub fn job<K, T, E, F>(&self, call: F) -> BatchJob<'_, K, F>
    where
        F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync,
    {
        BatchJob::new(self, call)
    }

    /// Threads of the pool at this moment.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.engine.snapshot()
    }

    /// Items of all jobs that wait: for a worker, for a place at their source, for their time.
    pub fn queued(&self) -> usize {
        self.engine.queued()
    }

    /// Refuses new items, runs out what waits until `within` is over, and fails the rest with
    /// [`ItemError::ShuttingDown`](super::ItemError::ShuttingDown). Never waits for a call that was given
    /// up on. The report counts items: done and cancelled since the shutdown began.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.engine.shutdown(within)
    }

    /// What a stream of results works with, and whether items run on the caller's thread: the old way, or a
    /// job inside a job, which must not wait for the workers that wait for it.
    pub(super) fn parts(&self) -> (&Arc<Engine>, &BatchConfig, bool) {
        (&self.engine, &self.config, self.config.mode == BatchMode::Serial || self.engine.is_worker())
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.engine.clock
    }
}

impl Drop for BatchProcessor {
    /// Fails what waits; waits for no thread.
    fn drop(&mut self) {
        self.engine.close();
    }
}

impl fmt::Debug for BatchProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchProcessor").field("config", &self.config).finish_non_exhaustive()
    }
}
