use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use feedguard::cache::CacheStatus;
use feedguard::clock::ManualClock;
use feedguard::manager::{CachesConfig, CallsConfig, HedgeConfig, RefusalReason};
use feedguard::retry::RetryConfig;
use feedguard::router::RouterPolicy;
use feedguard::{
    BreakerConfig, Clock, DataSourceManager, Deadline, EndpointConfig, EndpointSpec, FetchErrorKind, LimiterConfig,
    ManagerConfig, RouterConfig,
};

use crate::support::{Gate, Manner, ScriptedSource, eventually, threads_named};

type Manager = DataSourceManager<ScriptedSource>;

const S: fn(u64) -> Duration = Duration::from_secs;

/// Endpoints `a`, `b`, ...: the router prefers them in this order, by price.
fn config(count: usize) -> ManagerConfig {
    let endpoint = |(price, name): (u32, &str)| {
        EndpointConfig::new(EndpointSpec::named(name).price(f64::from(price)))
            .breaker(BreakerConfig::free())
            .limiter(LimiterConfig::default().burst(100))
    };
    let endpoints = (0..).zip(["a", "b", "c"]).take(count).map(endpoint).collect();
    let caches = CachesConfig::default().all(|cache| cache.jitter(0.0));
    ManagerConfig::default()
        .caches(caches)
        .endpoints(endpoints)
        .retry(RetryConfig::off())
        .router(RouterConfig::default().price_weight(S(100)).eject_after(100))
}

fn manager(config: ManagerConfig) -> (Arc<Manager>, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    let manager =
        DataSourceManager::builder(ScriptedSource::default()).config(config).clock(clock.clone()).build().unwrap();
    (Arc::new(manager), clock, time)
}

fn key(name: &str) -> String {
    name.to_owned()
}

#[test]
fn a_miss_goes_to_the_best_endpoint_and_a_hit_to_none() {
    let (manager, ..) = manager(config(2));
    let first = manager.fetch(&key("x")).unwrap();
    assert_eq!((first.value().as_str(), &**first.endpoint(), first.status()), ("a:x", "a", CacheStatus::Loaded));
    let second = manager.fetch(&key("x")).unwrap();
    assert_eq!((second.status(), manager.source().calls.get()), (CacheStatus::Fresh, 1));
}

#[test]
fn a_failing_endpoint_is_followed_by_the_next_inside_one_fetch() {
    let (manager, ..) = manager(config(3));
    manager.source().set("a", Manner::Fail);
    manager.source().set("b", Manner::Limit(None));
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "c:x");
    assert_eq!(manager.source().calls.get(), 3);
    let health = manager.health();
    assert_eq!((health.endpoints[0].breaker.consecutive_failures, health.endpoints[1].limiter.limited), (1, 1));
    assert_eq!(health.endpoints[1].breaker.consecutive_failures, 0, "a limit is no illness");
}

#[test]
fn when_all_fail_the_hosts_error_comes_back_with_a_time() {
    let (manager, _clock, time) = manager(config(2));
    for name in ["a", "b"] {
        manager.source().set(name, Manner::Fail);
    }
    let error = manager.fetch(&key("x")).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::Source { .. }) && error.reached_source());
    assert_eq!(error.source_error().unwrap().0, "fail");
    assert_eq!(error.retry_after(), Some(S(1)));
    let held = manager.fetch(&key("x")).unwrap_err();
    assert!(!held.reached_source() && manager.source().calls.get() == 2, "an outage costs one round a window");
    time.advance(S(1));
    manager.source().set("b", Manner::Answer);
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "b:x");
}

#[test]
fn open_breakers_are_told_apart_and_the_earliest_retry_is_named() {
    let (manager, _clock, time) = manager(config(2));
    for name in ["a", "b"] {
        manager.source().set(name, Manner::Fail);
    }
    for n in 0..3 {
        assert!(manager.fetch(&n.to_string()).is_err());
        time.advance(S(2));
    }
    let error = manager.fetch(&key("x")).unwrap_err();
    let FetchErrorKind::NoEndpoint { refusals } = error.kind() else { panic!("{error}") };
    assert_eq!(refusals.len(), 2);
    assert!(refusals.iter().all(|refusal| matches!(refusal.reason, RefusalReason::Breaker(_))));
    assert_eq!((error.reached_source(), error.retry_after()), (false, Some(S(58))));
    let text = error.to_string();
    assert!(text.contains('a') && text.contains("3 consecutive failures") && text.contains("58s"), "{text}");
}

#[test]
fn an_unknown_symbol_is_a_negative_answer_and_no_failure() {
    let (manager, _clock, time) = manager(config(2));
    manager.source().set("a", Manner::Missing);
    for nth in 0..10 {
        let error = manager.fetch(&key("nope")).unwrap_err();
        assert!(matches!(error.kind(), FetchErrorKind::Missing));
        assert_eq!(error.reached_source(), nth == 0);
    }
    assert_eq!(manager.source().calls.get(), 1, "neither repeated nor asked elsewhere");
    assert_eq!(manager.health().endpoints[0].breaker.consecutive_failures, 0);
    time.advance(S(60));
    drop(manager.fetch(&key("nope")));
    assert_eq!(manager.source().calls.get(), 2);
}

#[test]
fn a_bad_request_is_not_tried_elsewhere_nor_held_against_the_endpoint() {
    let (manager, ..) = manager(config(2));
    manager.source().set("a", Manner::BadRequest);
    let error = manager.fetch(&key("x")).unwrap_err();
    assert_eq!((error.source_error().unwrap().0, manager.source().calls.get()), ("bad request", 1));
    assert_eq!(manager.health().endpoints[0].router.calls, 0);
}

#[test]
fn a_panicking_source_is_a_failure_of_its_endpoint_and_leaves_nothing_behind() {
    let (manager, _clock, time) = manager(config(1));
    manager.source().set("a", Manner::Panic);
    let error = manager.fetch(&key("x")).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::Panicked) && error.reached_source());
    assert_eq!(error.attempts()[0].detail.as_deref(), Some("scripted panic"), "the message survives");
    let health = manager.health();
    assert_eq!((health.endpoints[0].breaker.consecutive_failures, health.endpoints[0].router.in_flight), (1, 0));
    assert_eq!(health.endpoints[0].places_taken, 0);
    manager.source().set("a", Manner::Answer);
    time.advance(S(1));
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "a:x");
}

#[test]
fn on_callers_threads_a_panic_is_the_callers() {
    let (manager, _clock, time) = manager(config(1).calls(CallsConfig::on_callers()));
    manager.source().set("a", Manner::Panic);
    let payload = catch_unwind(AssertUnwindSafe(|| drop(manager.fetch(&key("x"))))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"scripted panic"));
    let health = manager.health();
    assert_eq!((health.endpoints[0].breaker.consecutive_failures, health.endpoints[0].router.in_flight), (1, 0));
    assert_eq!(health.endpoints[0].places_taken, 0);
    manager.source().set("a", Manner::Answer);
    time.advance(S(1));
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "a:x");
}

#[test]
fn a_refresh_uses_the_same_path_with_its_own_time() {
    let (manager, _clock, time) = manager(config(1));
    manager.fetch(&key("rt")).unwrap();
    time.advance(S(28));
    let gate = Gate::default();
    manager.source().set("a", Manner::Wait(gate.clone()));
    let read = manager.fetch(&key("rt")).unwrap();
    assert_eq!((read.status(), read.age()), (CacheStatus::Refreshing, S(28)));
    gate.open();
    eventually("refreshed", || manager.fetch(&key("rt")).unwrap().age() < S(28));
    assert_eq!(manager.health().endpoints[0].router.successes, 2);
}

#[test]
fn an_outage_is_bridged_with_stale_values() {
    let (manager, _clock, time) = manager(config(2));
    manager.fetch(&key("x")).unwrap();
    time.advance(S(2 * 3600 + 60));
    for name in ["a", "b"] {
        manager.source().set(name, Manner::Fail);
    }
    let read = manager.fetch(&key("x")).unwrap();
    assert_eq!((read.status(), read.value().as_str()), (CacheStatus::StaleOnError, "a:x"));
    assert_eq!(read.age(), S(2 * 3600 + 60));
}

#[test]
fn a_limiter_without_permits_hands_over_to_the_next_endpoint() {
    let mut settings = config(2).permit_timeout(Duration::ZERO);
    settings.endpoints[0].limiter = LimiterConfig::default().burst(1);
    let (manager, ..) = manager(settings);
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "a:x");
    assert_eq!(*manager.fetch(&key("y")).unwrap(), "b:y");
    assert_eq!(manager.source().calls_to("a"), 1);
}

#[test]
fn a_batch_answers_each_request_in_order() {
    let (manager, ..) = manager(config(1));
    let requests: Vec<String> = (0..50).map(|n| (n % 10).to_string()).collect();
    let report = manager.fetch_batch(requests.clone(), Deadline::never());
    for (request, result) in requests.iter().zip(&report.results) {
        assert_eq!(**result.as_ref().unwrap(), format!("a:{request}"));
    }
    assert_eq!(manager.source().calls.get(), 10, "repeats are loaded once");
}

#[test]
fn warm_up_fills_the_caches_of_all_categories() {
    let (manager, ..) = manager(config(1));
    let mut seen = 0;
    let report = manager.warm_up(&["rt1", "d1", "d2"].map(key), |report| {
        seen += 1;
        assert_eq!(report.done(), seen);
    });
    assert_eq!((report.ok, seen), (3, 3));
    assert_eq!(manager.fetch(&key("d2")).unwrap().status(), CacheStatus::Fresh);
}

#[test]
fn invalidate_makes_the_next_fetch_call_again() {
    let (manager, ..) = manager(config(1));
    manager.fetch(&key("x")).unwrap();
    assert!(manager.invalidate(&key("x")));
    manager.fetch(&key("x")).unwrap();
    assert_eq!(manager.source().calls.get(), 2);
}

#[test]
fn requests_over_the_cap_are_typed_errors() {
    let (manager, ..) = manager(config(1));
    let error = manager.fetch(&"x".repeat(1 << 20)).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::KeyTooLong(_)));
    assert_eq!(manager.source().calls.get(), 0);
}

#[test]
fn after_a_shutdown_fetches_are_typed_errors_and_waiting_ones_end() {
    let mut settings = config(1).permit_timeout(S(1000));
    settings.endpoints[0].limiter = LimiterConfig::default().burst(1);
    let (manager, ..) = manager(settings);
    manager.fetch(&key("x")).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| manager.fetch(&key("y")).unwrap_err());
        eventually("it waits for a permit", || manager.health().endpoints[0].limiter.waiting == 1);
        let report = manager.shutdown(S(1));
        assert_eq!((report.cancelled, report.abandoned), (0, 0));
        assert!(!waiting.join().unwrap().reached_source());
    });
    assert!(matches!(manager.fetch(&key("x")).unwrap_err().kind(), FetchErrorKind::ShuttingDown));
}

#[test]
fn a_hundred_threads_on_one_cold_request_cost_one_call() {
    let (manager, ..) = manager(config(1));
    let gate = Gate::default();
    manager.source().set("a", Manner::Wait(gate.clone()));
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(*manager.fetch(&key("x")).unwrap(), "a:x"));
        }
        gate.await_arrivals(1);
        gate.open();
    });
    assert_eq!(manager.source().calls.get(), 1);
}

#[test]
fn the_deadline_ends_the_search_for_an_endpoint() {
    let (manager, clock, time) = manager(config(3));
    let gate = Gate::default();
    manager.source().set("a", Manner::Wait(gate.clone()));
    let outcome = thread::scope(|scope| {
        let deadline = Deadline::after(&clock, S(5));
        let manager = &manager;
        let fetch = scope.spawn(move || manager.fetch_by(&key("x"), deadline));
        gate.await_arrivals(1);
        // The call comes back late and in vain.
        time.advance(S(6));
        manager.source().set("a", Manner::Fail);
        gate.open();
        fetch.join().unwrap().err()
    });
    // Whichever the fetch sees first, the answer or the deadline; what must not happen is a second call.
    assert!(outcome.is_none_or(|error| matches!(error.kind(), FetchErrorKind::TimedOut)));
    assert_eq!(manager.source().calls.get(), 1);
}

#[test]
fn a_hasty_caller_does_not_spoil_the_key_for_patient_ones() {
    let (manager, clock, _time) = manager(config(1));
    for _ in 0..8 {
        let late = Deadline::at(clock.now());
        let error = manager.fetch_by(&key("x"), late).unwrap_err();
        assert!(matches!(error.kind(), FetchErrorKind::TimedOut) && !error.reached_source());
    }
    assert_eq!(*manager.fetch(&key("x")).unwrap(), "a:x");
}

#[test]
fn dropping_a_manager_beside_a_hung_call_leaves_only_that_thread() {
    let (clock, time) = Clock::manual();
    let gate = Gate::default();
    let manager = DataSourceManager::builder(ScriptedSource::default())
        .name("leaver")
        .config(config(1))
        .clock(clock)
        .build()
        .unwrap();
    manager.fetch(&key("rt")).unwrap();
    time.advance(S(28));
    // A refresh thread, idle from then on.
    manager.fetch(&key("rt")).unwrap();
    eventually("refreshed", || manager.health().endpoints[0].router.successes == 2);
    manager.source().set("a", Manner::Wait(gate.clone()));
    thread::scope(|scope| {
        let run = scope.spawn(|| manager.fetch_batch(vec![key("hung")], Deadline::never()));
        gate.await_arrivals(1);
        time.advance(S(31));
        assert_eq!(run.join().unwrap().failed(), 1);
    });
    assert!(threads_named("leaver") >= 2 || cfg!(not(target_os = "linux")));
    drop(manager);
    eventually("only the hung call is left", || threads_named("leaver") <= 1);
    gate.open();
    eventually("nobody is left", || threads_named("leaver") == 0);
}

#[test]
fn round_robin_is_there_as_the_old_way() {
    let (manager, ..) = manager(config(3).router(RouterConfig::default().policy(RouterPolicy::RoundRobin)));
    let answers: Vec<String> = (0..6).map(|n| manager.fetch(&n.to_string()).unwrap().endpoint().to_string()).collect();
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
}

/// A manager with three endpoints whose calls may be made twice; 200 quick calls have been made.
fn hedged(budget: f64) -> (Arc<Manager>, ManualClock) {
    let mut config = config(3).hedge(HedgeConfig::default().enabled(true).budget(budget));
    for endpoint in &mut config.endpoints {
        endpoint.limiter = LimiterConfig::off();
    }
    let (manager, _clock, time) = manager(config);
    for n in 0..200 {
        manager.fetch(&format!("warm {n}")).unwrap();
    }
    (manager, time)
}

#[test]
fn a_call_that_takes_longer_than_most_is_made_elsewhere_and_the_first_answer_counts() {
    let (manager, time) = hedged(0.05);
    let first = manager.explain(&key("x")).candidates().next().unwrap();
    let slow = manager.explain(&key("x")).name(first).to_owned();
    let gate = Gate::default();
    manager.source().set(&slow, Manner::Wait(gate.clone()));
    let fetched = thread::scope(|scope| {
        let fetch = scope.spawn(|| manager.fetch(&key("hedge me")).unwrap());
        gate.await_arrivals(1);
        // Past the p95 of calls that took no time on this clock.
        eventually("it is made a second time", || {
            time.advance(Duration::from_millis(1));
            manager.health().hedges.hedged == 1
        });
        fetch.join().unwrap()
    });
    assert_ne!(&**fetched.endpoint(), slow.as_str());
    let hedges = manager.health().hedges;
    assert_eq!((hedges.hedged, hedges.won), (1, 1));
    gate.open();
    eventually("the slow call is settled", || manager.health().endpoints.iter().all(|of| of.router.in_flight == 0));
}

#[test]
fn without_budget_or_idempotence_nothing_is_made_twice() {
    let (manager, time) = hedged(0.0);
    let first = manager.explain(&key("x")).candidates().next().unwrap();
    let slow = manager.explain(&key("x")).name(first).to_owned();
    let gate = Gate::default();
    manager.source().set(&slow, Manner::Wait(gate.clone()));
    thread::scope(|scope| {
        let fetch = scope.spawn(|| manager.fetch(&key("hedge me not")).unwrap());
        gate.await_arrivals(1);
        time.advance(S(1));
        manager.source().set(&slow, Manner::Answer);
        gate.open();
        assert_eq!(&**fetch.join().unwrap().endpoint(), slow.as_str());
    });
    assert_eq!(manager.health().hedges.hedged, 0);
    assert!(manager.health().hedges.calls > 0);
}
