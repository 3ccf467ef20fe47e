//! Another configuration at run time, and single endpoints taken out and put back.

use std::thread;

use feedguard::breaker::BreakerState;
use feedguard::retry::RetryConfig;
use feedguard::{BreakerConfig, CacheConfig, LimiterConfig};

use super::host::{S, config, endpoints, manager};
use crate::support::eventually;

#[test]
fn an_open_breaker_stays_open_over_a_reload_also_with_other_settings() {
    let settings = config(&["a", "b"]).retry(RetryConfig::off());
    let (manager, _host, _time, _clock) = manager(settings.clone());
    let breaker = manager.breaker("a").unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().fail();
    }
    manager.reload(settings.clone()).unwrap();
    assert_eq!(manager.breaker("a").unwrap().state(), BreakerState::Open);
    let mut other = settings;
    other.endpoints[0].breaker = BreakerConfig::free().open_for(S(5));
    manager.reload(other).unwrap();
    let reloaded = manager.breaker("a").unwrap();
    assert_eq!(reloaded.state(), BreakerState::Open);
    assert!(reloaded.try_acquire().unwrap_err().retry_after > Some(S(50)), "as long as it was to be");
    assert_eq!(&**manager.fetch(&"x".to_owned()).unwrap().endpoint(), "b");
}

#[test]
fn statistics_limiters_and_drains_outlive_a_reload() {
    let settings = config(&["a", "b"]);
    let (manager, _host, _time, _clock) = manager(settings.clone());
    for n in 0..20 {
        manager.fetch(&n.to_string()).unwrap();
    }
    let (before, limiter) = (manager.health(), manager.limiter("a").unwrap());
    manager.drain("b");
    let mut reordered = settings;
    reordered.endpoints.reverse();
    manager.reload(reordered).unwrap();
    let after = manager.health();
    assert_eq!(after.endpoints[1].router.name, before.endpoints[0].router.name);
    assert_eq!(after.endpoints[1].router.successes, before.endpoints[0].router.successes);
    assert!(std::sync::Arc::ptr_eq(&limiter, &manager.limiter("a").unwrap()));
    assert!(after.endpoints[0].is_drained);
}

#[test]
fn calls_under_way_end_in_peace_also_to_an_endpoint_that_is_removed() {
    let (manager, host, _time, _clock) = manager(config(&["a"]));
    let gate = host.gate("a");
    thread::scope(|scope| {
        let fetch = scope.spawn(|| manager.fetch(&"x".to_owned()).unwrap());
        gate.await_arrivals(1);
        manager.reload(config(&["b", "c"])).unwrap();
        assert_eq!(&**manager.fetch(&"y".to_owned()).unwrap().endpoint(), "b");
        gate.open();
        assert_eq!(&**fetch.join().unwrap().endpoint(), "a");
    });
    assert!(manager.breaker("a").is_none() && manager.health().endpoints.len() == 2);
}

#[test]
fn a_reload_beside_traffic_loses_no_fetch() {
    let (manager, _host, _time, _clock) = manager(config(&["a", "b"]));
    thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|user| {
                let manager = &manager;
                scope.spawn(move || (0..300).all(|n| manager.fetch(&format!("{user} {n}")).is_ok()))
            })
            .collect();
        for n in 0..60 {
            let names: &[&str] = if n % 2 == 0 { &["b", "a", "c"] } else { &["a", "b"] };
            manager.reload(config(names)).unwrap();
            thread::yield_now();
        }
        assert!(users.into_iter().all(|user| user.join().unwrap()));
    });
    eventually("nothing is in flight", || manager.health().endpoints.iter().all(|of| of.places_taken == 0));
}

#[test]
fn a_reload_with_faults_changes_nothing_and_names_them_all() {
    let settings = config(&["a"]);
    let (manager, _host, _time, _clock) = manager(settings.clone());
    let mut bad = settings.clone().caches(settings.caches.clone().set("daily", CacheConfig::off()));
    bad.endpoints = endpoints(&["a", "b\u{1b}[31m"]);
    bad.endpoints[0].limiter = LimiterConfig::default().burst(0);
    let error = manager.reload(bad).unwrap_err();
    let paths: Vec<&str> = error.faults().iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["endpoints[1].name", "endpoints[0].limiter.burst", "caches"]);
    assert!(!error.to_string().contains('\u{1b}'), "hostile names are escaped");
    assert_eq!(manager.health().endpoints.len(), 1);
}

#[test]
fn a_drained_endpoint_gets_no_calls_until_it_is_restored() {
    let (manager, host, _time, _clock) = manager(config(&["a", "b"]));
    assert!(manager.drain("a") && !manager.drain("nobody"));
    for n in 0..10 {
        assert_eq!(&**manager.fetch(&n.to_string()).unwrap().endpoint(), "b");
    }
    assert_eq!(host.calls("a"), 0);
    assert!(manager.restore("a"));
    assert!((10..20).any(|n: i32| &**manager.fetch(&n.to_string()).unwrap().endpoint() == "a"));
}

#[test]
fn what_a_source_has_said_of_its_limits_outlives_a_reload_with_other_settings() {
    use feedguard::limiter::{QuotaPeriod, QuotaWindow};
    use feedguard::manager::QuotaGroupConfig;
    let mut settings = config(&["a"]);
    settings.endpoints[0].limiter = LimiterConfig::default().burst(10);
    settings.endpoints[0].limiter.quotas = vec![QuotaWindow::new(100, QuotaPeriod::Day)];
    settings.endpoints[0].quota_group = Some("account".to_owned());
    settings.quota_groups = vec![QuotaGroupConfig::new("account", vec![QuotaWindow::new(50, QuotaPeriod::Day)])];
    let (manager, _host, time, clock) = manager(settings.clone());
    let limiter = manager.limiter("a").unwrap();
    for _ in 0..200 {
        time.advance(S(1));
        limiter.record(feedguard::Outcome::Success);
    }
    (0..3).for_each(|_| limiter.try_acquire(1).unwrap().succeed());
    limiter.try_acquire(1).unwrap().finish(feedguard::Outcome::Limited { retry_after: Some(S(60)) });
    let before = limiter.snapshot();
    settings.endpoints[0].limiter.burst = 20;
    settings.quota_groups[0].windows[0].limit = 60;
    manager.reload(settings).unwrap();
    let reloaded = manager.limiter("a").unwrap();
    assert!(!std::sync::Arc::ptr_eq(&limiter, &reloaded));
    assert_eq!(reloaded.quotas()[0].remaining(QuotaPeriod::Day), Some(96));
    assert_eq!(manager.quota_group("account").unwrap().remaining(QuotaPeriod::Day), Some(56));
    let after = reloaded.snapshot();
    assert_eq!((after.rate_per_sec, after.paused_for), (before.rate_per_sec, before.paused_for));
    let _ = clock;
}

#[test]
fn who_waits_in_a_limiter_that_is_replaced_waits_in_the_new_one() {
    let mut settings = config(&["a"]);
    settings.endpoints[0].limiter = LimiterConfig::fixed(0.1).burst(1);
    let (manager, _host, time, _clock) = manager(settings.clone());
    manager.fetch(&"x".to_owned()).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| manager.fetch(&"y".to_owned()).map(|fetched| fetched.rows.len()));
        eventually("it waits", || manager.health().endpoints[0].limiter.waiting == 1);
        settings.endpoints[0].limiter = LimiterConfig::fixed(1000.0).burst(10);
        manager.reload(settings).unwrap();
        // By the clock of the old limiter it would be ten seconds.
        let served = || eventually("it is served", || waiter.is_finished());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(served));
        time.advance(S(60));
        assert!(result.is_ok());
        assert_eq!(waiter.join().unwrap().unwrap(), 250);
    });
}
