//! Handles of one batch processor.

use crate::metrics::{Gauge, Metrics};
use crate::pool::PoolSnapshot;

#[derive(Clone, Default)]
pub(super) struct BatchMetrics {
    busy: Gauge,
    abandoned: Gauge,
}

impl BatchMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self { busy: metrics.batch_busy(name), abandoned: metrics.batch_abandoned(name) }
    }

    pub(super) fn set(&self, pool: PoolSnapshot) {
        self.busy.set(pool.busy as f64);
        self.abandoned.set(pool.abandoned as f64);
    }
}
