//! Faults that a review found, each by the promise it broke.

use std::time::Duration;

use feedguard::Outcome;
use feedguard::clock::ManualClock;
use feedguard::router::{Budget, EndpointIndex, RouterPolicy};
use feedguard::{Clock, EndpointSpec, RouterConfig, SmartRouter};

const S: Duration = Duration::from_secs(1);
fn two(budget: f64) -> (SmartRouter, ManualClock) {
    let (clock, time) = Clock::manual();
    let config = RouterConfig::default().budgets(vec![Budget::new(budget, "units", 3600 * S)]);
    let eps = vec![EndpointSpec::named("a").price(1.0), EndpointSpec::named("b").price(1.0)];
    (SmartRouter::builder("router").config(config).endpoints(eps).clock(clock).build().unwrap(), time)
}
#[test]
fn a_budget_is_shared_by_all_endpoints_of_its_currency() {
    let (router, _t) = two(1.0);
    let _a = router.pick().unwrap();
    assert!(router.pick().is_err(), "the budget of 1 is spent");
}
#[test]
fn money_given_back_is_there_for_all() {
    let (router, _t) = two(2.0);
    let a = router.begin(EndpointIndex(0));
    let b = router.begin(EndpointIndex(1)); // budget full: both mirrored
    a.finish(Outcome::Success);
    b.finish(Outcome::Ignored); // 1 left
    // a was mirrored while 2 was spent: is it still held back?
    let route: Vec<_> = router.route(&[]).candidates().collect();
    assert_eq!(route.len(), 2, "route says both");
    let mut seen = [0; 2];
    for _ in 0..200 {
        let Ok(p) = router.pick() else { panic!("refused") };
        seen[p.endpoint().0] += 1;
        p.finish(Outcome::Ignored);
    }
    assert!(seen[0] > 20, "{seen:?}");
}
#[test]
fn a_new_rate_limit_applies_at_once() {
    let (clock, time) = Clock::manual();
    let router = SmartRouter::builder("router")
        .endpoints(vec![EndpointSpec::named("a").rate_limit(Some(0.001))])
        .clock(clock)
        .build()
        .unwrap();
    router.pick().unwrap().finish(Outcome::Success);
    time.advance(S);
    router.set_endpoints(vec![EndpointSpec::named("a")]).unwrap();
    assert!(router.pick().is_ok(), "no limit any more");
}
#[test]
fn a_call_of_an_older_list_gives_its_money_back() {
    let (router, _t) = two(1.0);
    let a = router.begin(EndpointIndex(0));
    router.set_endpoints(router.endpoints().to_vec()).unwrap();
    assert_eq!(a.finish(Outcome::Failure).charged, 0.0);
    assert!(router.pick().is_ok(), "nothing was spent");
}
#[test]
fn a_call_of_an_older_list_uses_its_free_call_up() {
    let (clock, _time) = Clock::manual();
    let router = SmartRouter::builder("router")
        .endpoints(vec![EndpointSpec::named("a").price(1.0).free_quota(1)])
        .clock(clock)
        .build()
        .unwrap();
    let a = router.pick().unwrap();
    router.set_endpoints(router.endpoints().to_vec()).unwrap();
    let first = a.finish(Outcome::Success).charged;
    let second = router.pick().unwrap().finish(Outcome::Success).charged;
    assert_eq!(first + second, 1.0, "two calls, one free");
}
#[test]
fn three_tenths_are_three_tenths() {
    let (clock, _time) = Clock::manual();
    let config = RouterConfig::default().budgets(vec![Budget::new(0.3, "units", 3600 * S)]);
    let router = SmartRouter::builder("router")
        .config(config)
        .endpoints(vec![EndpointSpec::named("a").price(0.1)])
        .clock(clock)
        .build()
        .unwrap();
    for _ in 0..3 {
        router.pick().unwrap().finish(Outcome::Success);
    }
}
#[test]
fn a_budget_period_begins_with_its_first_call() {
    let (clock, time) = Clock::manual();
    let day = 86_400 * S;
    let config = RouterConfig::default().budgets(vec![Budget::new(1.0, "units", 30 * day)]);
    let router = SmartRouter::builder("router")
        .config(config)
        .endpoints(vec![EndpointSpec::named("a").price(1.0)])
        .clock(clock)
        .build()
        .unwrap();
    router.pick().unwrap().finish(Outcome::Success);
    time.advance(20 * day);
    assert!(router.pick().is_err());
}
#[test]
fn picks_in_turn_are_in_turn() {
    let (clock, _time) = Clock::manual();
    let config = RouterConfig::default().policy(RouterPolicy::RoundRobin);
    let eps = vec![EndpointSpec::named("a"), EndpointSpec::named("b"), EndpointSpec::named("c")];
    let router = SmartRouter::builder("router").config(config).endpoints(eps).clock(clock).build().unwrap();
    for _ in 0..30 {
        router.pick().unwrap().finish(Outcome::Success);
    }
    let mut seen = [0; 3];
    for _ in 0..30 {
        let p = router.pick().unwrap();
        seen[p.endpoint().0] += 1;
        p.finish(Outcome::Success);
    }
    assert_eq!(seen, [10, 10, 10]);
}
#[test]
fn odd_shares_have_quantiles() {
    let (clock, time) = Clock::manual();
    let router = SmartRouter::builder("router").endpoints(vec![EndpointSpec::named("a")]).clock(clock).build().unwrap();
    let p = router.pick().unwrap();
    time.advance(S);
    p.finish(Outcome::Success);
    assert!(router.quantile(EndpointIndex(0), 1.5).unwrap() > S / 2);
}
#[test]
fn an_old_success_ends_no_ejection() {
    let (clock, _time) = Clock::manual();
    let router = SmartRouter::builder("router")
        .endpoints(vec![EndpointSpec::named("a"), EndpointSpec::named("b")])
        .clock(clock)
        .build()
        .unwrap();
    let a = EndpointIndex(0);
    let old = router.begin(a);
    for _ in 0..5 {
        router.begin(a).finish(Outcome::Failure);
    }
    assert!(router.snapshot().endpoints[0].ejected_for > Duration::ZERO);
    old.finish(Outcome::Success);
    assert!(router.snapshot().endpoints[0].ejected_for > Duration::ZERO, "still set aside");
}

#[test]
fn a_budget_holds_over_any_number_of_endpoints() {
    let (clock, _t) = Clock::manual();
    let config = RouterConfig::default().budgets(vec![Budget::new(1.0, "units", 3600 * S)]);
    let eps = (0..10).map(|n| EndpointSpec::named(n.to_string()).price(1.0)).collect();
    let router = SmartRouter::builder("router").config(config).endpoints(eps).clock(clock).build().unwrap();
    let mut spent = 0.0;
    for _ in 0..100 {
        if let Ok(p) = router.pick() {
            spent += p.finish(Outcome::Success).charged;
        }
    }
    assert_eq!(spent, 1.0);
}
