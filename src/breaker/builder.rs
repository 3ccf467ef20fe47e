//! Makes a breaker.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::circuit_breaker::{CircuitBreaker, Listener};
use super::{BreakerConfig, BreakerEvent};
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;

/// Collects what a [`CircuitBreaker`] works with.
#[must_use]
pub struct BreakerBuilder {
    pub(super) name: Name,
    pub(super) config: BreakerConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) listeners: Vec<Listener>,
    pub(super) seed: u64,
}

impl BreakerBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            // Differs between hosts that use the same names.
            seed: RandomState::new().hash_one(&name),
            name,
            config: BreakerConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            listeners: Vec::new(),
        }
    }

    /// Sets the settings.
    pub fn config(mut self, config: BreakerConfig) -> Self {
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

    /// Makes the jitter of open times repeatable.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a listener for transitions; at most 16 are kept, further ones are logged and dropped.
    pub fn on_event(mut self, listener: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        if self.listeners.len() < 16 {
            self.listeners.push(Arc::new(listener));
        } else {
            tracing::warn!(breaker = %self.name, "more than 16 listeners, one is dropped");
        }
        self
    }

    /// Makes the breaker.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<CircuitBreaker, ConfigError> {
        self.config.validate()?;
        Ok(CircuitBreaker::from_builder(self))
    }
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
