//! Makes a router.

use super::{EndpointSpec, RouterConfig, SmartRouter, validate_endpoints};
use crate::clock::Clock;
use crate::config::Faults;
use crate::error::ConfigError;
use crate::metrics::Metrics;

/// Collects what a [`SmartRouter`] works with.
#[must_use]
#[derive(Debug)]
pub struct RouterBuilder {
    pub(super) config: RouterConfig,
    pub(super) endpoints: Vec<EndpointSpec>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

impl RouterBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: RouterConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the endpoints.
    pub fn endpoints(mut self, endpoints: Vec<EndpointSpec>) -> Self {
        self.endpoints = endpoints;
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

    /// Makes the router.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings and the endpoints.
    pub fn build(self) -> Result<SmartRouter, ConfigError> {
        let mut faults = Faults::new();
        faults.nested("router", self.config.validate());
        faults.nested("router", validate_endpoints(&self.endpoints));
        faults.finish()?;
        Ok(SmartRouter::from_parts(self.config, self.endpoints, self.clock, self.metrics))
    }
}
