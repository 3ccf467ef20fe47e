//! Health as data.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::hedge_config::HedgeSnapshot;
use crate::breaker::BreakerSnapshot;
use crate::cache::CacheSnapshot;
use crate::limiter::LimiterSnapshot;
use crate::pool::PoolSnapshot;
use crate::router::{ArmSnapshot, EndpointSnapshot, ShadowCounts};

/// Health of an endpoint and its guards.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// manager.fetch(&600519)?;
/// let sina = &manager.health().endpoints[0];
/// assert_eq!((sina.router.successes, sina.breaker.times_opened, sina.places_taken), (1, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EndpointHealth {
    /// What the router has seen of it.
    pub router: EndpointSnapshot,
    /// Its breaker.
    pub breaker: BreakerSnapshot,
    /// Its limiter.
    pub limiter: LimiterSnapshot,
    /// Calls under way, hung ones included.
    pub places_taken: usize,
    /// Whether it gets no new calls.
    pub is_drained: bool,
}

/// Health of a manager at one moment; it prints as a table.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// let health = manager.health();
/// println!("{health}");
/// let json = serde_json::to_string(&health)?;
/// assert!(json.contains(r#""name":"sina""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ManagerSnapshot {
    /// The endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointHealth>,
    /// The caches by category.
    pub caches: Vec<(Arc<str>, CacheSnapshot)>,
    /// Threads of the batch processor.
    pub batch: PoolSnapshot,
    /// Threads of calls.
    pub calls: PoolSnapshot,
    /// Calls made twice.
    pub hedges: HedgeSnapshot,
    /// What the router's shadow policy would have done, if there is one.
    pub shadow: Option<ShadowCounts>,
    /// What the calls of the router's own policy and of its split brought, if there is a split.
    pub arms: Option<[ArmSnapshot; 2]>,
    /// Requests whose category is not configured.
    pub unknown_categories: u64,
}

impl fmt::Display for ManagerSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:>9} {:>7} {:>8} {:>8} {:>9} {:>8} {:>10}",
            "endpoint", "breaker", "calls", "failing", "p95 ms", "rate /s", "in use", "cost"
        )?;
        for EndpointHealth { router, breaker, limiter, places_taken, is_drained } in &self.endpoints {
            let state = if *is_drained { "drained" } else { breaker.state.as_str() };
            let failing = format!("{:.1} %", 100.0 * router.failure_rate);
            let p95 = router.p95.as_secs_f64() * 1e3;
            writeln!(
                f,
                "{:<20.20} {state:>9} {:>7} {failing:>8} {p95:>8.1} {:>9.1} {places_taken:>8} {:>10.4}",
                router.name.escape_debug().to_string(),
                router.calls,
                limiter.rate_per_sec,
                router.cost,
            )?;
        }
        writeln!(f, "{:<20} {:>9} {:>7} {:>8} {:>8} {:>9}", "cache", "entries", "gets", "hits", "stale", "failures")?;
        for (name, cache) in self.caches.iter().filter(|(_, cache)| cache.gets() > 0) {
            let hits = format!("{:.1} %", 100.0 * cache.hits() as f64 / cache.gets() as f64);
            let stale = cache.stale + cache.stale_on_error;
            let failures = cache.load_failures + cache.refresh_failures;
            writeln!(
                f,
                "{:<20.20} {:>9} {:>7} {hits:>8} {stale:>8} {failures:>9}",
                name.escape_debug().to_string(),
                cache.entries,
                cache.gets()
            )?;
        }
        let (calls, batch) = (self.calls, self.batch);
        write!(
            f,
            "call threads: {} busy, {} hung; batch threads: {} busy, {} queued; hedged {} of {}, {} won",
            calls.busy,
            calls.abandoned,
            batch.busy,
            batch.queued,
            self.hedges.hedged,
            self.hedges.calls,
            self.hedges.won
        )
    }
}
