//! Makes a limiter.

use std::fmt;
use std::sync::Arc;

use super::adaptive_rate_limiter::{AdaptiveRateLimiter, Listener};
use super::quota::CalendarQuota;
use super::{LimiterConfig, LimiterEvent};
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;

/// Collects what an [`AdaptiveRateLimiter`] works with.
#[must_use]
pub struct LimiterBuilder {
    pub(super) name: Name,
    pub(super) config: LimiterConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) quotas: Vec<Arc<CalendarQuota>>,
    pub(super) listeners: Vec<Listener>,
}

impl LimiterBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            config: LimiterConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            quotas: Vec::new(),
            listeners: Vec::new(),
        }
    }

    /// Sets the settings.
    pub fn config(mut self, config: LimiterConfig) -> Self {
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

    /// Draws on this quota too, beside the limiter's own: a group of limiters that share an account
    /// is given the same one. It needs the limiter's clock.
    pub fn quota(mut self, quota: Arc<CalendarQuota>) -> Self {
        self.quotas.push(quota);
        self
    }

    /// Adds a listener for the rate reaching and leaving its bounds; at most 16 are kept, further
    /// ones are logged and dropped.
    pub fn on_event(mut self, listener: impl Fn(&LimiterEvent) + Send + Sync + 'static) -> Self {
        if self.listeners.len() < 16 {
            self.listeners.push(Arc::new(listener));
        } else {
            tracing::warn!(limiter = %self.name, "more than 16 listeners, one is dropped");
        }
        self
    }

    /// Makes the limiter.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(mut self) -> Result<AdaptiveRateLimiter, ConfigError> {
        self.config.validate()?;
        if !self.config.quotas.is_empty() {
            let own = CalendarQuota::new(self.name.clone(), self.config.quotas.clone(), self.clock.clone())?;
            self.quotas.insert(0, Arc::new(own));
        }
        Ok(AdaptiveRateLimiter::from_builder(self))
    }
}

impl fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
