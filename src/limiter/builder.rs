//! Makes a limiter.

use std::fmt;
use std::sync::Arc;

use super::in_flight_cap::InFlightCap;
use super::learner::Learner;
use super::metrics::LimiterMetrics;
use super::quota::CalendarQuota;
use super::wait_queue::WaitQueue;
use super::{AdaptiveRateLimiter, LimiterConfig, LimiterEvent, RateControl};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::tally::Tally;

/// Collects what an [`AdaptiveRateLimiter`] works with.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::builder("tushare")
///     .config(LimiterConfig::default().max_rate_per_sec(8.0).initial_rate_per_sec(4.0))
///     .on_event(|event| println!("{}: {:?}", event.name, event.kind))
///     .build()?;
/// assert_eq!(limiter.rate(), 4.0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct LimiterBuilder {
    pub(super) name: Name,
    pub(super) config: LimiterConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) handles: Option<LimiterMetrics>,
    pub(super) quotas: Vec<Arc<CalendarQuota>>,
    pub(super) listeners: Listeners<LimiterEvent>,
}

impl AdaptiveRateLimiter {
    fn from_builder(parts: LimiterBuilder) -> Self {
        let config = parts.config;
        let learner = Learner::new(&config, parts.clock.now());
        let metrics = parts.handles.unwrap_or_else(|| LimiterMetrics::new(&parts.metrics, &parts.name));
        let (rate, bound) = learner.rate();
        metrics.show(rate, bound);
        Self {
            name: parts.name,
            metrics,
            listeners: parts.listeners,
            quotas: parts.quotas,
            queue: WaitQueue::new(&config, config.control == RateControl::ErrorRate, parts.clock.clone()),
            places: InFlightCap::new(config.max_in_flight, config.lease),
            clock: parts.clock,
            learner,
            counts: Tally::new(),
            config,
        }
    }

    /// A limiter with the given settings, without metrics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: LimiterConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a limiter; `name` stands in errors, logs and labels.
    pub fn builder(name: impl Into<Name>) -> LimiterBuilder {
        LimiterBuilder::new(name.into())
    }
}

impl LimiterBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            config: LimiterConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            handles: None,
            quotas: Vec::new(),
            listeners: Listeners::default(),
        }
    }

    builder_setters!(LimiterConfig);

    /// Draws on this quota too, beside the limiter's own: a group of limiters that share an account
    /// is given the same one. It needs the limiter's clock.
    pub fn quota(mut self, quota: Arc<CalendarQuota>) -> Self {
        self.quotas.push(quota);
        self
    }

    /// Counts where others of its name count.
    pub(super) fn handles(mut self, handles: LimiterMetrics) -> Self {
        self.handles = Some(handles);
        self
    }

    /// Takes listeners over.
    pub(crate) fn listeners(mut self, listeners: Listeners<LimiterEvent>) -> Self {
        self.listeners = listeners;
        self
    }

    /// Adds a listener; more than 16 are a fault of the configuration.
    pub fn on_event(mut self, listener: impl Fn(&LimiterEvent) + Send + Sync + 'static) -> Self {
        self.listeners.add(listener);
        self
    }

    /// Makes the limiter.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(mut self) -> Result<AdaptiveRateLimiter, ConfigError> {
        let mut faults = Faults::of_guard(&self.name, self.config.validate());
        faults.add_all(self.listeners.validate());
        faults.finish()?;
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
