//! One free call left, many threads: one takes it, the others go elsewhere or wait.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use feedguard::limiter::{QuotaPeriod, QuotaWindow};
use feedguard::manager::RefusalReason;
use feedguard::retry::RetryConfig;
use feedguard::router::{Budget, Exclusion};
use feedguard::{EndpointSpec, FetchErrorKind, LimiterConfig, ManagerConfig, RouterConfig};

use super::host::{BarsHost, Driver, MS, S, config, endpoints, manager};

/// 64 threads fetch 64 requests at one moment; how many calls each endpoint had.
fn rush(config: ManagerConfig) -> (usize, usize, f64) {
    let (manager, host, _time, _clock) = manager(config);
    // An old friend may have many calls at once.
    for n in 0..10 {
        manager.fetch_with(&format!("warm {n}"), &feedguard::manager::FetchOptions::new().only("b")).unwrap();
    }
    let (start, mut ok) = (Barrier::new(64), 0);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n| {
                let (manager, start) = (&manager, &start);
                scope.spawn(move || {
                    start.wait();
                    manager.fetch(&n.to_string()).is_ok()
                })
            })
            .collect();
        ok = threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum();
    });
    (ok, host.calls("a"), manager.health().endpoints[0].router.cost)
}

/// `a` is the first choice; both are old friends, so that ramps do not matter.
fn two(change: impl Fn(EndpointSpec) -> EndpointSpec) -> ManagerConfig {
    let mut config = config(&["a", "b"]).router(RouterConfig::default().price_weight(S(1)));
    config.endpoints[0].spec = change(config.endpoints[0].spec.clone().concurrency(1000));
    config.endpoints[1].spec = config.endpoints[1].spec.clone().price(5.0).concurrency(1000);
    config
}

#[test]
fn a_free_quota_of_one_is_taken_once() {
    for _ in 0..20 {
        // Beyond its free call `a` is dearer than `b`.
        let (ok, a, cost) = rush(two(|spec| spec.price(50.0).free_quota(1)));
        assert_eq!(ok, 64);
        assert_eq!(cost, 50.0 * (a as f64 - 1.0), "one call was free");
        assert!(a <= 2, "the others went elsewhere: {a}");
    }
}

#[test]
fn a_budget_for_one_call_is_spent_once() {
    for _ in 0..20 {
        let mut config = two(|spec| spec.price(1.0));
        config.endpoints[1].spec = config.endpoints[1].spec.clone().price(0.0);
        let budget = Budget::new(1.0, "units", S(3600));
        let (ok, a, _cost) = rush(config.router(RouterConfig::default().price_weight(MS(0)).budgets(vec![budget])));
        assert!(ok == 64 && a <= 1, "{a} calls of 1.0 on a budget of 1.0");
    }
}

#[test]
fn a_calendar_quota_of_one_is_taken_once() {
    for _ in 0..20 {
        let mut config = two(|spec| spec);
        let day = vec![QuotaWindow::new(1, QuotaPeriod::Day)];
        config.endpoints[0].limiter = LimiterConfig::fixed(1000.0).burst(1000).quotas(day);
        let (ok, a, _cost) = rush(config);
        assert_eq!((ok, a), (64, 1));
    }
}

#[test]
fn a_known_rate_limit_is_kept_and_waited_for() {
    let mut config = config(&["a"]);
    config.endpoints[0].spec = config.endpoints[0].spec.clone().rate_limit(Some(2.0));
    let (manager, _host, time, clock) = manager(config.fetch_timeout(S(30)));
    let driver = Driver::start(&time, MS(5));
    let started = clock.now();
    thread::scope(|scope| {
        for n in 0..8 {
            let manager = &manager;
            scope.spawn(move || manager.fetch(&n.to_string()).unwrap());
        }
    });
    drop(driver);
    let took = clock.now().since(started);
    assert!(took >= S(3), "eight calls at two a second, one saved up: {took:?}");
}

#[test]
fn a_price_above_the_whole_budget_is_refused_without_a_retry_time() {
    let budget = Budget::new(1.0, "units", S(3600));
    let mut config = config(&["a"]).router(RouterConfig::default().budgets(vec![budget]));
    config.endpoints[0].spec = config.endpoints[0].spec.clone().price(2.0);
    let (manager, host, _time, _clock) = manager(config);
    let error = manager.fetch(&"x".to_owned()).unwrap_err();
    let FetchErrorKind::NoEndpoint { refusals } = error.kind() else { panic!("{error}") };
    assert_eq!(refusals[0].reason, RefusalReason::Router(Exclusion::OverBudget { retry_after: None }));
    assert_eq!((error.retry_after(), host.calls("a")), (None, 0));
    assert!(error.to_string().contains("above the whole budget"), "{error}");
}

#[test]
fn places_are_hard_and_those_who_find_none_go_elsewhere() {
    let mut config = config(&["a", "b"]).retry(RetryConfig::off());
    config.endpoints[0].spec = config.endpoints[0].spec.clone().max_in_flight(Some(1));
    let (manager, host, _time, _clock) = manager(config);
    for n in 0..8 {
        manager.fetch(&format!("warm {n}")).unwrap();
    }
    let gate = host.gate("a");
    thread::scope(|scope| {
        let first = scope.spawn(|| manager.fetch(&"first".to_owned()).unwrap());
        gate.await_arrivals(1);
        for n in 0..8 {
            assert_eq!(&**manager.fetch(&n.to_string()).unwrap().endpoint(), "b");
        }
        gate.open();
        assert_eq!(&**first.join().unwrap().endpoint(), "a");
    });
}

#[test]
fn a_half_open_breaker_whose_probes_are_taken_costs_nobody_a_token() {
    let mut settings = config(&["a"]).retry(RetryConfig::off());
    settings.endpoints[0].breaker = feedguard::BreakerConfig::free().half_open_permits(1);
    settings.endpoints[0].limiter = LimiterConfig::fixed(10.0).burst(100);
    let (manager, host, time, _clock) = manager(settings);
    host.set("a", |_, _| Err(std::io::Error::other("down")));
    for n in 0..3 {
        drop(manager.fetch(&n.to_string()));
    }
    time.advance(S(61));
    let gate = host.gate("a");
    thread::scope(|scope| {
        let probe = scope.spawn(|| manager.fetch(&"probe".to_owned()).unwrap());
        gate.await_arrivals(1);
        let granted = manager.health().endpoints[0].limiter.granted;
        for n in 10..20 {
            let error = manager.fetch(&n.to_string()).unwrap_err();
            let retry = error.retry_after().unwrap();
            assert!(retry > Duration::ZERO && retry <= S(1), "not the lease of the probe: {retry:?}");
        }
        assert_eq!(manager.health().endpoints[0].limiter.granted, granted);
        gate.open();
        probe.join().unwrap();
    });
    let _: (&BarsHost, Vec<feedguard::EndpointConfig>) = (&host, endpoints(&[]));
}

#[test]
fn a_crowd_without_threads_costs_no_tokens() {
    use feedguard::limiter::{QuotaPeriod, QuotaWindow};
    let mut settings = config(&["a"]).calls(feedguard::manager::CallsConfig::default().max_threads(1));
    settings.endpoints[0].limiter = LimiterConfig::fixed(1000.0).burst(100);
    settings.endpoints[0].limiter.quotas = vec![QuotaWindow::new(1000, QuotaPeriod::Day)];
    let (manager, host, time, _clock) = manager(settings);
    let gate = host.gate("a");
    thread::scope(|scope| {
        for n in 0..8 {
            let manager = &manager;
            scope.spawn(move || manager.fetch(&n.to_string()).unwrap());
        }
        gate.await_arrivals(1);
        let tries = || manager.health().endpoints[0].limiter.granted;
        (0..100).for_each(|_| {
            time.advance(Duration::from_millis(60));
            thread::yield_now();
        });
        assert_eq!(tries(), 1, "those without a thread take none");
        gate.open();
        let _driver = super::host::Driver::start(&time, Duration::from_millis(10));
        crate::support::eventually("all are served", || host.calls("a") == 8);
    });
    let limiter = manager.limiter("a").unwrap();
    assert_eq!(limiter.quotas()[0].remaining(QuotaPeriod::Day), Some(1000 - 8), "one a call, none a try");
}
