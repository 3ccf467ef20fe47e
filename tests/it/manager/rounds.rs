//! Patience: fetches that find nobody wait for the earliest moment that can help, within their deadline and
//! the budget of second calls.

use std::thread;

use feedguard::manager::RefusalReason;
use feedguard::retry::RetryConfig;
use feedguard::{BreakerConfig, Deadline, FetchErrorKind, LimiterConfig, Outcome, Verdict};

use super::host::{Driver, MS, S, Table, config, manager};
use crate::support::{Manner, ScriptedSource};

#[test]
fn an_open_breaker_within_the_callers_patience_is_waited_for() {
    let mut settings = config(&["a"]).fetch_timeout(S(30));
    settings.endpoints[0].breaker = BreakerConfig::free().open_for(S(2));
    let (manager, host, time, clock) = manager(settings);
    let breaker = manager.breaker("a").unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().fail();
    }
    assert!(breaker.try_acquire().is_err());
    let driver = Driver::start(&time, MS(10));
    let started = clock.now();
    let fetched = manager.fetch(&"x".to_owned()).unwrap();
    drop(driver);
    assert!(clock.now().since(started) >= S(1), "it has waited for the breaker");
    assert_eq!((fetched.rows.len(), host.calls("a")), (250, 1));
}

#[test]
fn a_deadline_that_cannot_be_met_fails_at_once_with_the_time_to_come_back() {
    let (manager, host, _time, clock) = manager(config(&["a"]));
    let breaker = manager.breaker("a").unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().fail();
    }
    let before = clock.now();
    let error = manager.fetch_by(&"x".to_owned(), Deadline::after(&clock, S(5))).unwrap_err();
    assert_eq!((clock.now(), error.reached_source(), host.calls("a")), (before, false, 0));
    assert!(error.retry_after().unwrap() > S(50), "{error}");
    let FetchErrorKind::NoEndpoint { refusals } = error.kind() else { panic!("{error}") };
    assert!(matches!(refusals[0].reason, RefusalReason::Breaker(_)));
}

#[test]
fn a_call_that_fails_once_is_made_again_within_the_budget() {
    let (manager, host, time, _clock) = manager(config(&["a"]));
    let failed = std::sync::atomic::AtomicUsize::new(0);
    host.set("a", move |_, _| {
        if failed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 == 0 {
            Err(std::io::Error::other("blip"))
        } else {
            Ok(Table::clean())
        }
    });
    let driver = Driver::start(&time, MS(10));
    for n in 0..5 {
        assert!(manager.fetch(&n.to_string()).is_ok());
    }
    drop(driver);
    assert_eq!(host.calls("a"), 10);
}

#[test]
fn in_an_outage_second_calls_are_a_tenth_of_first_ones() {
    let mut settings = config(&["a"]).fetch_timeout(S(10));
    settings.endpoints[0].breaker = BreakerConfig::off();
    let (manager, host, time, _clock) =
        manager(settings.router(feedguard::RouterConfig::default().eject_after(1_000_000)));
    host.set("a", |_, _| Err(std::io::Error::other("down")));
    let driver = Driver::start(&time, MS(50));
    for n in 0..100 {
        let error = manager.fetch(&n.to_string()).unwrap_err();
        assert!(error.retry_after().is_some_and(|after| !after.is_zero()));
    }
    drop(driver);
    let calls = host.calls("a");
    assert!((100..=121).contains(&calls), "ten saved up and a tenth of a hundred: {calls}");
}

#[test]
fn requests_that_may_be_made_once_only_are() {
    use feedguard::manager::Call;
    struct Orders(std::sync::atomic::AtomicUsize);
    impl feedguard::Source for Orders {
        type Request = u32;
        type Response = u32;
        type Error = std::io::Error;
        fn call(&self, _: &Call<'_>, _: &u32) -> Result<u32, std::io::Error> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Err(std::io::Error::other("did it arrive?"))
        }
        fn is_idempotent(&self, _: &u32) -> bool {
            false
        }
    }
    let endpoints = super::host::endpoints(&["a"]);
    let config = feedguard::ManagerConfig::default().endpoints(endpoints);
    let manager = feedguard::DataSourceManager::new("orders", config, Orders(0.into())).unwrap();
    assert!(manager.fetch(&1).is_err());
    assert_eq!(manager.source().0.load(std::sync::atomic::Ordering::SeqCst), 1, "no second round");
}

#[test]
fn not_here_asks_the_next_and_all_of_them_together_mean_missing() {
    let config = || {
        let endpoints = super::host::endpoints(&["a", "b"]);
        feedguard::ManagerConfig::default().endpoints(endpoints)
    };
    let manager = feedguard::DataSourceManager::new("feed", config(), ScriptedSource::default()).unwrap();
    manager.source().set("a", Manner::NotHere);
    assert_eq!(&**manager.fetch(&"x".to_owned()).unwrap().endpoint(), "b");
    manager.source().set("b", Manner::NotHere);
    for nth in 0..8 {
        let error = manager.fetch(&"y".to_owned()).unwrap_err();
        assert!(matches!(error.kind(), FetchErrorKind::Missing), "{error}");
        assert_eq!(error.reached_source(), nth == 0, "believed for a while");
    }
    let health = manager.health();
    assert!(health.endpoints.iter().all(|endpoint| endpoint.breaker.consecutive_failures == 0));
    assert_eq!(Verdict::of_http(404, None), Verdict::NotHere);
}

#[test]
fn a_value_that_a_refresh_cannot_find_is_kept_until_the_second_time() {
    use feedguard::cache::CacheStatus;
    let (clock, time) = feedguard::Clock::manual();
    let config = super::host::config(&["a"]);
    let source = ScriptedSource::default();
    let manager = feedguard::DataSourceManager::builder(source).config(config).clock(clock).build().unwrap();
    let key = "rt x".to_owned();
    manager.fetch(&key).unwrap();
    manager.source().set("a", Manner::Missing);
    time.advance(S(28));
    assert_eq!(manager.fetch(&key).unwrap().status(), CacheStatus::Refreshing);
    crate::support::eventually("refreshed", || manager.health().caches[3].1.refreshes == 1);
    let kept = manager.fetch(&key).unwrap();
    assert_eq!((kept.value().as_str(), kept.age()), ("a:rt x", S(28)), "404 once is no proof");
    manager.source().set("a", Manner::Answer);
    time.advance(S(61));
    assert_eq!(*manager.fetch(&key).unwrap(), "a:rt x", "and it was back");
}

#[test]
fn held_keys_are_back_with_the_line() {
    let mut settings = config(&["a"]).retry(RetryConfig::off());
    settings.endpoints[0].breaker = BreakerConfig::free().open_for(S(1));
    let (manager, host, time, _clock) = manager(settings);
    host.set("a", |_, _| Err(std::io::Error::other("line down")));
    let hot = ["x", "y", "z"].map(str::to_owned);
    // An outage of 18 s: the keys are held for 1, 2, 4, 8, 16 s.
    for _ in 0..180 {
        hot.iter().for_each(|key| drop(manager.fetch(key)));
        time.advance(MS(100));
    }
    let in_outage = host.calls("a");
    assert!(in_outage <= 40, "an outage costs a call a window, not one a request: {in_outage} of 540");
    host.set("a", |_, _| Ok(Table::clean()));
    let mut dark = 0;
    while !hot.iter().all(|key| manager.fetch(key).is_ok()) {
        time.advance(MS(100));
        dark += 1;
        assert!(dark < 100);
    }
    assert!(dark <= 15, "dark for {dark} tenths of a second after the line was back");
}

#[test]
fn after_a_shutdown_all_who_wait_hear_of_it() {
    let mut settings = config(&["a"]).fetch_timeout(S(1_000_000)).call_timeout(S(1_000_000));
    settings.endpoints[0].limiter = LimiterConfig::off();
    let (manager, host, _time, _clock) = manager(settings);
    let gate = host.gate("a");
    thread::scope(|scope| {
        // The leader in a call that hangs, and two who wait for it.
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| manager.fetch(&"x".to_owned()).unwrap_err())).collect();
        gate.await_arrivals(1);
        // One who waits for a breaker.
        let patient = scope.spawn(|| {
            let breaker = manager.breaker("a").unwrap();
            breaker.force_open();
            manager.fetch_by(&"y".to_owned(), Deadline::never()).unwrap_err()
        });
        thread::yield_now();
        manager.shutdown(MS(0));
        for thread in waiting {
            assert!(matches!(thread.join().unwrap().kind(), FetchErrorKind::ShuttingDown));
        }
        let kind = patient.join().unwrap();
        assert!(matches!(kind.kind(), FetchErrorKind::ShuttingDown | FetchErrorKind::NoEndpoint { .. }), "{kind}");
        gate.open();
    });
    let error = manager.fetch(&"x".to_owned()).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::ShuttingDown));
    let _ = Outcome::Success;
}

#[test]
fn a_ranking_that_is_out_of_date_gives_nobody_a_second_call() {
    let mut settings = config(&["a", "b"]).retry(RetryConfig::off());
    // The first one is nearer: it is asked first.
    settings.endpoints[0].spec = settings.endpoints[0].spec.clone().local(true);
    settings.endpoints[1].spec = settings.endpoints[1].spec.clone().free_quota(1);
    let (manager, host, _time, _clock) = manager(settings);
    let (inner, link) = (std::sync::Arc::downgrade(&manager), std::sync::atomic::AtomicBool::new(true));
    host.set("a", move |_, _| {
        // While the first endpoint is asked, somebody else makes the free call of the second one.
        if link.swap(false, std::sync::atomic::Ordering::SeqCst) {
            let only_b = feedguard::manager::FetchOptions::new().only("b");
            inner.upgrade().unwrap().fetch_with(&"other".to_owned(), &only_b).unwrap();
        }
        Err(std::io::Error::other("down"))
    });
    assert_eq!(&**manager.fetch(&"x".to_owned()).unwrap().endpoint(), "b");
    assert_eq!((host.calls("a"), host.calls("b")), (1, 2));
}

#[test]
fn who_waits_for_an_endpoint_hears_of_a_reset_and_of_a_restored_one() {
    for by_reset in [true, false] {
        let (manager, _host, time, clock) = manager(config(&["a", "b"]));
        manager.drain("b");
        let breaker = manager.breaker("a").unwrap();
        for _ in 0..3 {
            breaker.try_acquire().unwrap().fail();
        }
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| manager.fetch_by(&"x".to_owned(), feedguard::Deadline::never()));
            let health = || manager.health();
            crate::support::eventually("it is on its way", || health().caches.iter().any(|(_, of)| of.miss > 0));
            (0..1000).for_each(|_| std::thread::yield_now());
            if by_reset {
                breaker.reset();
            } else {
                assert!(manager.restore("b"));
            }
            let (told, driver) = (clock.now(), Driver::start(&time, MS(10)));
            let fetched = waiter.join().unwrap().unwrap();
            drop(driver);
            assert!(clock.now().since(told) < S(50), "the breaker stays open for 60 s");
            assert_eq!(&**fetched.endpoint(), if by_reset { "a" } else { "b" });
        });
    }
}

#[test]
fn what_an_operator_has_forced_open_is_no_promise_of_a_time() {
    let (manager, _host, _time, _clock) = manager(config(&["a"]));
    manager.breaker("a").unwrap().force_open();
    let error = manager.fetch_by(&"x".to_owned(), feedguard::Deadline::never()).unwrap_err();
    assert_eq!((error.reached_source(), error.retry_after()), (false, None));
}
