//! Collects what a manager works with.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::config::EndpointConfig;
use super::error::FetchError;
use super::fetch::{Caller, Guarded, SourceCache};
use super::hedge::Hedging;
use super::metrics::CallMetrics;
use super::source::{Category, Source};
use super::{DataSourceManager, ManagerConfig};
use crate::batch::BatchProcessor;
use crate::breaker::CircuitBreaker;
use crate::cache::{CacheConfig, SmartCache};
use crate::clock::Clock;
use crate::config::builder_setters;
use crate::error::ConfigError;
use crate::limiter::{AdaptiveRateLimiter, CalendarQuota};
use crate::metrics::Metrics;
use crate::quality::{CustomFindings, DataQualityValidator, Series, Severity, ValidatorBuilder};
use crate::router::SmartRouter;

/// Collects what a [`DataSourceManager`] works with.
#[must_use]
pub struct ManagerBuilder<S: Source> {
    source: S,
    name: Arc<str>,
    config: ManagerConfig,
    clock: Clock,
    metrics: Metrics,
    validator: ValidatorBuilder,
}

impl<S: Source> ManagerBuilder<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            name: "feed".into(),
            config: ManagerConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            validator: DataQualityValidator::builder("feed"),
        }
    }

    /// Sets the name that stands in logs, labels and thread names; `feed` otherwise.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    builder_setters!(ManagerConfig);

    /// Adds a rule of the host to those that judge answers with a
    /// [`series`](Source::series); see [`ValidatorBuilder::rule`]. A finding of
    /// [`Severity::Error`] makes the answer bad data.
    pub fn quality_rule(
        mut self,
        name: &'static str,
        severity: Severity,
        check: impl Fn(&Series<'_>, &mut CustomFindings) + Send + Sync + 'static,
    ) -> Self {
        self.validator = self.validator.rule(name, severity, check);
        self
    }

    /// Makes the manager; no thread starts yet.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of all rooms.
    pub fn build(self) -> Result<DataSourceManager<S>, ConfigError> {
        self.config.validate()?;
        let specs = self.config.endpoints.iter().map(|endpoint| endpoint.spec.clone()).collect();
        let router = SmartRouter::builder(Arc::clone(&self.name)).config(self.config.router.clone()).endpoints(specs);
        let groups = self.config.quota_groups.iter().map(|group| {
            CalendarQuota::new(group.name.as_str(), group.windows.clone(), self.clock.clone()).map(Arc::new)
        });
        let groups: Vec<Arc<CalendarQuota>> = groups.collect::<Result<_, _>>()?;
        let guards = self.config.endpoints.iter().map(|endpoint| self.guard(endpoint, &groups));
        let endpoints = guards.collect::<Result<_, _>>()?;
        let validator = self
            .validator
            .name(Arc::clone(&self.name).into())
            .config(self.config.quality.clone())
            .clock(self.clock.clone())
            .metrics(&self.metrics)
            .build()
            .map_err(|error| error.within("quality"))?;
        let caller = Arc::new(Caller {
            router: router.clock(self.clock.clone()).metrics(&self.metrics).build()?,
            endpoints,
            validator,
            quota_groups: groups,
            hedging: Hedging::new(self.config.hedge.clone(), &self.name, self.clock.clone()),
            is_closed: AtomicBool::new(false),
            source: self.source,
            config: self.config.clone(),
            clock: self.clock.clone(),
        });
        let caches = Category::ALL.iter().copied().map(|category| {
            let settings = cache_settings(&self.config, category);
            let measure = Arc::clone(&caller);
            let cache: SourceCache<S> = SmartCache::builder(format!("{}_{}", self.name, category.as_str()))
                .config(settings.clone())
                .clock(self.clock.clone())
                .metrics(&self.metrics)
                .hold_if(|error: &FetchError<S::Error>| error.reached_source())
                .key_size(move |request| measure.source.request_bytes(request))
                .build()?;
            Ok(cache)
        });
        let caches = caches.collect::<Result<_, ConfigError>>()?;
        let batch = BatchProcessor::builder(Arc::clone(&self.name))
            .config(self.config.batch.clone())
            .clock(self.clock)
            .metrics(&self.metrics)
            .build()?;
        Ok(DataSourceManager { caches, caller, batch })
    }

    fn guard(&self, endpoint: &EndpointConfig, groups: &[Arc<CalendarQuota>]) -> Result<Guarded, ConfigError> {
        let name = Arc::clone(&endpoint.spec.name);
        let group = groups.iter().find(|group| endpoint.quota_group.as_deref() == Some(group.name().as_str()));
        let limiter = AdaptiveRateLimiter::builder(Arc::clone(&name));
        let limiter = match group {
            Some(group) => limiter.quota(Arc::clone(group)),
            None => limiter,
        };
        Ok(Guarded {
            breaker: CircuitBreaker::builder(Arc::clone(&name))
                .config(endpoint.breaker.clone())
                .clock(self.clock.clone())
                .metrics(&self.metrics)
                .build()?,
            limiter: limiter
                .config(endpoint.limiter.clone())
                .clock(self.clock.clone())
                .metrics(&self.metrics)
                .build()?,
            metrics: CallMetrics::new(&self.metrics, &name, &endpoint.spec.currency),
            spec: endpoint.spec.clone(),
        })
    }
}

fn cache_settings(config: &ManagerConfig, category: Category) -> &CacheConfig {
    match category {
        Category::Daily => &config.caches.daily,
        Category::Minute => &config.caches.minute,
        Category::Realtime => &config.caches.realtime,
        Category::Other => &config.caches.other,
    }
}

impl<S: Source> fmt::Debug for ManagerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
