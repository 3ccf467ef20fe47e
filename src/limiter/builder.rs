//! Makes a limiter.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::atomic_bucket::AtomicBucket;
use super::bucket::Bucket;
use super::controller::Controller;
use super::in_flight::InFlightGuard;
use super::learner::Learner;
use super::metrics::LimiterMetrics;
use super::quota::CalendarQuota;
use super::wait_queue::Core;
use super::{AdaptiveRateLimiter, LimiterConfig, LimiterEvent, RateBound};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;

/// Collects what an [`AdaptiveRateLimiter`] works with.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::builder("tushare")
///     .config(LimiterConfig::default().max_rate_per_sec(8.0).initial_rate_per_sec(4.0))
///     .on_event(|event| println!("{}: {:?}", event.name, event.to))
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
    pub(super) quotas: Vec<Arc<CalendarQuota>>,
    pub(super) listeners: Listeners<LimiterEvent>,
}

impl AdaptiveRateLimiter {
    fn from_builder(parts: LimiterBuilder) -> Self {
        let now = parts.clock.now();
        let config = parts.config;
        let controller = Controller::new(&config, now);
        let rate = controller.rate;
        let bound = RateBound::Between.next(rate, config.min_rate_per_sec, config.max_rate_per_sec);
        let metrics = LimiterMetrics::new(&parts.metrics, &parts.name);
        metrics.rate.set(rate);
        metrics.bound.set(bound.gauge());
        let limiter = Self {
            name: parts.name,
            clock: parts.clock,
            metrics,
            listeners: parts.listeners,
            is_plain: config.enabled && !config.guards_in_flight() && parts.quotas.is_empty(),
            quotas: parts.quotas,
            atomic: AtomicBucket::new(config.burst),
            counts: Tally::new(),
            granted: AtomicU64::new(0),
            cap: AtomicU64::new(u64::MAX),
            is_bound: AtomicBool::new(false),
            learner: Mutex::new(Learner { controller, guard: InFlightGuard::new(now), shown: rate, bound, events: 0 }),
            core: Mutex::new(Core {
                bucket: Bucket::new(rate, config.burst, now),
                waiting: BTreeSet::new(),
                closed: false,
            }),
            changed: Condvar::new(),
            config,
        };
        drop(limiter.lock());
        limiter
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

    /// Takes listeners over.
    pub(crate) fn listeners(mut self, listeners: Listeners<LimiterEvent>) -> Self {
        self.listeners = listeners;
        self
    }

    /// Adds a listener for the rate reaching and leaving its bounds; more than 16 are a fault of the configuration.
    pub fn on_event(mut self, listener: impl Fn(&LimiterEvent) + Send + Sync + 'static) -> Self {
        self.listeners.add(listener);
        self
    }

    /// Makes the limiter.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(mut self) -> Result<AdaptiveRateLimiter, ConfigError> {
        let mut faults = Faults::new();
        faults.add_all(self.config.validate());
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
