//! The face of the batch room.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::metrics::BatchMetrics;
use super::run::Run;
use super::{BatchConfig, BatchMode, BatchReport, ItemError};
use crate::clock::{Clock, Deadline};
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::pool::{PoolSnapshot, Refusal, ShutdownReport, WorkerPool};

/// Runs many calls at once on its own threads.
///
/// # Concurrency
/// Thread-safe; runs of several callers share the threads in turn. Threads start with the first
/// run. A run started by a call of the same processor goes one after the other on that worker, so
/// nested runs cannot wait for each other.
///
/// # Examples
/// ```
/// use feedguard::{BatchProcessor, Deadline};
/// let batch = BatchProcessor::new(Default::default())?;
/// let report = batch.run(vec![1, 2, 3], Deadline::never(), |n, _deadline| Ok::<_, String>(n * 10));
/// assert_eq!(report.results, [Ok(10), Ok(20), Ok(30)]);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct BatchProcessor {
    config: BatchConfig,
    clock: Clock,
    metrics: BatchMetrics,
    pool: Arc<WorkerPool>,
}

impl BatchProcessor {
    /// A processor with the given settings, without name and metrics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(config: BatchConfig) -> Result<Self, ConfigError> {
        Self::builder("batch").config(config).build()
    }

    /// Starts a processor; `name` stands in logs, labels and thread names.
    pub fn builder(name: impl Into<Arc<str>>) -> BatchBuilder {
        BatchBuilder {
            name: name.into(),
            config: BatchConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
        }
    }

    /// Calls `call` for every item; returns when each has a result. The deadline given to a call is
    /// the earlier of its own time-out and that of the run.
    ///
    /// # Panics
    /// Panics of `call` become [`ItemError::Panicked`].
    pub fn run<K, T, E>(
        &self,
        items: Vec<K>,
        deadline: Deadline,
        call: impl Fn(&K, Deadline) -> Result<T, E> + Send + Sync + 'static,
    ) -> BatchReport<T, E>
    where
        K: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.run_with_progress(items, deadline, |_done, _total| {}, call)
    }

    /// As [`run`](Self::run); `progress` is called on this thread with the number of items done and
    /// their total.
    ///
    /// # Panics
    /// A panic of `progress` goes on; the items go on too, their results are dropped.
    pub fn run_with_progress<K, T, E>(
        &self,
        items: Vec<K>,
        deadline: Deadline,
        mut progress: impl FnMut(usize, usize),
        call: impl Fn(&K, Deadline) -> Result<T, E> + Send + Sync + 'static,
    ) -> BatchReport<T, E>
    where
        K: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (started, total) = (self.clock.now(), items.len());
        let run = Run::new(items, call, self.clock.clone(), deadline, self.config.item_timeout);
        let progress = |done| progress(done, total);
        if self.config.mode == BatchMode::Serial || self.pool.is_worker() || !self.start(&run, total) {
            run.run_here(|| self.pool.is_closed(), progress);
        } else {
            run.watch(&self.pool, self.config.max_abandoned, || self.rest(), progress);
        }
        self.metrics.set(self.pool.snapshot());
        BatchReport { results: run.take_results(), elapsed: self.clock.now().since(started) }
    }

    /// Threads of the pool at this moment.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.pool.snapshot()
    }

    /// Refuses new runs, lets items that run end until `within` is over, and fails the rest.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.pool.shutdown(within)
    }

    /// Queues the drainers; `false` if the system gives no thread at all.
    fn start<K, T, E, F>(&self, run: &Arc<Run<K, T, E, F>>, total: usize) -> bool
    where
        K: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&K, Deadline) -> Result<T, E> + Send + Sync + 'static,
    {
        for nth in 0..self.config.workers.min(total) {
            match run.add_drainer(&self.pool) {
                Ok(()) => {}
                Err(Refusal::NoThread) if nth == 0 => return false,
                Err(_) => break,
            }
        }
        self.metrics.set(self.pool.snapshot());
        true
    }

    fn rest<E>(&self) -> ItemError<E> {
        if self.pool.is_closed() {
            ItemError::ShuttingDown
        } else {
            ItemError::Saturated { abandoned: self.pool.snapshot().abandoned }
        }
    }
}

impl fmt::Debug for BatchProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchProcessor").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Collects what a [`BatchProcessor`] works with.
#[must_use]
#[derive(Debug)]
pub struct BatchBuilder {
    name: Arc<str>,
    config: BatchConfig,
    clock: Clock,
    metrics: Metrics,
}

impl BatchBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: BatchConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock; the system clock otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Counts into these metrics; otherwise into none.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Makes the processor; no thread starts yet.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<BatchProcessor, ConfigError> {
        self.config.validate()?;
        let pool = WorkerPool::new(Arc::clone(&self.name), self.clock.clone(), self.config.workers, usize::MAX);
        Ok(BatchProcessor {
            metrics: BatchMetrics::new(&self.metrics, &self.name),
            config: self.config,
            clock: self.clock,
            pool: Arc::new(pool),
        })
    }
}
