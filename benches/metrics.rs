//! What metrics cost on the hot paths: the same guards with handles on a registry and without.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use feedguard::cache::CacheMode;
use feedguard::manager::{CachesConfig, CallsConfig, source_fn};
use feedguard::router::EndpointIndex;
use feedguard::{
    AdaptiveRateLimiter, BreakerConfig, CircuitBreaker, DataSourceManager, EndpointConfig, EndpointSpec, LimiterConfig,
    ManagerConfig, Metrics, Outcome, SmartCache, SmartRouter,
};
use support::{compare, repeat, subject};

const KEYS: u64 = 1_000;

fn main() {
    let registry = prometheus::Registry::new();
    let metrics = [Metrics::unregistered(), Metrics::register(&registry).unwrap()];

    let caches = metrics.each_ref().map(|metrics| {
        let cache: SmartCache<u64, u64> = SmartCache::builder("bench").metrics(metrics).build().unwrap();
        (0..KEYS).for_each(|key| cache.insert(&key, key).unwrap());
        cache
    });
    pair("cache hit", &caches, |cache, i| drop(cache.get(&(i % KEYS))));

    let breakers = metrics.each_ref().map(|metrics| {
        CircuitBreaker::builder("bench").config(BreakerConfig::free()).metrics(metrics).build().unwrap()
    });
    pair("breaker permit, success", &breakers, |breaker, _| {
        breaker.try_acquire().map(|permit| permit.succeed()).unwrap();
    });
    let open = metrics.each_ref().map(|metrics| {
        let breaker = CircuitBreaker::builder("open").metrics(metrics).build().unwrap();
        breaker.force_open();
        breaker
    });
    pair("breaker refusal", &open, |breaker, _| drop(breaker.try_acquire().map(drop)));

    let config = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
    let limiters = metrics
        .each_ref()
        .map(|metrics| AdaptiveRateLimiter::builder("bench").config(config.clone()).metrics(metrics).build().unwrap());
    pair("limiter permit, success", &limiters, |limiter, _| limiter.try_acquire(1).unwrap().succeed());

    let routers = metrics.each_ref().map(|metrics| {
        let endpoints = ["a", "b", "c", "d", "e"].map(|name| EndpointSpec::named(name).concurrency(1000));
        SmartRouter::builder("bench").endpoints(endpoints.into()).metrics(metrics).build().unwrap()
    });
    pair("router pick, success", &routers, |router, _| drop(router.pick().map(|call| call.finish(Outcome::Success))));
    pair("router begin, success", &routers, |router, _| {
        router.begin(EndpointIndex(0)).finish(Outcome::Success);
    });

    let manager = |metrics: &Metrics, caches: CachesConfig| {
        let endpoint = |name| EndpointConfig::new(EndpointSpec::named(name).concurrency(1000)).limiter(config.clone());
        let config = ManagerConfig::default().endpoints(["a", "b"].map(endpoint).into()).caches(caches);
        let source = source_fn(|_: &_, key: &u64| Ok::<u64, std::io::Error>(*key));
        let manager = DataSourceManager::builder(source).config(config.calls(CallsConfig::on_callers()));
        manager.metrics(metrics).build().unwrap()
    };
    let managers = metrics.each_ref().map(|metrics| manager(metrics, CachesConfig::default()));
    managers.iter().for_each(|manager| (0..KEYS).for_each(|key| drop(manager.fetch(&key).unwrap())));
    pair("manager hit", &managers, |manager, i| drop(manager.fetch(&(i % KEYS)).unwrap()));
    let off = || CachesConfig::default().all(|cache| cache.mode(CacheMode::Off));
    let managers = metrics.each_ref().map(|metrics| manager(metrics, off()));
    pair("manager, full call", &managers, |manager, i| drop(manager.fetch(&i).unwrap()));

    compare("a page of all this", &[1], &[subject("gather", |_, n| repeat(n, |_| registry.gather()))]);
}

/// The same work without and with.
fn pair<T: Sync>(title: &str, guards: &[T; 2], work: impl Fn(&T, u64) + Sync) {
    compare(
        title,
        &[1, 2],
        &[
            subject("without metrics", |_, n| repeat(n, |i| work(&guards[0], i))),
            subject("on a registry", |_, n| repeat(n, |i| work(&guards[1], i))),
        ],
    );
}
