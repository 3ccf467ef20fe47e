//! Handles of one batch processor.

use std::time::Duration;

use crate::metrics::{Gauge, Metrics};
use crate::pool::PoolSnapshot;

#[derive(Clone, Default)]
pub(super) struct BatchMetrics {
    busy: Gauge,
    idle: Gauge,
    abandoned: Gauge,
    queued: Gauge,
    queue_age: Gauge,
}

impl BatchMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self {
            busy: metrics.batch_busy(name),
            idle: metrics.batch_idle(name),
            abandoned: metrics.batch_abandoned(name),
            queued: metrics.batch_queued(name),
            queue_age: metrics.batch_queue_age(name),
        }
    }

    pub(super) fn set(&self, pool: PoolSnapshot, queue_age: Duration) {
        self.busy.set(pool.busy as f64);
        self.idle.set(pool.idle as f64);
        self.abandoned.set(pool.abandoned as f64);
        self.queued.set(pool.queued as f64);
        self.queue_age.set(queue_age.as_secs_f64());
    }
}
