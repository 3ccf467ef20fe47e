//! Looks that leave no trace, names that break nothing, weights that bound memory.

use feedguard::manager::{CachesConfig, Call};
use feedguard::router::{Availability, RouterPolicy};
use feedguard::{
    BreakerConfig, CacheConfig, DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig, RouterConfig,
    SmartCache, SmartRouter, Source,
};

use super::host::{BarsHost, config, manager};

#[test]
fn explain_leaves_no_trace_in_turn_dice_or_shadow() {
    for policy in [RouterPolicy::RoundRobin, RouterPolicy::Adaptive] {
        let routers: [SmartRouter; 2] = std::array::from_fn(|_| {
            let endpoints = (0..6).map(|n| EndpointSpec::named(n.to_string())).collect();
            let config = RouterConfig::default().policy(policy).shadow(Some(RouterPolicy::Fastest)).seed(7);
            SmartRouter::new("r", endpoints, config).unwrap()
        });
        let mut decisions = [Vec::new(), Vec::new()];
        for n in 0..50 {
            (0..n % 4).for_each(|_| drop(routers[1].explain(0, &[Availability::default()])));
            for (router, seen) in routers.iter().zip(&mut decisions) {
                seen.push(router.route(&[]).candidates().collect::<Vec<_>>());
            }
        }
        assert_eq!(decisions[0], decisions[1], "{policy:?}");
        assert_eq!(routers[0].snapshot().shadow, routers[1].snapshot().shadow);
    }
}

#[test]
fn contains_moves_nothing_in_the_lru_and_knows_what_is_expired() {
    use feedguard::cache::Eviction;
    let (clock, time) = feedguard::Clock::manual();
    let config = CacheConfig::default().eviction(Eviction::Lru).max_capacity(3).jitter(0.0);
    let cache: SmartCache<u32, u32> = SmartCache::builder("lru").config(config).clock(clock).build().unwrap();
    (0..3).for_each(|n| cache.insert(&n, n).unwrap());
    (0..10).for_each(|_| assert!(cache.contains(&0)));
    cache.insert(&3, 3).unwrap();
    assert!(!cache.contains(&0) && cache.contains(&1), "the oldest left, however often it was looked at");
    let gets = cache.snapshot().gets();
    time.advance(std::time::Duration::from_secs(3 * 3600));
    assert!(!cache.contains(&1), "past its grace");
    assert_eq!(cache.snapshot().gets(), gets);
}

#[cfg(feature = "prometheus")]
#[test]
fn scrapes_by_two_servers_at_once_count_nothing_twice() {
    let registry = prometheus::Registry::new();
    let metrics = feedguard::Metrics::register(&registry).unwrap();
    let endpoints = super::host::endpoints(&["a"]);
    let config = ManagerConfig::default().endpoints(endpoints);
    let manager = DataSourceManager::builder(BarsHost::default()).config(config).metrics(&metrics).build().unwrap();
    let hits = || {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == "datasource_cache_hits_total").unwrap();
        family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum::<f64>()
    };
    manager.fetch(&"x".to_owned()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..200).for_each(|_| assert!(hits() >= 0.0)));
        }
        for _ in 0..20_000 {
            manager.fetch(&"x".to_owned()).unwrap();
        }
    });
    assert_eq!(hits(), 20_000.0);
}

#[cfg(feature = "prometheus")]
#[test]
fn currencies_are_a_bounded_label() {
    let registry = prometheus::Registry::new();
    let metrics = feedguard::Metrics::register(&registry).unwrap();
    let endpoint = |n: usize| {
        let spec = EndpointSpec::named(format!("e{n}")).price(1.0).currency(format!("coin {n}").into());
        EndpointConfig::new(spec)
    };
    let config = ManagerConfig::default().endpoints((0..300).map(endpoint).collect());
    let manager = DataSourceManager::builder(BarsHost::default()).config(config).metrics(&metrics).build().unwrap();
    manager.fetch(&"x".to_owned()).unwrap();
    let families = registry.gather();
    let cost = families.iter().find(|family| family.name() == "datasource_api_cost_total").unwrap();
    assert!(cost.get_metric().len() <= 201, "{}", cost.get_metric().len());
}

#[test]
fn names_with_control_characters_are_refused_by_path() {
    for name in ["a\nb", "a\u{1b}[2J", "", &"x".repeat(201)] {
        let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named(name))]);
        let error = DataSourceManager::new("feed", config.clone(), BarsHost::default()).unwrap_err();
        assert_eq!(error.faults()[0].path, "endpoints[0].name");
        let good = config.endpoints(super::host::endpoints(&["a"]));
        let error = DataSourceManager::new(name, good, BarsHost::default()).unwrap_err();
        assert_eq!(error.faults()[0].path, "name");
        let text = error.to_string();
        assert!(!text.contains('\n') && !text.contains('\u{1b}'), "{text}");
    }
}

struct Large;

impl Source for Large {
    type Request = u32;
    type Response = Vec<u8>;
    type Error = std::io::Error;

    fn call(&self, _: &Call<'_>, _: &u32) -> Result<Vec<u8>, std::io::Error> {
        Ok(vec![0; 1 << 20])
    }

    fn response_weight(&self, _: &u32, response: &Vec<u8>) -> u32 {
        (response.len() >> 10) as u32
    }
}

#[test]
fn answers_of_many_megabytes_are_bounded_by_their_weight() {
    let caches = CachesConfig::default().set("default", CacheConfig::default().max_capacity(5 << 10));
    let config = ManagerConfig::default().endpoints(super::host::endpoints(&["a"])).caches(caches);
    let manager = DataSourceManager::new("large", config, Large).unwrap();
    for n in 0..40 {
        manager.fetch(&n).unwrap();
    }
    let cache = manager.health().caches[0].1;
    assert!(cache.weight <= 6 << 10 && cache.entries <= 6, "{} KiB in {} entries", cache.weight, cache.entries);
}

#[test]
fn health_prints_as_a_table_and_serializes() {
    let (manager, _host, _time, _clock) = manager(config(&["sina.daily", "exchange"]));
    manager.fetch(&"x".to_owned()).unwrap();
    let health = manager.health();
    let text = health.to_string();
    assert!(text.contains("sina.daily") && text.contains("closed") && text.lines().count() == 5 + 1, "{text}");
    let json: serde_json::Value = serde_json::to_value(&health).unwrap();
    assert_eq!(json["endpoints"][0]["router"]["name"], "sina.daily");
    assert_eq!(json["endpoints"][0]["breaker"]["state"], "closed");
    let _ = BreakerConfig::default();
}
