//! The face of the batch room.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelToken;
use super::metrics::BatchMetrics;
use super::run::RunContext;
use super::slots::Slots;
use super::{BatchConfig, BatchJob, BatchMode, BatchReport, CallScope, WhenFull};
use crate::clock::{Clock, Deadline};
use crate::name::Name;
use crate::pool::{PoolSnapshot, ShutdownReport, WorkerPool};

/// Runs many calls at once on its own threads.
///
/// # Concurrency
/// Thread-safe; runs of several callers take turns on the threads. Threads start with the first
/// run. A run started by a call of the same processor goes one after the other on that worker, so
/// nested runs cannot wait for each other.
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
    pub(super) clock: Clock,
    pub(super) metrics: BatchMetrics,
    pub(super) pool: Arc<WorkerPool>,
    pub(super) slots: Arc<Slots>,
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
        F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
    {
        BatchJob::new(self, call)
    }

    /// Threads of the pool at this moment.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.pool.snapshot()
    }

    /// Items of all jobs that wait for a worker.
    pub fn queued(&self) -> usize {
        self.slots.queued()
    }

    /// Refuses new items, runs out what waits for a worker until `within` is over, and fails the
    /// rest, and what waits for a place at its source, with
    /// [`ItemError::ShuttingDown`](super::ItemError::ShuttingDown). Never waits for a hung call.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.pool.close(within);
        self.slots.wake_all();
        let report = self.pool.shutdown(within);
        let cancelled = self.slots.cancelled();
        self.slots.wake_all();
        ShutdownReport { cancelled, ..report }
    }

    pub(super) fn context(&self, deadline: Deadline, cancel: CancelToken) -> RunContext {
        RunContext {
            clock: self.clock.clone(),
            deadline,
            item_timeout: self.config.item_timeout,
            workers: self.config.workers,
            max_abandoned: self.config.max_abandoned,
            cancel,
            slots: Arc::clone(&self.slots),
            pool: Arc::downgrade(&self.pool),
        }
    }

    /// Whether items run on the caller's thread: the old way, or a job inside a job, which must not
    /// wait for the workers that wait for it.
    pub(super) fn is_inline(&self) -> bool {
        self.config.mode == BatchMode::Serial || self.pool.is_worker()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Items of one job that may wait, run, or have ended unread.
    pub(super) fn window(&self) -> usize {
        self.config.max_queued + self.config.workers
    }

    pub(super) fn when_full(&self) -> WhenFull {
        self.config.when_full
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Shows the pool in the metrics.
    pub(super) fn show(&self) {
        self.metrics.set(self.pool.snapshot());
    }
}

impl fmt::Debug for BatchProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchProcessor").field("config", &self.config).finish_non_exhaustive()
    }
}
