//! The face of the manager.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::builder::ManagerBuilder;
use super::error::FetchError;
use super::fetch::{Caller, SourceCache, cache_of, fetch};
use super::fetched::Fetched;
use super::snapshot::{EndpointHealth, ManagerSnapshot};
use super::source::{Category, Source};
use crate::batch::{BatchProcessor, BatchReport, CallScope};
use crate::breaker::CircuitBreaker;
use crate::cache::WarmUpReport;
use crate::clock::Deadline;
use crate::limiter::{AdaptiveRateLimiter, CalendarQuota};
use crate::pool::ShutdownReport;
use crate::router::Decision;

/// Result of [`DataSourceManager::fetch_batch`].
pub type FetchReport<S> = BatchReport<Fetched<<S as Source>::Response>, FetchError<<S as Source>::Error>>;

/// All guards composed around a host's endpoint calls: cache, router, breakers, limiters,
/// validator and batch pool, in that order.
///
/// # Concurrency
/// Thread-safe; share it by `Arc`. A fetch runs on the caller's thread unless another thread is
/// fetching the same thing; refreshes and batches run on threads of the manager, which start with
/// their first use.
///
/// # Examples
/// ```
/// use feedguard::{DataSourceManager, Deadline, EndpointConfig, EndpointSpec, ManagerConfig, Source};
/// struct Quotes;
/// impl Source for Quotes {
///     type Request = &'static str;
///     type Response = f64;
///     type Error = std::io::Error;
///     fn call(&self, _endpoint: &EndpointSpec, _symbol: &&'static str, _deadline: Deadline) -> Result<f64, std::io::Error> {
///         Ok(9.81)
///     }
/// }
/// let endpoints = vec![EndpointConfig::new(EndpointSpec::named("exchange"))];
/// let manager = DataSourceManager::builder(Quotes).config(ManagerConfig::default().endpoints(endpoints)).build()?;
/// let quote = manager.fetch(&"600519")?;
/// assert_eq!((*quote, &**quote.endpoint()), (9.81, "exchange"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataSourceManager<S: Source> {
    pub(super) caches: Arc<[SourceCache<S>]>,
    pub(super) caller: Arc<Caller<S>>,
    pub(super) batch: BatchProcessor,
}

impl<S: Source> DataSourceManager<S> {
    /// Starts a manager around a source.
    pub fn builder(source: S) -> ManagerBuilder<S> {
        ManagerBuilder::new(source)
    }

    /// Fetches an answer within `fetch_timeout`.
    ///
    /// # Errors
    /// [`FetchError`] with the reason and when to come back.
    ///
    /// # Panics
    /// A panic of the source on this thread propagates.
    pub fn fetch(&self, request: &S::Request) -> Result<Fetched<S::Response>, FetchError<S::Error>> {
        self.fetch_by(request, self.caller.default_deadline())
    }

    /// Fetches an answer before `deadline`. The source gets the deadline and must keep it: a call
    /// on this thread cannot be cut short.
    ///
    /// # Errors
    /// [`FetchError`] with the reason and when to come back.
    ///
    /// # Panics
    /// A panic of the source on this thread propagates.
    pub fn fetch_by(
        &self,
        request: &S::Request,
        deadline: Deadline,
    ) -> Result<Fetched<S::Response>, FetchError<S::Error>> {
        let cache = cache_of::<S>(&self.caches, self.caller.source.category(request));
        fetch(cache, &self.caller, request, deadline)
    }

    /// Fetches many answers at once on the batch threads; one result a request, in their order.
    pub fn fetch_batch(&self, requests: Vec<S::Request>, deadline: Deadline) -> FetchReport<S> {
        self.fetch_batch_with_progress(requests, deadline, |_done, _total| {})
    }

    /// As [`fetch_batch`](Self::fetch_batch); `progress` is called on this thread with the number of
    /// requests done and their total.
    pub fn fetch_batch_with_progress(
        &self,
        requests: Vec<S::Request>,
        deadline: Deadline,
        progress: impl FnMut(usize, usize),
    ) -> FetchReport<S> {
        let (caches, caller) = (Arc::clone(&self.caches), Arc::clone(&self.caller));
        let job = self.batch.job(move |request: &S::Request, scope: &CallScope| {
            fetch(cache_of::<S>(&caches, caller.source.category(request)), &caller, request, scope.deadline())
        });
        // A worker is not to wait for a permit: what is not cached waits here for the first one.
        let pace = |request: &S::Request| {
            let cached = cache_of::<S>(&self.caches, self.caller.source.category(request)).contains(request);
            let wait = if cached { Duration::ZERO } else { self.caller.permit_in() };
            // A quota that is spent for long is no matter of pacing: the fetch says so at once.
            if wait > self.caller.config.permit_timeout { Duration::ZERO } else { wait }
        };
        job.deadline(deadline).pace(pace).run_with_progress(requests, progress)
    }

    /// Loads what will be asked for first, a cache's worth at once; `progress` is called on this
    /// thread after each request.
    pub fn warm_up(&self, requests: &[S::Request], mut progress: impl FnMut(&WarmUpReport)) -> WarmUpReport {
        let mut total = WarmUpReport::default();
        for category in Category::ALL.iter().copied() {
            let of_category = |request: &&S::Request| self.caller.source.category(request) == category;
            let keys: Vec<S::Request> = requests.iter().filter(of_category).cloned().collect();
            let (before, caller) = (total, Arc::clone(&self.caller));
            let load = move |request: &S::Request| caller.call_source(request, caller.default_deadline());
            let report = cache_of::<S>(&self.caches, category).warm_up(keys, load, |now| progress(&before.plus(*now)));
            total = total.plus(report);
        }
        total
    }

    /// Removes an answer from its cache; a call under way for it will not be cached.
    pub fn invalidate(&self, request: &S::Request) -> bool {
        cache_of::<S>(&self.caches, self.caller.source.category(request)).invalidate(request)
    }

    /// How the next call would be routed, with every term.
    pub fn explain(&self) -> Decision {
        self.caller.route()
    }

    /// The shared quota of that name: to save and restore its counts, or to take over what the
    /// vendor's headers say.
    pub fn quota_group(&self, name: &str) -> Option<&Arc<CalendarQuota>> {
        self.caller.quota_groups.iter().find(|group| *group.name() == *name)
    }

    /// The limiter of that endpoint: its own quotas, and outcomes of calls made beside this manager.
    pub fn limiter(&self, endpoint: &str) -> Option<&AdaptiveRateLimiter> {
        let guarded = self.caller.endpoints.iter().find(|guarded| &*guarded.spec.name == endpoint);
        guarded.map(|guarded| &guarded.limiter)
    }

    /// The breaker of that endpoint, to force it open or reset it.
    pub fn breaker(&self, endpoint: &str) -> Option<&CircuitBreaker> {
        let guarded = self.caller.endpoints.iter().find(|guarded| &*guarded.spec.name == endpoint);
        guarded.map(|guarded| &guarded.breaker)
    }

    /// The source given at the start.
    pub fn source(&self) -> &S {
        &self.caller.source
    }

    /// State and counts of every room.
    pub fn health(&self) -> ManagerSnapshot {
        let router = self.caller.router.snapshot();
        let endpoints = router.endpoints.into_iter().zip(&self.caller.endpoints);
        ManagerSnapshot {
            endpoints: endpoints
                .map(|(router, guarded)| EndpointHealth {
                    router,
                    breaker: guarded.breaker.snapshot(),
                    limiter: guarded.limiter.snapshot(),
                })
                .collect(),
            caches: Category::ALL.iter().copied().map(|of| (of, cache_of::<S>(&self.caches, of).snapshot())).collect(),
            batch: self.batch.snapshot(),
            hedges: self.caller.hedging.snapshot(),
        }
    }

    /// Refuses new fetches, wakes callers that wait for a permit, and ends the threads within
    /// `within`; hung calls are left behind and counted.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.caller.is_closed.store(true, Ordering::Release);
        for endpoint in &self.caller.endpoints {
            endpoint.limiter.close();
        }
        let deadline = Deadline::after(&self.caller.clock, within);
        let left = || deadline.remaining(self.caller.clock.now()).unwrap_or_default();
        let mut report = self.batch.shutdown(left());
        report = report.plus(self.caller.hedging.pool.shutdown(left()));
        for cache in self.caches.iter() {
            report = report.plus(cache.shutdown(left()));
        }
        report
    }
}

impl<S: Source> Drop for DataSourceManager<S> {
    /// Tells all threads to leave; hung calls hold what they use, and leave with it.
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl<S: Source> fmt::Debug for DataSourceManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSourceManager").finish_non_exhaustive()
    }
}
