//! What the day is like, and how `feedguard` is set for it.

use std::time::Duration;

use feedguard::manager::CachesConfig;
use feedguard::{BatchConfig, BreakerConfig, CacheConfig, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig};

pub(crate) const FREE_SLOW: &str = "free_slow";
pub(crate) const FREE_FLAKY: &str = "free_flaky";
pub(crate) const PAID_FAST: &str = "paid_fast";
pub(crate) const METERED: &str = "metered";
pub(crate) const SOURCES: [&str; 4] = [FREE_SLOW, FREE_FLAKY, PAID_FAST, METERED];

/// A fortieth of the day: times to live, open times, holds and the users' patience are so many of them, since
/// a real day's are hours; latencies are real.
#[derive(Clone, Copy)]
pub(crate) struct Unit(pub(crate) Duration);

impl Unit {
    pub(crate) fn of(length: Duration) -> Self {
        Self(length / 40)
    }

    pub(crate) fn times(self, count: f64) -> Duration {
        self.0.mul_f64(count)
    }

    /// How long a user waits for one answer.
    pub(crate) fn patience(self) -> Duration {
        self.times(3.0)
    }

    /// How long one call may take.
    pub(crate) fn call_timeout(self) -> Duration {
        Duration::from_millis(1500).min(self.times(1.5))
    }

    pub(crate) fn time_to_live(self, category: &str) -> Duration {
        if category == "minute" { self.times(2.0) } else { self.times(6.0) }
    }
}

/// Answers any cache of the day may keep.
pub(crate) const CAPACITY: usize = 120;

pub(crate) fn guarded(unit: Unit) -> ManagerConfig {
    let cache = |cache: CacheConfig, category| {
        let hold = unit.times(0.5).max(Duration::from_millis(100));
        let cache = cache.time_to_live(unit.time_to_live(category)).stale_if_error(unit.times(40.0));
        cache.max_capacity(CAPACITY as u64).backoff_min(Duration::from_millis(100)).backoff_max(hold)
    };
    let caches = CachesConfig::default()
        .daily(cache(CacheConfig::daily(), "daily"))
        .minute(cache(CacheConfig::minute(), "minute"));
    let specs = [
        EndpointSpec::named(FREE_SLOW).concurrency(16),
        EndpointSpec::named(FREE_FLAKY).concurrency(16),
        EndpointSpec::named(PAID_FAST).concurrency(8).price(2.0).local(true),
        EndpointSpec::named(METERED).concurrency(16).price(1.0).free_quota(300),
    ];
    let breaker = BreakerConfig::free().open_for(unit.times(0.5).max(Duration::from_millis(100)));
    let limiter = LimiterConfig::default().initial_rate_per_sec(40.0).max_rate_per_sec(200.0).burst(8);
    let endpoints = specs.map(|spec| EndpointConfig::new(spec).breaker(breaker.clone()).limiter(limiter.clone()));
    ManagerConfig::default()
        .endpoints(endpoints.into())
        .caches(caches)
        .call_timeout(unit.call_timeout())
        .fetch_timeout(unit.patience())
        .permit_timeout(Duration::from_millis(200))
        .batch(BatchConfig::default().workers(16).item_timeout(unit.patience().max(Duration::from_secs(5))))
}
