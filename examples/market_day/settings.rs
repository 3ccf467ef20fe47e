//! The two configurations: the same endpoints, every switch old or new.

use std::time::Duration;

use feedguard::cache::CacheMode;
use feedguard::manager::CachesConfig;
use feedguard::router::RouterPolicy;
use feedguard::{
    BatchConfig, BreakerConfig, CacheConfig, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, QualityConfig,
    RouterConfig,
};

/// Which way a manager works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Old,
    Guarded,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Old, Self::Guarded];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Old => "old way",
            Self::Guarded => "feedguard",
        }
    }
}

pub(crate) const FREE_SLOW: &str = "free_slow";
pub(crate) const FREE_FLAKY: &str = "free_flaky";
pub(crate) const PAID_FAST: &str = "paid_fast";
pub(crate) const METERED: &str = "metered";

/// The day is 40 s long, so an hour is about 5 s: times to live are scaled, latencies are not.
pub(crate) fn config(way: Way) -> ManagerConfig {
    let second = Duration::from_secs(1);
    let caches = CachesConfig::default()
        .daily(CacheConfig::daily().time_to_live(6 * second).stale_if_error(60 * second))
        .minute(CacheConfig::minute().time_to_live(2 * second).stale_if_error(20 * second))
        .all(|cache| cache.max_capacity(120));
    let config = ManagerConfig::default()
        .caches(caches)
        .call_timeout(Duration::from_millis(1500))
        .fetch_timeout(3 * second)
        .permit_timeout(Duration::from_millis(200))
        .batch(BatchConfig::default().workers(16).item_timeout(5 * second));
    match way {
        Way::Guarded => config.endpoints(endpoints(
            BreakerConfig::free().open_for(2 * second),
            LimiterConfig::default().initial_rate_per_sec(40.0).max_rate_per_sec(200.0).burst(8),
        )),
        Way::Old => {
            let old = config.caches.clone().all(|cache| cache.mode(CacheMode::PlainLru));
            config
                .caches(old)
                .endpoints(endpoints(BreakerConfig::off(), LimiterConfig::off()))
                .router(RouterConfig::default().policy(RouterPolicy::RoundRobin))
                .quality(QualityConfig::off())
                .batch(BatchConfig::serial())
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a table above")]
fn endpoints(breaker: BreakerConfig, limiter: LimiterConfig) -> Vec<EndpointConfig> {
    let specs = [
        EndpointSpec::named(FREE_SLOW).concurrency(16),
        EndpointSpec::named(FREE_FLAKY).concurrency(16),
        EndpointSpec::named(PAID_FAST).concurrency(8).price(2.0).local(true),
        EndpointSpec::named(METERED).concurrency(16).price(1.0).free_quota(300),
    ];
    specs.map(|spec| EndpointConfig::new(spec).breaker(breaker.clone()).limiter(limiter.clone())).into()
}
