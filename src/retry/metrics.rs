//! Handles of one retry policy.

use crate::metrics::{Counter, Metrics};

#[derive(Clone, Default)]
pub(super) struct RetryMetrics {
    pub(super) retries: Counter,
}

impl RetryMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self { retries: metrics.retries(name) }
    }
}
