//! Makes a manager.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use super::caller::{Caller, FetchErrorOf, SourceCache, StoredOf};
use super::calls::CallPool;
use super::categories::Categories;
use super::changes::Changes;
use super::guard_parts::GuardParts;
use super::hedging::Hedging;
use super::metrics::ManagerMetrics;
use super::record::FetchRecord;
use super::source::Source;
use super::{DataSourceManager, ManagerConfig};
use crate::batch::BatchProcessor;
use crate::breaker::BreakerEvent;
use crate::cache::{Keeper, SmartCache};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::limiter::LimiterEvent;
use crate::listeners::Listeners;
use crate::metrics::{Metrics, Scrape};
use crate::quality::{CustomFindings, DataQualityValidator, Series, Severity, ValidatorBuilder};
use crate::retry::CallBudget;
use crate::router::SmartRouter;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicBool;

/// Collects what a [`DataSourceManager`] works with.
///
/// # Examples
/// ```
/// use feedguard::manager::{Call, source_fn};
/// use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// let manager = DataSourceManager::builder(source)
///     .name("quotes")
///     .config(ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]))
///     .on_breaker(|event| eprintln!("{}: {} -> {}", event.name, event.from, event.to))
///     .build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct ManagerBuilder<S: Source> {
    source: S,
    name: Arc<str>,
    config: ManagerConfig,
    clock: Clock,
    metrics: Metrics,
    validator: ValidatorBuilder,
    on_fetch: Listeners<FetchRecord>,
    on_breaker: Listeners<BreakerEvent>,
    on_limiter: Listeners<LimiterEvent>,
}

impl<S: Source> DataSourceManager<S> {
    /// A manager with the given settings, without metrics and listeners; `name` stands in logs.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of all rooms.
    pub fn new(name: impl Into<Arc<str>>, config: ManagerConfig, source: S) -> Result<Self, ConfigError> {
        Self::builder(source).name(name).config(config).build()
    }

    /// Starts a manager around a source.
    pub fn builder(source: S) -> ManagerBuilder<S> {
        ManagerBuilder {
            source,
            name: "feed".into(),
            config: ManagerConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            validator: DataQualityValidator::builder("feed"),
            on_fetch: Listeners::default(),
            on_breaker: Listeners::default(),
            on_limiter: Listeners::default(),
        }
    }
}

impl<S: Source> ManagerBuilder<S> {
    builder_setters!(ManagerConfig);

    /// Sets the name that stands in logs, labels and thread names; `feed` otherwise.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a listener for fetches that went to their sources, answered or not; hits are not told. It runs
    /// on the thread that fetched, under no lock; more than 16 are a fault.
    pub fn on_fetch(mut self, listener: impl Fn(&FetchRecord) + Send + Sync + 'static) -> Self {
        self.on_fetch.add(listener);
        self
    }

    /// Adds a listener for transitions of all breakers.
    pub fn on_breaker(mut self, listener: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        self.on_breaker.add(listener);
        self
    }

    /// Adds a listener for rates that reach or leave their bounds.
    pub fn on_limiter(mut self, listener: impl Fn(&LimiterEvent) + Send + Sync + 'static) -> Self {
        self.on_limiter.add(listener);
        self
    }

    /// Adds a rule of the host to those that judge answers with a
    /// [`series`](Source::series); see [`ValidatorBuilder::rule`]. A finding of
    /// [`Severity::Error`] makes the answer flawed.
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
        let mut faults = Faults::new();
        faults.add_all(self.config.validate());
        faults.name("name", &self.name);
        faults.nested("on_fetch", self.on_fetch.validate());
        faults.nested("on_breaker", self.on_breaker.validate());
        faults.nested("on_limiter", self.on_limiter.validate());
        faults.finish()?;
        let Self { source, name, config, clock, metrics, validator, on_fetch, on_breaker, on_limiter } = self;
        let source = Arc::new(source);
        let (categories, cached) = Categories::new(&config);
        let names: Arc<[Arc<str>]> =
            (0..categories.len()).map(|number| Arc::clone(&categories.get(number).name)).collect();
        let numbers = ManagerMetrics::new(&metrics, &name, &names);
        let guards = GuardParts {
            clock: clock.clone(),
            metrics: metrics.clone(),
            categories: Arc::clone(&names),
            on_breaker,
            on_limiter,
        };
        let plan = guards.plan(&config, None)?;
        let keeper = Keeper::new(clock.clone());
        let caches = cached.iter().map(|category| cache(&name, category, &config, &keeper, &metrics, &source));
        let caches: Arc<[SourceCache<S>]> = caches.collect::<Result<_, ConfigError>>()?;
        let specs = config.endpoints.iter().map(|endpoint| endpoint.spec.clone()).collect();
        let router = SmartRouter::builder(Arc::clone(&name)).config(config.router.clone()).endpoints(specs);
        let validator = validator.name(Arc::clone(&name).into()).config(config.quality.rules.clone());
        let caller = Arc::new(Caller {
            source,
            router: Arc::new(router.clock(clock.clone()).metrics(&metrics).categories(names).build()?),
            validator: validator
                .clock(clock.clone())
                .metrics(&metrics)
                .build()
                .map_err(|error| error.within("quality"))?,
            quality: config.quality.clone(),
            categories,
            calls: CallPool::new(&name, config.calls.clone(), clock.clone()),
            hedging: Hedging::new(config.hedge.clone(), &metrics, &name),
            retry: config.retry.clone(),
            retry_budget: CallBudget::new(config.retry.budget, true),
            retries: metrics.retries(&name),
            metrics: numbers,
            dice: Mutex::new(fastrand::Rng::new()),
            changes: Changes::default(),
            listeners: on_fetch,
            is_closed: AtomicBool::new(false),
            plan: Mutex::new(Arc::new(plan)),
            caches: OnceLock::new(),
            clock: clock.clone(),
            name: Arc::clone(&name),
        });
        let _is_first = caller.caches.set(Arc::downgrade(&caches)).is_ok();
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&caller) as Arc<dyn Scrape>));
        metrics.on_scrape(scrape);
        let batch = BatchProcessor::builder(name).config(config.batch).clock(clock).metrics(&metrics).build()?;
        Ok(DataSourceManager { caches, caller, batch, guards })
    }
}

fn cut(name: &str) -> &str {
    let end = (0..=name.len().min(99)).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or_default()]
}

fn cache<S: Source>(
    name: &str,
    category: &str,
    config: &ManagerConfig,
    keeper: &Arc<Keeper>,
    metrics: &Metrics,
    source: &Arc<S>,
) -> Result<SourceCache<S>, ConfigError> {
    let (measure, weigh) = (Arc::clone(source), Arc::clone(source));
    // Each may be as long as a name may be.
    SmartCache::builder(format!("{}_{}", cut(name), cut(category)))
        .config(config.caches.get(category))
        .clock(keeper.clock().clone())
        .keeper(keeper)
        .metrics(metrics)
        .hold_if(|error: &FetchErrorOf<S>| error.is_about_source())
        .key_size(move |request| measure.request_bytes(request))
        .weigher(move |request, stored: &StoredOf<S>| weigh.response_weight(request, &stored.response))
        .build()
}

impl<S: Source> fmt::Debug for ManagerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
