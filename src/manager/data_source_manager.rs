//! The face of the manager.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ManagerConfig;
use super::caller::{Caller, FetchErrorOf, SourceCache};
use super::fetch::fetch;
use super::fetched::Fetched;
use super::guard_parts::GuardParts;
use super::options::FetchOptions;
use super::snapshot::{EndpointHealth, ManagerSnapshot};
use super::source::Source;
use crate::batch::BatchProcessor;
use crate::breaker::CircuitBreaker;
use crate::cache::{LoadContext, WarmUpOptions, WarmUpReport};
use crate::clock::Deadline;
use crate::error::ConfigError;
use crate::limiter::{AdaptiveRateLimiter, CalendarQuota};
use crate::metrics::Scrape;
use crate::pool::ShutdownReport;
use crate::router::Decision;
use crate::sync::atomic::Ordering;

/// All guards composed around a host's endpoint calls.
///
/// A fetch gives a usable answer, if any endpoint in reach has one before the deadline: from the cache, or
/// from the endpoints that serve the request's category, in the router's order, each call guarded by
/// breaker and limiter and given up in time, in rounds while time and budget allow. A wrong answer is never
/// unmarked, and how an answer came about is told.
///
/// # Concurrency
/// Thread-safe; share it by `Arc`. Calls run on threads of the manager (see
/// [`CallsConfig`](super::CallsConfig)), the rest of a fetch on the caller's, unless another thread is
/// fetching the same thing. Threads start with their first use.
///
/// # Examples
/// ```
/// use feedguard::manager::Call;
/// use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig, Source};
/// struct Quotes;
/// impl Source for Quotes {
///     type Request = &'static str;
///     type Response = f64;
///     type Error = std::io::Error;
///     fn call(&self, _call: &Call<'_>, _symbol: &&'static str) -> Result<f64, std::io::Error> {
///         Ok(9.81)
///     }
/// }
/// let endpoints = vec![EndpointConfig::new(EndpointSpec::named("exchange"))];
/// let manager = DataSourceManager::new("quotes", ManagerConfig::default().endpoints(endpoints), Quotes)?;
/// let quote = manager.fetch(&"600519")?;
/// assert_eq!((*quote, &**quote.endpoint()), (9.81, "exchange"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataSourceManager<S: Source> {
    pub(super) caches: Arc<[SourceCache<S>]>,
    pub(super) caller: Arc<Caller<S>>,
    pub(super) batch: BatchProcessor,
    pub(super) guards: GuardParts,
}

impl<S: Source> DataSourceManager<S> {
    /// Fetches an answer within `fetch_timeout`.
    ///
    /// # Errors
    /// [`FetchError`](super::FetchError) with the reason, every endpoint's turn, and when to come back.
    ///
    /// # Panics
    /// With [`Isolation::Caller`](super::Isolation::Caller) a panic of the source propagates; otherwise it
    /// is that endpoint's failure.
    #[inline]
    pub fn fetch(&self, request: &S::Request) -> Result<Fetched<S::Response>, FetchErrorOf<S>> {
        let category = self.caller.category_of(request);
        if !self.caller.is_closed() {
            if let Some(fresh) = self.fresh(category, request) {
                return Ok(fresh);
            }
        }
        self.fetch_in(category, request, &FetchOptions::default())
    }

    /// Fetches an answer before `deadline`: at that moment the caller is back, with an answer or an error.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    ///
    /// # Panics
    /// As [`fetch`](Self::fetch).
    pub fn fetch_by(&self, request: &S::Request, deadline: Deadline) -> Result<Fetched<S::Response>, FetchErrorOf<S>> {
        self.fetch_with(request, &FetchOptions::new().deadline(deadline))
    }

    /// Fetches an answer on the caller's own terms. Callers of one request at a time share one load, on the
    /// terms of the first.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    ///
    /// # Panics
    /// As [`fetch`](Self::fetch).
    pub fn fetch_with(
        &self,
        request: &S::Request,
        options: &FetchOptions,
    ) -> Result<Fetched<S::Response>, FetchErrorOf<S>> {
        let category = self.caller.category_of(request);
        self.fetch_in(category, request, options)
    }

    fn fetch_in(
        &self,
        category: usize,
        request: &S::Request,
        options: &FetchOptions,
    ) -> Result<Fetched<S::Response>, FetchErrorOf<S>> {
        fetch(self.cache(category), &self.caller, category, request, options)
    }

    /// The answer if the cache has it at once.
    #[inline]
    pub(super) fn fresh(&self, category: usize, request: &S::Request) -> Option<Fetched<S::Response>> {
        let fresh = self.cache(category).fresh(request)?;
        if self.caller.categories.shares_cache(category) {
            self.caller.metrics.fresh_shared(category);
        }
        Some(Fetched(fresh))
    }

    #[inline]
    pub(super) fn cache(&self, category: usize) -> &SourceCache<S> {
        &self.caches[self.caller.categories.get(category).cache]
    }

    /// Loads what will be asked for first; `progress` is called on this thread after each request. It
    /// returns when each has ended or was given up: no endpoint can hang it.
    pub fn warm_up(&self, requests: &[S::Request], mut progress: impl FnMut(&WarmUpReport)) -> WarmUpReport {
        let mut total = WarmUpReport::default();
        let mut by_category: Vec<Vec<S::Request>> = vec![Vec::new(); self.caller.categories.len()];
        for request in requests {
            by_category[self.caller.category_of(request)].push(request.clone());
        }
        for (category, keys) in by_category.into_iter().enumerate().filter(|(_, keys)| !keys.is_empty()) {
            let (before, caller, options) = (total, Arc::clone(&self.caller), FetchOptions::default());
            let load = move |request: &S::Request, context: &LoadContext<'_, _, _, _>| {
                caller.load(request, category, &options, caller.default_deadline(), context)
            };
            let report = self
                .cache(category)
                .warm_up_by(keys, &WarmUpOptions::default(), load, |now| progress(&before.plus(*now)));
            total = total.plus(report);
        }
        total
    }

    /// Removes an answer from its cache; a call under way for it will not be cached.
    pub fn invalidate(&self, request: &S::Request) -> bool {
        let category = self.caller.category_of(request);
        self.cache(category).invalidate(request)
    }

    /// How a request would be routed now, with every term; it leaves no trace.
    pub fn explain(&self, request: &S::Request) -> Decision {
        let category = self.caller.category_of(request);
        self.caller.explain(category, &FetchOptions::default()).1
    }

    /// Puts another configuration in force: endpoints, quota groups and time-outs. Endpoints that keep their
    /// name keep breaker, limiter, quotas and statistics, and a breaker that was open stays open; calls under
    /// way end in peace.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults; nothing has changed then. Caches, router, batch, calls, hedge, retry
    /// and quality are fixed at build.
    #[expect(clippy::needless_pass_by_value, reason = "hosts hand a configuration over, as to the builder")]
    pub fn reload(&self, config: ManagerConfig) -> Result<(), ConfigError> {
        let old = self.caller.plan();
        old.config.validate_reload(&config)?;
        let plan = self.guards.plan(&config, Some(&old))?;
        let specs = config.endpoints.iter().map(|endpoint| endpoint.spec.clone()).collect();
        let plan = Arc::new(plan);
        let mut current = self.caller.plan.lock();
        // Under one lock: whoever ranks looks at the plan again afterwards, so plan and list are of one reload.
        self.caller.router.set_endpoints(specs)?;
        let old = std::mem::replace(&mut *current, Arc::clone(&plan));
        drop(current);
        // Who waits for a permit of a limiter that is no longer in force looks again.
        let is_kept = |limiter| plan.endpoints.iter().any(|kept| Arc::ptr_eq(&kept.limiter, limiter));
        old.endpoints.iter().filter(|gone| !is_kept(&gone.limiter)).for_each(|gone| gone.limiter.close());
        for gone in &old.endpoints {
            gone.retire(plan.endpoint(gone.name()).map(|next| &**next));
        }
        self.caller.changes.tell_endpoints();
        Ok(())
    }

    /// Gives an endpoint no new calls until [`restore`](Self::restore); `false` if there is none of that name.
    pub fn drain(&self, endpoint: &str) -> bool {
        self.set_drained(endpoint, true)
    }

    /// Gives a drained endpoint calls again; `false` if there is none of that name.
    pub fn restore(&self, endpoint: &str) -> bool {
        self.set_drained(endpoint, false)
    }

    fn set_drained(&self, endpoint: &str, is_drained: bool) -> bool {
        let plan = self.caller.plan();
        let Some(endpoint) = plan.endpoint(endpoint) else { return false };
        endpoint.memory.is_drained.store(is_drained, Ordering::Release);
        tracing::info!(manager = %self.caller.name, endpoint = %endpoint.name(), is_drained, "endpoint drained or restored");
        self.caller.changes.tell_endpoints();
        true
    }

    /// The shared quota of that name: to save and restore its counts, or to take over what the
    /// vendor's headers say.
    pub fn quota_group(&self, name: &str) -> Option<Arc<CalendarQuota>> {
        self.caller.plan().quota_group(name).map(Arc::clone)
    }

    /// The limiter of that endpoint: its own quotas, and outcomes of calls made beside this manager.
    pub fn limiter(&self, endpoint: &str) -> Option<Arc<AdaptiveRateLimiter>> {
        self.caller.plan().endpoint(endpoint).map(|endpoint| Arc::clone(&endpoint.limiter))
    }

    /// The breaker of that endpoint, to force it open or reset it.
    pub fn breaker(&self, endpoint: &str) -> Option<Arc<CircuitBreaker>> {
        self.caller.plan().endpoint(endpoint).map(|endpoint| Arc::clone(&endpoint.breaker))
    }

    /// The source given at the start.
    pub fn source(&self) -> &S {
        &self.caller.source
    }

    /// State and counts of every room.
    pub fn health(&self) -> ManagerSnapshot {
        let (plan, router) = (self.caller.plan(), self.caller.router.snapshot());
        let endpoints = plan.endpoints.iter().filter_map(|endpoint| {
            let router = router.endpoints.iter().find(|seen| seen.name == *endpoint.name())?.clone();
            Some(EndpointHealth {
                router,
                breaker: endpoint.breaker.snapshot(),
                limiter: endpoint.limiter.snapshot(),
                places_taken: endpoint.places_taken(),
                is_drained: endpoint.memory.is_drained.load(Ordering::Acquire),
            })
        });
        let endpoints = endpoints.collect();
        let own_cache = |number: &usize| self.caller.categories.get(*number).cache == *number;
        let caches = (0..self.caller.categories.len()).filter(own_cache);
        ManagerSnapshot {
            endpoints,
            caches: caches
                .map(|number| (Arc::clone(&self.caller.categories.get(number).name), self.cache(number).snapshot()))
                .collect(),
            batch: self.batch.snapshot(),
            calls: self.caller.calls.snapshot(),
            hedges: self.caller.hedging.snapshot(),
            shadow: router.shadow,
            arms: router.arms,
            unknown_categories: self.caller.categories.unknown_count(),
        }
    }

    /// Refuses new fetches, wakes callers that wait, and ends the threads within `within`; hung calls are
    /// left behind and counted.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.caller.is_closed.store(true, Ordering::Release);
        for endpoint in &self.caller.plan().endpoints {
            endpoint.limiter.close();
        }
        self.caller.changes.tell_endpoints();
        let deadline = Deadline::after(&self.caller.clock, within);
        let left = || deadline.remaining(self.caller.clock.now()).unwrap_or_default();
        let mut report = self.batch.shutdown(left());
        report = report.plus(self.caller.calls.shutdown(left()));
        for cache in self.caches.iter() {
            report = report.plus(cache.shutdown(left()));
        }
        // No scrape finds the last counts of a manager that is dropped.
        self.caller.scrape();
        report
    }
}

impl<S: Source> Drop for DataSourceManager<S> {
    /// Tells all threads to leave; hung calls hold what they use, and leave with it.
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
        for endpoint in &self.caller.plan().endpoints {
            endpoint.retire(None);
        }
        self.caller.router.retire();
    }
}

impl<S: Source> fmt::Debug for DataSourceManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSourceManager").field("name", &self.caller.name).finish_non_exhaustive()
    }
}
