//! A pool whose jobs have a lease: one that runs for too long is given up, and its thread replaced.

use std::sync::Arc;
use std::time::Duration;

use super::{Job, ShutdownReport, SubmitError, WorkerJob, WorkerPool};
use crate::clock::{Clock, Tick};
use crate::sync::Mutex;

/// Threads given up, for each worker there may be; more stay where they are.
const MAX_ABANDONED: usize = 4;

pub(crate) struct LeasedPool {
    pool: WorkerPool,
    max_workers: usize,
    running: Mutex<Vec<(Tick, WorkerJob)>>,
}

/// The lease of a job that runs; it ends with it.
pub(crate) struct Lease<'a> {
    pool: &'a LeasedPool,
    job: Option<WorkerJob>,
}

impl LeasedPool {
    pub(crate) fn new(name: impl Into<Arc<str>>, clock: Clock, max_workers: usize, max_queue: usize) -> Self {
        let pool = WorkerPool::new(name, clock, max_workers, max_queue);
        Self { pool, max_workers, running: Mutex::new(Vec::new()) }
    }

    pub(crate) fn submit(&self, job: Job) -> Result<(), (SubmitError, Job)> {
        self.pool.submit(job)
    }

    /// Jobs that wait for a worker.
    pub(crate) fn queued(&self) -> usize {
        self.pool.snapshot().queued
    }

    pub(crate) fn has_room(&self) -> bool {
        self.pool.has_room()
    }

    pub(crate) fn is_worker(&self) -> bool {
        self.pool.is_worker()
    }

    /// For the calling worker: from `until` on its job may be given up.
    pub(crate) fn lease(&self, until: Tick) -> Lease<'_> {
        let job = self.pool.current_job();
        if let Some(job) = job {
            self.running.lock().push((until, job));
        }
        Lease { pool: self, job }
    }

    /// Gives up the jobs whose lease is over; returns how many.
    pub(crate) fn give_up(&self, now: Tick) -> usize {
        let mut over = Vec::new();
        self.running.lock().retain(|(until, job)| {
            let is_over = now >= *until;
            if is_over {
                over.push(*job);
            }
            !is_over
        });
        let limit = self.max_workers.saturating_mul(MAX_ABANDONED);
        over.into_iter().filter(|job| self.pool.abandon(*job, limit)).count()
    }

    pub(crate) fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.pool.shutdown(within)
    }

    pub(crate) fn shutdown_by(&self, clock: &Clock, within: Duration) -> ShutdownReport {
        self.pool.shutdown_by(clock, within)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(job) = self.job {
            self.pool.running.lock().retain(|(_, running)| *running != job);
        }
    }
}
