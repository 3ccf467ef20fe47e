//! Metrics as a host has them: several managers, guards that go and come back, foreign metrics, hostile names,
//! scrapes under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::clock::ManualClock;
use feedguard::limiter::{CalendarQuota, Keyed};
use feedguard::metrics::MetricsError;
use feedguard::retry::{Retry, RetryConfig};
use feedguard::{
    AdaptiveRateLimiter, BatchProcessor, BreakerConfig, CacheConfig, CircuitBreaker, Clock, DataQualityValidator,
    DataSourceManager, Deadline, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Metrics, SmartCache,
    SmartRouter,
};
use prometheus::{IntCounter, Registry, TextEncoder};

use crate::support::{Gate, Manner, ScriptedSource, eventually};

const S: fn(u64) -> Duration = Duration::from_secs;
const STATE: &str = "datasource_circuit_breaker_state";
const OPEN_SECONDS: &str = "datasource_circuit_breaker_open_seconds_total";
const FETCHES: &str = "datasource_fetches_total";

type Labels<'a> = &'a [(&'a str, &'a str)];

/// Lets those go that wait, also when a test fails: the scope waits for them.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// The sum of the series with these labels; `None` if there are none.
fn shown(registry: &Registry, name: &str, labels: Labels<'_>) -> Option<f64> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name)?;
    let has = |metric: &&prometheus::proto::Metric| {
        labels.iter().all(|(key, value)| metric.get_label().iter().any(|l| l.name() == *key && l.value() == *value))
    };
    let values = family.get_metric().iter().filter(has).map(|metric| {
        metric.get_counter().get_value()
            + metric.get_gauge().get_value()
            + metric.get_histogram().get_sample_count() as f64
    });
    values.reduce(|sum, value| sum + value)
}

fn endpoint(name: &str) -> EndpointConfig {
    EndpointConfig::new(EndpointSpec::named(name))
        .breaker(BreakerConfig::free().failure_threshold(1))
        .limiter(LimiterConfig::default().initial_rate_per_sec(1000.0).max_rate_per_sec(1000.0).burst(1000))
}

fn manager_with(name: &str, metrics: &Metrics, clock: &Clock) -> DataSourceManager<ScriptedSource> {
    let config = ManagerConfig::default().endpoints(vec![endpoint("sina.daily")]).retry(RetryConfig::off());
    let builder = DataSourceManager::builder(ScriptedSource::default()).name(name).config(config);
    builder.clock(clock.clone()).metrics(metrics).build().unwrap()
}

fn on_registry() -> (Registry, Metrics, Clock, ManualClock) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let (clock, time) = Clock::manual();
    (registry, metrics, clock, time)
}

#[test]
fn endpoints_of_a_vendor_join_by_source_and_endpoint() {
    let (registry, metrics, clock, _time) = on_registry();
    let manager = manager_with("feed", &metrics, &clock);
    manager.fetch(&"x".to_owned()).unwrap();
    let of = [("source", "sina"), ("endpoint", "sina.daily")];
    for family in [
        "datasource_api_calls_total",
        "datasource_api_latency_seconds",
        "datasource_attempts_total",
        "datasource_circuit_breaker_state",
        "datasource_limiter_rate",
        "datasource_router_picks_total",
        "datasource_router_score",
        "datasource_rejected_total",
    ] {
        assert!(shown(&registry, family, &of).is_some(), "{family}");
    }
    // By hand the vendor is the name, or what the host says.
    let _breaker = CircuitBreaker::builder("tushare.pro").metrics(&metrics.of_vendor("tushare")).build().unwrap();
    let _plain = CircuitBreaker::builder("tdx.hq").metrics(&metrics).build().unwrap();
    assert_eq!(shown(&registry, STATE, &[("source", "tushare"), ("endpoint", "tushare.pro")]), Some(0.0));
    assert_eq!(shown(&registry, STATE, &[("source", "tdx.hq"), ("endpoint", "tdx.hq")]), Some(0.0));
}

#[test]
fn two_managers_share_a_registry_and_nothing_is_counted_twice() {
    let (registry, metrics, clock, time) = on_registry();
    let (one, two) = (manager_with("one", &metrics, &clock), manager_with("two", &metrics, &clock));
    for (manager, fetches) in [(&one, 3), (&two, 5)] {
        for _ in 0..fetches {
            manager.fetch(&"x".to_owned()).unwrap();
        }
    }
    let entries = || shown(&registry, "datasource_cache_entries", &[]).unwrap();
    assert_eq!(entries(), 2.0);
    assert_eq!(shown(&registry, "datasource_api_calls_total", &[("source", "sina")]), Some(2.0));
    for (name, fresh) in [("one", 2.0), ("two", 4.0)] {
        assert_eq!(shown(&registry, FETCHES, &[("manager", name), ("result", "fresh")]), Some(fresh));
        assert_eq!(shown(&registry, FETCHES, &[("manager", name), ("result", "loaded")]), Some(1.0));
    }
    // One of them sees the endpoint fail: open is what an operator has to see.
    let of = [("endpoint", "sina.daily")];
    one.source().set("sina.daily", Manner::Fail);
    one.fetch(&"y".to_owned()).unwrap_err();
    assert_eq!(shown(&registry, STATE, &of), Some(1.0));
    assert_eq!(shown(&registry, FETCHES, &[("manager", "one"), ("result", "source")]), Some(1.0));
    time.advance(S(1));
    assert_eq!(shown(&registry, OPEN_SECONDS, &of), Some(1.0));
    drop(one);
    assert_eq!(shown(&registry, STATE, &of), Some(0.0), "the other's is closed");
    assert_eq!(entries(), 1.0);
    drop(two);
    assert_eq!(shown(&registry, STATE, &of), None);
}

#[test]
fn every_fetch_is_counted_once_for_its_own_category() {
    let (registry, metrics, clock, time) = on_registry();
    // `odd` and `even` have no cache of their own; `unheard` is treated as `default`.
    let mut endpoint = endpoint("sina.daily");
    endpoint.spec.categories = ["default", "daily", "odd", "even"].map(Arc::from).into();
    let config = ManagerConfig::default().endpoints(vec![endpoint]).retry(RetryConfig::off());
    let builder = DataSourceManager::builder(ScriptedSource::default()).config(config).clock(clock.clone());
    let manager = builder.metrics(&metrics).build().unwrap();
    let mut expected = std::collections::BTreeMap::new();
    let mut expect = |category: &'static str, result: &'static str, by: f64| {
        *expected.entry((category, result)).or_insert(0.0) += by;
    };
    let check = |expected: &std::collections::BTreeMap<(&str, &str), f64>| {
        for ((category, result), count) in expected {
            let labels = [("category", *category), ("result", *result)];
            assert_eq!(shown(&registry, FETCHES, &labels), Some(*count), "{category} {result}");
        }
        assert_eq!(shown(&registry, FETCHES, &[]), Some(expected.values().sum()));
    };
    for (prefix, category, fetches) in [("odd", "odd", 4), ("even", "even", 2), ("unheard", "default", 3)] {
        for _ in 0..fetches {
            manager.fetch(&format!("{prefix}/1")).unwrap();
        }
        expect(category, "loaded", 1.0);
        expect(category, "fresh", f64::from(fetches - 1));
    }
    // Of a batch those that are equal are one.
    let batch = ["odd/1", "odd/2", "odd/2", "x"].map(str::to_owned).into();
    assert_eq!(manager.fetch_batch(batch, Deadline::never()).succeeded(), 4);
    expect("odd", "fresh", 1.0);
    expect("odd", "loaded", 1.0);
    expect("daily", "loaded", 1.0);
    let failures = [(Manner::Missing, "missing"), (Manner::BadRequest, "source"), (Manner::Fail, "source")];
    for (at, (manner, result)) in failures.into_iter().enumerate() {
        manager.source().set("sina.daily", manner);
        manager.fetch(&format!("odd/failing {at}")).unwrap_err();
        expect("odd", result, 1.0);
    }
    // It is open now, and what was is served past its time.
    manager.fetch(&"odd/other".to_owned()).unwrap_err();
    expect("odd", "no_endpoint", 1.0);
    time.advance(S(3700));
    for _ in 0..2 {
        let stale = manager.fetch(&"odd/1".to_owned()).unwrap().status();
        assert!(stale.is_stale());
        expect("odd", stale.as_str(), 1.0);
    }
    let options = feedguard::manager::FetchOptions::new().no_source();
    manager.fetch_with(&"even/9".to_owned(), &options).unwrap_err();
    expect("even", "not_cached", 1.0);
    manager.shutdown(S(1));
    manager.fetch(&"odd/1".to_owned()).unwrap_err();
    expect("odd", "shutting_down", 1.0);
    check(&expected);
}

#[test]
fn a_manager_rebuilt_while_breakers_are_open_shows_the_truth_at_the_next_scrape() {
    let (registry, metrics, clock, time) = on_registry();
    let of = [("endpoint", "sina.daily")];
    let old = manager_with("feed", &metrics, &clock);
    old.source().set("sina.daily", Manner::Fail);
    old.fetch(&"x".to_owned()).unwrap_err();
    let saved = old.breaker("sina.daily").unwrap().save();
    // A call of the old one hangs and keeps its guards alive.
    let gate = Gate::default();
    old.breaker("sina.daily").unwrap().reset();
    old.source().set("sina.daily", Manner::Wait(gate.clone()));
    assert!(old.fetch_by(&"y".to_owned(), Deadline::after(&clock, Duration::ZERO)).is_err());
    let old_breaker = old.breaker("sina.daily").unwrap();
    old_breaker.force_open();
    assert_eq!(shown(&registry, STATE, &of), Some(1.0));
    let new = manager_with("feed", &metrics, &clock);
    drop(old);
    assert_eq!(shown(&registry, STATE, &of), Some(0.0), "the old one is out of use, whoever holds it");
    old_breaker.reset();
    old_breaker.force_open();
    assert_eq!(shown(&registry, STATE, &of), Some(0.0), "and stays so");
    new.breaker("sina.daily").unwrap().restore(&saved);
    assert_eq!(shown(&registry, STATE, &of), Some(1.0), "open from the start");
    let before = shown(&registry, OPEN_SECONDS, &of).unwrap();
    time.advance(S(2));
    assert_eq!(shown(&registry, OPEN_SECONDS, &of), Some(before + 2.0), "of the new one only");
    gate.open();
    drop(new);
    assert_eq!(shown(&registry, STATE, &of), None);
}

#[test]
fn a_reload_leaves_no_gauge_of_what_it_replaced() {
    let (registry, metrics, clock, _time) = on_registry();
    let manager = manager_with("feed", &metrics, &clock);
    let old = manager.breaker("sina.daily").unwrap();
    let with = |name: &str, threshold: u32| {
        let endpoint = endpoint(name).breaker(BreakerConfig::free().failure_threshold(threshold));
        ManagerConfig::default().endpoints(vec![endpoint]).retry(RetryConfig::off())
    };
    manager.reload(with("sina.daily", 9)).unwrap();
    old.force_open();
    assert_eq!(shown(&registry, STATE, &[("endpoint", "sina.daily")]), Some(0.0));
    manager.reload(with("tdx", 9)).unwrap();
    assert_eq!(shown(&registry, STATE, &[("endpoint", "sina.daily")]), None);
    for gauge in ["datasource_limiter_rate", "datasource_router_score", "datasource_api_cost_estimated"] {
        assert_eq!(shown(&registry, gauge, &[("endpoint", "sina.daily")]), None, "{gauge}");
    }
    assert_eq!(shown(&registry, STATE, &[("source", "tdx")]), Some(0.0));
    // The same endpoint, said to be another vendor's.
    let mut config = with("tdx", 9);
    config.endpoints[0].spec.source = Some("pytdx".into());
    manager.reload(config).unwrap();
    assert_eq!(
        (shown(&registry, STATE, &[("source", "tdx")]), shown(&registry, STATE, &[("source", "pytdx")])),
        (None, Some(0.0))
    );
}

#[test]
fn a_breaker_that_no_scrape_sees_open_is_seen_all_the_same() {
    let (registry, metrics, clock, time) = on_registry();
    let config = BreakerConfig::free().failure_threshold(1).open_for(Duration::from_millis(40));
    let breaker = CircuitBreaker::builder("flappy").config(config).clock(clock).metrics(&metrics).build().unwrap();
    let of = [("source", "flappy")];
    for flaps in 1..=5_u32 {
        breaker.try_acquire().unwrap().fail();
        time.advance(breaker.snapshot().retry_after.unwrap());
        while breaker.state() != feedguard::breaker::BreakerState::Closed {
            breaker.try_acquire().unwrap().succeed();
        }
        time.advance(S(15));
        assert_eq!(shown(&registry, STATE, &of), Some(0.0));
        let to_open = [("source", "flappy"), ("to", "open")];
        assert_eq!(shown(&registry, "datasource_circuit_breaker_transitions_total", &to_open), Some(f64::from(flaps)));
    }
    let open = shown(&registry, OPEN_SECONDS, &of).unwrap();
    assert!((0.2..5.0 * 0.05).contains(&open), "{open}");
    // Of one that is dropped while it is open nothing is lost, and nothing is counted on.
    breaker.force_open();
    time.advance(S(3));
    drop(breaker);
    time.advance(S(100));
    let at_the_end = shown(&registry, OPEN_SECONDS, &of).unwrap();
    assert!((at_the_end - open - 3.0).abs() < 1e-9, "{at_the_end}");
}

#[test]
fn a_waiter_is_seen_while_it_waits() {
    let (registry, metrics, clock, time) = on_registry();
    let config = LimiterConfig::fixed(1.0).burst(1);
    let limiter = AdaptiveRateLimiter::builder("slow").config(config).clock(clock).metrics(&metrics).build().unwrap();
    let waiters = || shown(&registry, "datasource_limiter_waiters", &[("source", "slow")]).unwrap();
    limiter.try_acquire(1).unwrap().succeed();
    thread::scope(|scope| {
        let _end = Finally(|| limiter.close());
        let waits = [(); 3].map(|()| scope.spawn(|| limiter.acquire(1, Deadline::never()).unwrap().succeed()));
        eventually("three wait", || waiters() == 3.0);
        while waits.iter().any(|wait| !wait.is_finished()) {
            time.advance(S(1));
            thread::yield_now();
        }
    });
    assert_eq!(waiters(), 0.0);
}

#[test]
fn keys_of_a_keyed_limiter_count_together_and_are_no_labels() {
    let (registry, metrics, clock, _time) = on_registry();
    let users: Keyed<String> =
        Keyed::new("api", LimiterConfig::fixed(1.0).burst(1), 3, clock).unwrap().metrics(&metrics);
    for user in ["ann", "bob"] {
        users.try_acquire(&user.to_owned(), 1).unwrap().succeed();
        users.try_acquire(&user.to_owned(), 1).unwrap_err();
    }
    let keys = || shown(&registry, "datasource_limiter_keys", &[("limiter", "api")]);
    assert_eq!(keys(), Some(2.0));
    let refused = [("endpoint", "api"), ("reason", "rate_limited")];
    assert_eq!(shown(&registry, "datasource_rejected_total", &refused), Some(2.0));
    users.remove(&"ann".to_owned());
    assert_eq!(keys(), Some(1.0));
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(!page.contains("ann") && !page.contains("bob"), "{page}");
}

#[test]
fn names_of_any_length_and_kind_are_refused_or_bounded_and_escaped() {
    let (registry, metrics, ..) = on_registry();
    let long = "x".repeat(100_000);
    for name in [long.as_str(), "", "two\nlines", "nul\0", &"\u{4e0a}".repeat(67)] {
        let faults = [
            CircuitBreaker::builder(name).metrics(&metrics).build().map(drop),
            AdaptiveRateLimiter::builder(name).metrics(&metrics).build().map(drop),
            SmartCache::<u32, u32>::builder(name).metrics(&metrics).build().map(drop),
            SmartRouter::builder(name).endpoints(vec![EndpointSpec::named("a")]).metrics(&metrics).build().map(drop),
            BatchProcessor::builder(name).metrics(&metrics).build().map(drop),
            DataQualityValidator::builder(name).metrics(&metrics).build().map(drop),
            Retry::builder(name).metrics(&metrics).build().map(drop),
            CalendarQuota::new(name, Vec::new(), Clock::system()).map(drop),
            Keyed::<u32>::new(name, LimiterConfig::default(), 1, Clock::system()).map(drop),
        ];
        for (at, fault) in faults.into_iter().enumerate() {
            let fault = fault.unwrap_err();
            assert!(fault.faults().iter().any(|fault| fault.path == "name"), "{at}: {fault}");
            assert!(fault.to_string().len() < 400, "{at}: {} bytes", fault.to_string().len());
        }
    }
    assert_eq!(registry.gather().len(), 0, "nothing of them is left");
    let odd = ["say \"hi\"", "back\\slash", "{a=\"b\"}", "\u{4e0a}\u{6d77}", "a b,c=d#", &"x".repeat(200)];
    let living = odd.map(|name| CircuitBreaker::builder(name).metrics(&metrics.of_vendor(&long)).build().unwrap());
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let lines = page.lines().filter(|line| line.starts_with(STATE)).count();
    assert_eq!(lines, odd.len(), "one line a breaker\n{page}");
    assert!(page.contains(r#"endpoint="say \"hi\"""#) && page.contains(r#"endpoint="back\\slash""#), "{page}");
    assert!(page.lines().all(|line| line.len() < 700), "a vendor's label is cut");
    drop(living);
}

#[test]
fn ten_to_the_fifth_living_endpoints_and_currencies_are_two_hundred_and_others() {
    let (registry, metrics, ..) = on_registry();
    let endpoint = |n: usize| EndpointSpec::named(format!("e{n}.daily")).free_quota(1).currency(format!("C{n}").into());
    let routers: Vec<SmartRouter> = (0..10)
        .map(|part| {
            let endpoints = (0..10_000).map(|n| endpoint(part * 10_000 + n)).collect();
            SmartRouter::builder("router").endpoints(endpoints).metrics(&metrics).build().unwrap()
        })
        .collect();
    routers[9].begin(feedguard::router::EndpointIndex(5)).finish(feedguard::Outcome::Success);
    for (family, others) in [("datasource_router_quota_left", 0.0), ("datasource_router_picks_total", 1.0)] {
        let families = registry.gather();
        let family_of = families.iter().find(|of| of.name() == family).unwrap();
        assert_eq!(family_of.get_metric().len(), 201, "{family}");
        assert_eq!(shown(&registry, family, &[("endpoint", "_other")]), Some(others), "{family}");
    }
    drop(routers);
    assert_eq!(shown(&registry, "datasource_router_quota_left", &[]), None);
}

#[test]
fn a_host_has_other_collectors_a_prefix_and_constant_labels() {
    let labels = [("desk", "rates")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let registry = Registry::new_custom(Some("host".to_owned()), Some(labels.into())).unwrap();
    let own = IntCounter::new("orders_total", "the host's").unwrap();
    registry.register(Box::new(own.clone())).unwrap();
    own.inc_by(7);
    let metrics = Metrics::register(&registry).unwrap();
    let again = Metrics::register(&registry).unwrap();
    let (clock, _time) = Clock::manual();
    let one = manager_with("one", &metrics, &clock);
    let two = manager_with("two", &again, &clock);
    one.fetch(&"x".to_owned()).unwrap();
    two.fetch(&"x".to_owned()).unwrap();
    assert_eq!(shown(&registry, "host_orders_total", &[("desk", "rates")]), Some(7.0));
    let of = [("desk", "rates"), ("endpoint", "sina.daily")];
    assert_eq!(shown(&registry, "host_datasource_api_calls_total", &of), Some(2.0), "the families are shared");
    assert_eq!(shown(&registry, "datasource_api_calls_total", &[]), None);
    // Another registry of the process knows nothing of it.
    let other = Registry::new();
    let _metrics = Metrics::register(&other).unwrap();
    assert!(other.gather().is_empty());
}

#[test]
fn a_foreign_metric_of_our_name_is_a_typed_error_and_guards_work_without() {
    for name in ["datasource_circuit_breaker_state", "datasource_lock_wait_seconds", "datasource_api_latency_seconds"] {
        let registry = Registry::new();
        registry.register(Box::new(IntCounter::new(name, "not ours").unwrap())).unwrap();
        let error = Metrics::register(&registry).unwrap_err();
        assert!(matches!(&error, MetricsError::NameTaken(_)), "{error}");
        assert_eq!(registry.gather().len(), 1, "nothing is half registered");
        // The other way round it is the host that is told.
        let registry = Registry::new();
        let _metrics = Metrics::register(&registry).unwrap();
        assert!(registry.register(Box::new(IntCounter::new(name, "not ours").unwrap())).is_err());
    }
}

#[test]
fn two_scrapes_at_a_time_under_load_count_everything_once() {
    let (registry, metrics, clock, _time) = on_registry();
    let manager = Arc::new(manager_with("feed", &metrics, &clock));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let scrapes = [(); 2].map(|()| {
            scope.spawn(|| {
                let (mut last, mut scrapes) = (0.0, 0);
                while !is_over.load(Ordering::Relaxed) {
                    let now = shown(&registry, "datasource_cache_hits_total", &[]).unwrap_or_default();
                    assert!(now >= last, "a counter only grows");
                    (last, scrapes) = (now, scrapes + 1);
                }
                scrapes
            })
        });
        let _end = Finally(|| is_over.store(true, Ordering::Relaxed));
        let users = [(); 2]
            .map(|()| scope.spawn(|| (0..20_000).for_each(|n| drop(manager.fetch(&(n % 50).to_string()).unwrap()))));
        users.into_iter().for_each(|user| user.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        assert!(scrapes.into_iter().all(|scrape| scrape.join().unwrap() > 1));
    });
    let total = |name: &str| shown(&registry, name, &[]).unwrap();
    assert_eq!(total("datasource_cache_hits_total") + total("datasource_cache_misses_total"), 40_000.0);
    assert_eq!(total(FETCHES), 40_000.0);
    assert_eq!(total("datasource_api_calls_total"), total("datasource_router_picks_total"));
    assert_eq!(total("datasource_api_calls_total"), total("datasource_api_latency_seconds"));
}

#[test]
fn nothing_is_shown_of_what_nobody_has_said_and_no_value_is_nan() {
    let (registry, metrics, clock, _time) = on_registry();
    let _manager = manager_with("feed", &metrics, &clock);
    assert_eq!(shown(&registry, "datasource_data_quality", &[]), None, "no check, no score: zero would be an alarm");
    let validator = DataQualityValidator::builder("daily").metrics(&metrics).build().unwrap();
    let nan = [f64::NAN; 3];
    let bars = feedguard::quality::Bars { open: &nan, high: &nan, low: &nan, close: &nan, volume: &nan };
    validator.validate(&feedguard::quality::Series::new(&[1, 2, 3], bars).unwrap());
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(page.contains("datasource_data_quality") && !page.contains("NaN"), "{page}");
}

#[test]
fn counts_of_a_cache_and_its_refreshes_reach_the_page() {
    let (registry, metrics, clock, time) = on_registry();
    let config = CacheConfig::default().time_to_live(S(100)).jitter(0.0);
    let cache: SmartCache<u32, u32, &str> =
        SmartCache::builder("quotes").config(config).clock(clock).metrics(&metrics).build().unwrap();
    drop(cache.get_or_load(&1, |_| Err("down")));
    drop(cache.get_or_load(&1, |_| Err("down")));
    cache.get_or_load(&2, |n| Ok(*n)).unwrap();
    time.advance(S(95));
    cache.get_or_load(&2, |n| Ok(*n)).unwrap();
    let of = |name: &str, labels: Labels<'_>| shown(&registry, name, labels);
    eventually("the refresh has ended", || of("datasource_cache_refresh_seconds", &[]) == Some(1.0));
    eventually("and is counted", || of("datasource_cache_refreshes_total", &[("result", "ok")]) == Some(1.0));
    assert_eq!(of("datasource_cache_loads_total", &[("result", "failed")]), Some(1.0));
    assert_eq!(of("datasource_cache_loads_total", &[("result", "ok")]), Some(1.0));
    assert_eq!(of("datasource_cache_held_total", &[]), Some(1.0));
    assert_eq!(of("datasource_cache_refresh_queue", &[]), Some(0.0));
    drop(cache);
    assert_eq!((of("datasource_cache_entries", &[]), of("datasource_cache_holds", &[])), (None, None));
    assert_eq!(of("datasource_cache_loads_total", &[("result", "ok")]), Some(1.0), "counts stay");
}

#[test]
fn a_batch_that_waits_shows_its_age_and_its_workers() {
    let (registry, metrics, clock, time) = on_registry();
    let config = feedguard::BatchConfig::default().workers(2);
    let batch = BatchProcessor::builder("nightly").config(config).clock(clock).metrics(&metrics).build().unwrap();
    let gate = Gate::default();
    let of = |what: &str| shown(&registry, &format!("datasource_batch_{what}"), &[("pool", "nightly")]);
    thread::scope(|scope| {
        let stuck = gate.clone();
        let _end = Finally(|| gate.open());
        let run = scope.spawn(|| {
            batch.run((0..10).collect(), Deadline::never(), move |n: &u32, _| {
                stuck.pass();
                Ok::<u32, ()>(*n)
            })
        });
        gate.await_arrivals(2);
        time.advance(S(7));
        eventually("eight wait", || of("queued_items") == Some(8.0));
        assert_eq!((of("busy_workers"), of("queue_age_seconds")), (Some(2.0), Some(7.0)));
        gate.open();
        assert_eq!(run.join().unwrap().succeeded(), 10);
    });
    eventually("they rest", || of("idle_workers") == Some(2.0) && of("busy_workers") == Some(0.0));
    assert_eq!((of("queued_items"), of("queue_age_seconds")), (Some(0.0), Some(0.0)));
}
