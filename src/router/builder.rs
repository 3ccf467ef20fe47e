//! Makes a router.

use std::sync::Arc;

use super::{EndpointSpec, RouterConfig, SmartRouter, validate_endpoints};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;

/// Collects what a [`SmartRouter`] works with.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// let router = SmartRouter::builder("quotes")
///     .endpoints(vec![EndpointSpec::named("sina")])
///     .config(RouterConfig::default())
///     .build()?;
/// assert_eq!(router.endpoints().len(), 1);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
#[derive(Debug)]
pub struct RouterBuilder {
    name: Name,
    config: RouterConfig,
    endpoints: Vec<EndpointSpec>,
    clock: Clock,
    metrics: Metrics,
    categories: Arc<[Arc<str>]>,
}

impl SmartRouter {
    /// A router over these endpoints, without metrics; `name` stands in logs.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings and the endpoints.
    pub fn new(name: impl Into<Name>, endpoints: Vec<EndpointSpec>, config: RouterConfig) -> Result<Self, ConfigError> {
        Self::builder(name).endpoints(endpoints).config(config).build()
    }

    /// Starts a router; `name` stands in logs.
    pub fn builder(name: impl Into<Name>) -> RouterBuilder {
        RouterBuilder {
            name: name.into(),
            config: RouterConfig::default(),
            endpoints: Vec::new(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            categories: Arc::from([Arc::from("default")]),
        }
    }
}

impl RouterBuilder {
    /// Sets the endpoints.
    pub fn endpoints(mut self, endpoints: Vec<EndpointSpec>) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Names the categories of requests, by their numbers; for labels.
    pub(crate) fn categories(mut self, categories: Arc<[Arc<str>]>) -> Self {
        self.categories = categories;
        self
    }

    builder_setters!(RouterConfig);

    /// Makes the router.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings and the endpoints.
    pub fn build(self) -> Result<SmartRouter, ConfigError> {
        let mut faults = Faults::new();
        faults.name("name", &self.name);
        faults.nested("router", self.config.validate());
        faults.nested("router", validate_endpoints(&self.endpoints));
        faults.finish()?;
        let Self { name, config, endpoints, clock, metrics, categories } = self;
        Ok(SmartRouter::from_parts(name, config, endpoints, clock, metrics, categories))
    }
}
