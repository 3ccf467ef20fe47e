//! The old ways beside the new: every switch, same host code.

use std::time::Duration;

use feedguard::cache::{CacheMode, CacheStatus};
use feedguard::manager::{CachesConfig, CallsConfig};
use feedguard::retry::RetryConfig;
use feedguard::router::RouterPolicy;
use feedguard::{
    BatchConfig, BreakerConfig, CacheConfig, Clock, DataSourceManager, Deadline, EndpointConfig, EndpointSpec,
    LimiterConfig, ManagerConfig, QualityConfig, RouterConfig, SmartCache,
};

use crate::support::{Count, Manner, ScriptedSource};

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn plain_lru_loads_each_miss_expires_hard_and_remembers_no_failure() {
    let (clock, time) = Clock::manual();
    let config = CacheConfig::default().mode(CacheMode::PlainLru).time_to_live(S(100)).max_capacity(2);
    let cache: SmartCache<u32, u32, &str> = SmartCache::builder("old").config(config).clock(clock).build().unwrap();
    let loads = Count::default();
    let get = |key: u32| {
        let loads = loads.clone();
        cache.get_or_load(&key, move |key| {
            loads.up();
            if *key == 13 { Err("down") } else { Ok(*key) }
        })
    };
    get(1).unwrap();
    time.advance(S(99));
    assert_eq!(get(1).unwrap().status(), CacheStatus::Fresh, "no refresh ahead");
    time.advance(S(1));
    assert_eq!(get(1).unwrap().status(), CacheStatus::Loaded, "neither stale nor jittered");
    for _ in 0..3 {
        assert!(get(13).is_err());
    }
    assert_eq!(loads.get(), 5, "each failure asked anew");
    for key in [1, 2, 1, 3] {
        get(key).unwrap();
    }
    assert!(cache.get(&2).is_none() && cache.get(&1).is_some(), "exact LRU");
    assert_eq!(cache.snapshot().refreshes, 0);
}

#[test]
fn plain_lru_lets_a_loader_ask_for_its_own_key_as_the_old_cache_did() {
    let cache: SmartCache<u32, u32, &str> =
        SmartCache::new("cache", CacheConfig::default().mode(CacheMode::PlainLru)).unwrap();
    let inner = cache.clone();
    let outer = cache
        .get_or_load(&1, move |key| inner.get_or_load(key, |_| Ok::<u32, &str>(1)).map_or(Err("no"), |v| Ok(*v + 1)));
    assert_eq!(*outer.unwrap(), 2);
}

#[test]
fn repeated_keys_of_a_bulk_load_are_all_answered_the_old_ways_too() {
    for mode in [CacheMode::PlainLru, CacheMode::Off] {
        let cache: SmartCache<u32, u32, &str> = SmartCache::new("cache", CacheConfig::default().mode(mode)).unwrap();
        let results =
            cache.get_many(&[7, 7], Deadline::never(), |missing| Ok(missing.iter().map(|key| (*key, 1)).collect()));
        assert!(results.iter().all(|result| result.as_ref().is_ok_and(|value| **value == 1)));
        assert_eq!(cache.get(&7).is_some(), mode == CacheMode::PlainLru);
    }
}

#[test]
fn a_cache_switched_off_loads_every_time() {
    let cache: SmartCache<u32, u32, &str> = SmartCache::new("cache", CacheConfig::off()).unwrap();
    let loads = Count::default();
    for _ in 0..5 {
        let loads = loads.clone();
        cache
            .get_or_load(&1, move |_| {
                loads.up();
                Ok::<u32, &str>(1)
            })
            .unwrap();
        cache.insert(&1, 2).unwrap();
    }
    assert_eq!((loads.get(), cache.snapshot().entries, cache.snapshot().miss), (5, 0, 5));
}

#[test]
fn serial_batch_runs_on_the_callers_thread_in_order() {
    let batch = feedguard::BatchProcessor::new("batch", BatchConfig::serial()).unwrap();
    let me = std::thread::current().id();
    let report = batch.run((0..10).collect(), Deadline::never(), move |n: &u32, _| {
        assert_eq!(std::thread::current().id(), me);
        if *n == 5 { Err("five") } else { Ok(*n) }
    });
    assert_eq!((report.succeeded(), batch.snapshot().idle), (9, 0));
}

#[test]
fn the_same_requests_get_the_same_answers_either_way() {
    let run = |config: ManagerConfig| {
        let endpoints = ["a", "b"].map(|name| EndpointConfig::new(EndpointSpec::named(name)));
        let old = config.caches.get("daily").mode == CacheMode::PlainLru;
        let endpoints = endpoints.map(|endpoint| {
            let limiter = LimiterConfig::default().burst(1000);
            if old {
                endpoint.breaker(BreakerConfig::off()).limiter(LimiterConfig::off())
            } else {
                endpoint.limiter(limiter)
            }
        });
        let source = ScriptedSource::default();
        source.set("a", Manner::Fail);
        let manager = DataSourceManager::builder(source).config(config.endpoints(endpoints.into())).build().unwrap();
        let answers: Vec<String> =
            (0..40).map(|n| manager.fetch(&(n % 8).to_string()).unwrap().value().clone()).collect();
        let batch = manager.fetch_batch((0..8).map(|n: u32| n.to_string()).collect(), Deadline::never());
        assert_eq!(batch.succeeded(), 8);
        (answers, manager.source().calls_to("a"))
    };
    let new = run(ManagerConfig::default());
    let old = run(ManagerConfig::default()
        .caches(CachesConfig::default().all(|cache| cache.mode(CacheMode::PlainLru)))
        .router(RouterConfig::default().policy(RouterPolicy::RoundRobin))
        .quality(QualityConfig::off())
        .calls(CallsConfig::on_callers())
        .retry(RetryConfig::off())
        .batch(BatchConfig::serial()));
    assert_eq!(new.0, old.0);
    assert!(new.1 <= old.1, "guards do not call a dead endpoint more often: {} {}", new.1, old.1);
}
