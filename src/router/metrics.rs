//! Handles of one router, one per endpoint.

use crate::metrics::{Counter, Metrics};

use super::EndpointSpec;

#[derive(Clone, Default)]
pub(super) struct RouterMetrics {
    pub(super) picks: Vec<Counter>,
}

impl RouterMetrics {
    pub(super) fn new(metrics: &Metrics, endpoints: &[EndpointSpec]) -> Self {
        Self { picks: endpoints.iter().map(|endpoint| metrics.router_picks(&endpoint.name)).collect() }
    }
}
