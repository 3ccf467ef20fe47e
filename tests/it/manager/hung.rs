//! Calls that hang: whom they take along (nobody), who hears of them, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use feedguard::breaker::BreakerState;
use feedguard::cache::CacheStatus;
use feedguard::manager::{CachesConfig, Call, HedgeConfig};
use feedguard::retry::RetryConfig;
use feedguard::{
    BatchConfig, CacheConfig, Clock, DataSourceManager, Deadline, EndpointConfig, EndpointSpec, FetchErrorKind,
    LimiterConfig, ManagerConfig, Source,
};

use super::host::{Driver, MS, S, Table, config, manager};
use crate::support::{Gate, eventually};

#[test]
fn a_preferred_endpoint_that_hangs_loses_no_item_of_a_batch_nor_of_the_next() {
    let config = config(&["a", "b"]).batch(BatchConfig::default().workers(8)).call_timeout(S(2));
    let (manager, host, time, _clock) = manager(config);
    for warm in 0..50 {
        manager.fetch(&format!("warm {warm}")).unwrap();
    }
    assert!(host.calls("a") > 40, "it is the first choice");
    let gate = host.gate("a");
    let driver = Driver::start(&time, MS(20));
    for round in 0..2 {
        let report = manager.fetch_batch((0..400).map(|n| format!("{round} {n}")).collect(), Deadline::never());
        assert_eq!(report.succeeded(), 400, "round {round}");
    }
    drop(driver);
    let health = manager.health();
    assert_ne!(health.endpoints[0].breaker.state, BreakerState::Closed, "the breaker has heard of it");
    assert!(health.endpoints[0].places_taken > 0, "places stay taken until the calls really end");
    gate.open();
    eventually("the places are free", || manager.health().endpoints[0].places_taken == 0);
    eventually("no thread is lost", || manager.health().calls.abandoned == 0);
}

#[test]
fn a_hung_refresh_keeps_nobody_from_the_value_and_is_told_at_the_call_timeout() {
    let (manager, host, time, clock) = manager(config(&["a"]).call_timeout(S(10)).retry(RetryConfig::off()));
    let key = "x".to_owned();
    manager.fetch(&key).unwrap();
    let gate = host.gate("a");
    // Nine tenths of the hour of the default category.
    time.advance(S(3240));
    assert_eq!(manager.fetch(&key).unwrap().status(), CacheStatus::Refreshing);
    gate.await_arrivals(1);
    let before = clock.now();
    for _ in 0..100 {
        manager.fetch_by(&key, Deadline::after(&clock, S(1))).unwrap();
    }
    assert_eq!(clock.now(), before, "nobody has waited");
    time.advance(S(10));
    eventually("breaker and router have heard", || {
        let health = manager.health();
        health.endpoints[0].breaker.consecutive_failures == 1 && health.endpoints[0].router.calls == 2
    });
    // The key is free again: the next refresh can run.
    eventually("a second refresh", || {
        time.advance(MS(100));
        manager.fetch(&key).unwrap();
        host.calls("a") == 3
    });
    gate.open();
    eventually("refreshed", || manager.fetch(&key).unwrap().age() < S(60));
}

#[test]
fn five_hung_refreshes_do_not_stop_the_others() {
    let caches = CachesConfig::default().set("default", CacheConfig::default().time_to_live(S(100)).jitter(0.0));
    let (manager, host, time, _clock) = manager(config(&["a"]).caches(caches).call_timeout(S(10)));
    for key in 0..12 {
        manager.fetch(&key.to_string()).unwrap();
    }
    let gate = Gate::default();
    let stuck = gate.clone();
    host.set("a", move |_, key| {
        if key.parse::<u32>().unwrap() < 5 {
            stuck.pass();
        }
        Ok(Table::clean())
    });
    time.advance(S(90));
    for key in 0..5 {
        manager.fetch(&key.to_string()).unwrap();
    }
    gate.await_arrivals(5);
    let driver = Driver::start(&time, MS(10));
    eventually("a sixth is refreshed", || {
        let read = manager.fetch(&"7".to_owned()).unwrap();
        read.status() == CacheStatus::Fresh && read.age() < S(80)
    });
    drop(driver);
    gate.open();
}

#[test]
fn warm_up_returns_whatever_hangs() {
    let (manager, host, time, _clock) = manager(config(&["a"]).call_timeout(S(1)).retry(RetryConfig::off()));
    let gate = Gate::default();
    let stuck = gate.clone();
    host.set("a", move |_, key| {
        if key == "2" {
            stuck.pass();
        }
        Ok(Table::clean())
    });
    let driver = Driver::start(&time, MS(1));
    let requests: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let report = manager.warm_up(&requests, |_| {});
    assert_eq!((report.ok, report.failed), (9, 1));
    drop(driver);
    gate.open();
}

#[test]
fn callers_of_a_hung_endpoint_get_their_answer_elsewhere_before_their_own_deadline() {
    // The time-out of a call is longer than callers wait: half of their time goes to the first choice.
    let (manager, host, time, clock) = manager(config(&["a", "b"]).fetch_timeout(S(1)).call_timeout(S(10)));
    manager.fetch(&"warm".to_owned()).unwrap();
    let gate = host.gate("a");
    let driver = Driver::start(&time, MS(1));
    let (ok, started) = (AtomicUsize::new(0), clock.now());
    thread::scope(|scope| {
        for user in 0..50 {
            let (manager, ok) = (&manager, &ok);
            scope.spawn(move || {
                for n in 0..3 {
                    ok.fetch_add(usize::from(manager.fetch(&format!("{user} {n}")).is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(ok.load(Ordering::Relaxed), 150, "nobody was lost");
    assert!(clock.now().since(started) < S(60));
    // Their fetches have long left; the calls are still watched.
    let hung = manager.health().endpoints[0].places_taken;
    assert!(hung > 0);
    time.advance(S(10));
    eventually("the guards hear of it at the call's time-out", || {
        let endpoint = &manager.health().endpoints[0];
        endpoint.router.calls > hung as u64
            && (endpoint.breaker.consecutive_failures as usize >= hung || endpoint.breaker.times_opened > 0)
    });
    drop(driver);
    gate.open();
    eventually("no thread is lost", || {
        let health = manager.health();
        health.calls.abandoned == 0 && health.endpoints[0].places_taken == 0
    });
}

#[test]
fn a_late_answer_is_kept_if_nothing_newer_has_come() {
    for has_newer in [false, true] {
        let (manager, host, _time, clock) = manager(config(&["a"]).retry(RetryConfig::off()));
        let gate = Gate::default();
        let stuck = gate.clone();
        host.set("a", move |_, _| {
            stuck.pass();
            Ok(Table::new(7, |_, _| {}))
        });
        let key = "x".to_owned();
        let late = Deadline::at(clock.now().after(MS(1)));
        let hasty = thread::scope(|scope| {
            let fetch = scope.spawn(|| manager.fetch_by(&key, late));
            gate.await_arrivals(1);
            _time.advance(MS(2));
            fetch.join().unwrap().unwrap_err()
        });
        assert!(matches!(hasty.kind(), FetchErrorKind::TimedOut));
        if has_newer {
            manager.invalidate(&key);
        }
        gate.open();
        eventually("the call has ended", || manager.health().endpoints[0].places_taken == 0);
        let cached = manager.fetch_with(&key, &feedguard::manager::FetchOptions::new().no_source());
        assert_eq!(cached.is_ok(), !has_newer, "an invalidation fences it");
    }
}

/// A source that fetches from its own manager.
struct Nested(Arc<std::sync::OnceLock<std::sync::Weak<DataSourceManager<Nested>>>>);

impl Source for Nested {
    type Request = u32;
    type Response = u32;
    type Error = std::io::Error;

    fn call(&self, call: &Call<'_>, request: &u32) -> Result<u32, std::io::Error> {
        let manager = self.0.get().and_then(std::sync::Weak::upgrade).ok_or_else(|| std::io::Error::other("gone"))?;
        let text = |error: feedguard::FetchError<std::io::Error, u32>| std::io::Error::other(error.kind().as_str());
        match request {
            // Asks for itself.
            13 => manager.fetch(&13).map(|fetched| *fetched).map_err(text),
            // A chain of calls within calls.
            n if *n > 100 => manager.fetch(&(n - 1)).map(|fetched| *fetched).map_err(text),
            _ if call.is_background() => Ok(call.timeout().as_secs() as u32),
            n => Ok(*n),
        }
    }
}

fn nested(config: ManagerConfig, clock: Clock) -> Arc<DataSourceManager<Nested>> {
    let link = Arc::new(std::sync::OnceLock::new());
    let endpoints = ["a", "b"].map(|name| EndpointConfig::new(EndpointSpec::named(name)).limiter(LimiterConfig::off()));
    let config = config.endpoints(endpoints.into());
    let manager = DataSourceManager::builder(Nested(Arc::clone(&link))).config(config).clock(clock).build().unwrap();
    let manager = Arc::new(manager);
    link.set(Arc::downgrade(&manager)).unwrap();
    manager
}

#[test]
fn a_call_that_asks_for_itself_is_told_at_once_hedged_or_not() {
    for hedge in [false, true] {
        let manager = nested(
            ManagerConfig::default().hedge(HedgeConfig::default().enabled(hedge)).retry(RetryConfig::off()),
            Clock::system(),
        );
        let error = manager.fetch(&13).unwrap_err();
        assert_eq!(error.source_error().unwrap().to_string(), "reentrant");
    }
}

#[test]
fn calls_within_calls_do_not_wait_for_each_others_threads() {
    let calls = feedguard::manager::CallsConfig::default().max_threads(2);
    let (clock, time) = Clock::manual();
    let manager = nested(ManagerConfig::default().calls(calls), clock.clone());
    let (started, _driver) = (clock.now(), Driver::start(&time, MS(1)));
    assert_eq!(*manager.fetch(&120).unwrap(), 100, "twenty deep on two threads");
    thread::scope(|scope| {
        for n in 0..8 {
            let manager = &manager;
            scope.spawn(move || assert_eq!(*manager.fetch(&(130 + n)).unwrap(), 100));
        }
    });
    assert!(clock.now().since(started) < S(8), "no ramp, no call_timeout was waited for");
}

#[test]
fn the_time_of_a_call_is_told_to_the_source() {
    let (clock, _time) = Clock::manual();
    let source = feedguard::manager::source_fn(|call: &Call<'_>, _: &u32| Ok::<_, std::io::Error>(call.timeout()));
    let endpoints = vec![EndpointConfig::new(EndpointSpec::named("a"))];
    let config = ManagerConfig::default().endpoints(endpoints).call_timeout(S(7));
    let manager = DataSourceManager::builder(source).config(config).clock(clock).build().unwrap();
    assert_eq!(*manager.fetch(&1).unwrap(), S(7));
}

/// An error that cannot be printed.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("scripted")
    }
}

impl std::error::Error for Unspeakable {}

#[test]
fn an_error_that_cannot_be_printed_hangs_nobody() {
    let (manager, host, time, _clock) = manager(config(&["a", "b"]).retry(RetryConfig::off()));
    host.set("a", |_, _| Err(std::io::Error::other(Unspeakable)));
    assert_eq!(&**manager.fetch(&"x".to_owned()).unwrap().endpoint(), "b");
    time.advance(S(100));
    let health = manager.health();
    assert_eq!((health.endpoints[0].places_taken, health.endpoints[0].router.calls), (0, 1));
    assert_eq!(health.endpoints[0].breaker.consecutive_failures, 1);
}

#[test]
fn a_late_answer_does_not_push_out_a_newer_load() {
    let (manager, host, time, clock) = manager(config(&["a"]).retry(RetryConfig::off()));
    let (old, new) = (Gate::default(), Gate::default());
    let gates = (old.clone(), new.clone());
    let count = std::sync::atomic::AtomicUsize::new(0);
    host.set("a", move |_, _| {
        let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let (gate, rows) = if is_first { (&gates.0, 7) } else { (&gates.1, 8) };
        gate.pass();
        Ok(Table::new(rows, |_, _| {}))
    });
    let key = "x".to_owned();
    let soon = Deadline::at(clock.now().after(MS(1)));
    thread::scope(|scope| {
        let hasty = scope.spawn(|| manager.fetch_by(&key, soon));
        old.await_arrivals(1);
        time.advance(MS(2));
        hasty.join().unwrap().unwrap_err();
        let newer = scope.spawn(|| manager.fetch(&key));
        new.await_arrivals(1);
        old.open();
        eventually("the old call has ended", || manager.health().endpoints[0].places_taken == 1);
        new.open();
        assert_eq!(newer.join().unwrap().unwrap().rows.len(), 8);
    });
    assert_eq!(manager.fetch(&key).unwrap().rows.len(), 8, "the newer one stays");
}
