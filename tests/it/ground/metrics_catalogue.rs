//! What a scrape shows, and how registration behaves.

use std::collections::BTreeSet;
use std::time::Duration;

use feedguard::breaker::BreakerState;
use feedguard::metrics::MetricsError;
use feedguard::router::{RouterPolicy, Split};
use feedguard::{
    BreakerConfig, CircuitBreaker, Clock, DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig, Metrics,
    RouterConfig,
};
use prometheus::{IntCounter, Registry};

use crate::support::{Manner, ScriptedSource};

fn exercised() -> (Registry, DataSourceManager<ScriptedSource>) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let (clock, time) = Clock::manual();
    // Both arms alike, so that all else stays as it is.
    let router = RouterConfig::default().split(Some(Split::new(RouterPolicy::Adaptive, 0.5)));
    let endpoints = ["a", "b"].map(|name| {
        EndpointConfig::new(EndpointSpec::named(name).price(1.0)).breaker(BreakerConfig::free().failure_threshold(1))
    });
    let manager = DataSourceManager::builder(ScriptedSource::default())
        .config(ManagerConfig::default().endpoints(endpoints.into()).router(router))
        .clock(clock)
        .metrics(&metrics)
        .build()
        .unwrap();
    manager.source().set("a", Manner::Fail);
    for n in 0..4 {
        manager.fetch(&(n % 2).to_string()).unwrap();
        time.advance(Duration::from_secs(1));
    }
    drop(manager.fetch_batch(vec!["0".to_owned()], feedguard::Deadline::never()));
    (registry, manager)
}

fn value(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap_or_else(|| panic!("{name}"));
    let metric = family.get_metric().iter().find(|metric| {
        labels.iter().all(|(key, value)| metric.get_label().iter().any(|l| l.name() == *key && l.value() == *value))
    });
    let metric = metric.unwrap_or_else(|| panic!("{name} {labels:?}"));
    metric.get_counter().get_value() + metric.get_gauge().get_value() + metric.get_histogram().get_sample_count() as f64
}

#[test]
fn a_scrape_counts_what_happened() {
    let (registry, _manager) = exercised();
    let hits = value(&registry, "datasource_cache_hits_total", &[("cache", "feed_daily")]);
    let misses = value(&registry, "datasource_cache_misses_total", &[("cache", "feed_daily")]);
    assert_eq!((hits, misses), (3.0, 2.0));
    let ok = [("source", "b"), ("endpoint", "b"), ("category", "daily"), ("status", "ok")];
    assert_eq!(value(&registry, "datasource_api_calls_total", &ok), 2.0);
    assert_eq!(value(&registry, "datasource_api_latency_seconds", &ok), 2.0);
    assert_eq!(value(&registry, "datasource_api_cost_total", &[("currency", "units")]), 2.0);
    assert_eq!(value(&registry, "datasource_circuit_breaker_state", &[("source", "b")]), 0.0);
    let of_arms = |name: &str, labels: &[(&str, &str)]| -> f64 {
        ["own", "split"].iter().map(|arm| value(&registry, name, &[labels, &[("arm", arm)]].concat())).sum()
    };
    assert_eq!(of_arms("datasource_router_arm_calls_total", &[("status", "success")]), 2.0);
    assert_eq!(of_arms("datasource_router_arm_latency_seconds", &[]), 2.0);
    assert_eq!(of_arms("datasource_router_arm_cost_total", &[]), 2.0);
}

#[test]
fn the_catalogue_lists_exactly_what_a_scrape_shows() {
    let (registry, _manager) = exercised();
    let shown: BTreeSet<String> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
    let page = include_str!("../../../docs/METRICS.md");
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `datasource_"))
        .filter_map(|line| Some(format!("datasource_{}", line.split('`').next()?)))
        .collect();
    assert!(shown.is_subset(&listed), "not in docs/METRICS.md: {:?}", shown.difference(&listed));
    assert_eq!(listed.len(), 46, "{listed:?}");
}

#[test]
fn registering_twice_shares_the_families() {
    let registry = Registry::new();
    for n in 1..=2 {
        let metrics = Metrics::register(&registry).unwrap();
        let cache: feedguard::SmartCache<u32, u32> =
            feedguard::SmartCache::builder("shared").metrics(&metrics).build().unwrap();
        drop(cache.get(&1));
        assert_eq!(value(&registry, "datasource_cache_misses_total", &[("cache", "shared")]), f64::from(n));
    }
}

#[test]
fn a_foreign_metric_of_our_name_leaves_nothing_half_registered() {
    let registry = Registry::new();
    let foreign = IntCounter::new("datasource_cache_hits_total", "not ours").unwrap();
    registry.register(Box::new(foreign)).unwrap();
    assert!(matches!(Metrics::register(&registry), Err(MetricsError::NameTaken(_))));
    assert_eq!(registry.gather().len(), 1);
}

#[test]
fn two_registries_are_two_worlds() {
    let (one, two) = (Registry::new(), Registry::new());
    let metrics = Metrics::register(&one).unwrap();
    let _other = Metrics::register(&two).unwrap();
    let breaker = feedguard::CircuitBreaker::builder("x").metrics(&metrics).build().unwrap();
    breaker.force_open();
    assert_eq!(value(&one, "datasource_circuit_breaker_state", &[("source", "x")]), 1.0);
    assert!(two.gather().is_empty());
}

#[test]
fn ten_to_the_fifth_names_take_two_hundred_label_values() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    for n in 0..100_000 {
        drop(
            feedguard::CircuitBreaker::builder(format!("source {n} \\ \"evil\" {{}}=,"))
                .metrics(&metrics)
                .build()
                .unwrap(),
        );
    }
    let families = registry.gather();
    let rejected = families.iter().find(|f| f.name() == "datasource_rejected_total").unwrap();
    assert_eq!(rejected.get_metric().len(), 2 * 200, "the latest, for two reasons");
}

#[test]
fn a_cache_that_is_gone_leaves_its_counts() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let cache: feedguard::SmartCache<u32, u32> =
        feedguard::SmartCache::builder("gone").metrics(&metrics).build().unwrap();
    drop(cache.get(&1));
    drop(cache);
    assert_eq!(value(&registry, "datasource_cache_misses_total", &[("cache", "gone")]), 1.0);
}

#[test]
fn a_gauge_tells_of_the_living_only_and_counts_of_the_dead_stay() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let make = |name: &str| CircuitBreaker::builder(name).metrics(&metrics).build().unwrap();
    let state = "datasource_circuit_breaker_state";
    let shown = |registry: &Registry| registry.gather().iter().any(|family| family.name() == state);
    let of = [("source", "sina")];
    let first = make("sina");
    assert_eq!(value(&registry, state, &of), 0.0, "closed from the start");
    first.force_open();
    drop(first);
    assert!(!shown(&registry), "nobody is open");
    let second = make("sina");
    assert_eq!((value(&registry, state, &of), second.state()), (0.0, BreakerState::Closed));
    let to_open = [("source", "sina"), ("to", "open")];
    assert_eq!(value(&registry, "datasource_circuit_breaker_transitions_total", &to_open), 1.0);
    // Two of one name: the series stays until both are gone.
    let twin = make("sina");
    drop(second);
    assert!(shown(&registry));
    drop(twin);
    assert!(!shown(&registry));
}

#[test]
fn dead_names_give_their_place_up_and_living_ones_do_not() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let make = |name: String| CircuitBreaker::builder(name).metrics(&metrics).build().unwrap();
    for n in 0..450 {
        drop(make(format!("short{n}")));
    }
    let living: Vec<_> = (0..201).map(|n| make(format!("living{n}"))).collect();
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == "datasource_circuit_breaker_state").unwrap();
    let names: BTreeSet<&str> = family.get_metric().iter().map(|metric| metric.get_label()[0].value()).collect();
    assert_eq!(names.len(), 201);
    assert!(names.contains("living199") && !names.contains("living200") && names.contains("_other"), "{names:?}");
    let all: usize = families.iter().map(|family| family.get_metric().len()).sum();
    assert!(all <= 201 * 7, "{all} series");
    drop(living);
}
