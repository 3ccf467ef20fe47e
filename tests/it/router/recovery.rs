//! Outages, absurd samples and failures, and how soon they are forgotten.

use std::time::Duration;

use super::world::{Called, Source, World, around, failing, out_between, ratio, share};
use feedguard::router::{EndpointIndex, RouterPolicy};
use feedguard::{EndpointSpec, Outcome, RouterConfig};

fn equals() -> Vec<EndpointSpec> {
    vec![EndpointSpec::named("a"), EndpointSpec::named("b")]
}

/// The calls of some worlds of two endpoints that are alike but for their seeds.
fn worlds(source: impl Fn() -> Vec<Source>, a_second: f64, seconds: f64) -> Vec<Vec<Called>> {
    (0..8).map(|seed| World::new(RouterConfig::default(), equals(), source(), seed).run(a_second, seconds)).collect()
}

fn mean_share(worlds: &[Vec<Called>], endpoint: usize, from: f64, to: f64) -> f64 {
    worlds.iter().map(|calls| share(calls, endpoint, from, to)).sum::<f64>() / worlds.len() as f64
}

#[test]
fn an_endpoint_that_is_back_has_its_share_within_half_a_minute_however_long_it_was_away() {
    for (a_second, outage) in [(20.0, 60.0), (20.0, 300.0), (20.0, 3600.0), (60.0, 60.0), (60.0, 300.0), (300.0, 60.0)]
    {
        let end = 60.0 + outage;
        let worlds = worlds(|| vec![out_between(50.0, vec![(60.0, end)]), failing(50.0, 0.0)], a_second, end + 60.0);
        let back = mean_share(&worlds, 0, end + 30.0, end + 60.0);
        assert!(back >= 0.4, "{back} half a minute after {outage} s at {a_second} calls/s");
        for calls in &worlds {
            let first = calls.iter().find(|call| call.endpoint == 0 && call.at >= end).map(|call| call.at - end);
            assert!(first.is_some_and(|first| first <= 15.0), "{first:?} after {outage} s at {a_second} calls/s");
            let asked_in_vain = share(calls, 0, 62.0, end);
            assert!(asked_in_vain <= 0.03, "{asked_in_vain} of the calls in {outage} s at {a_second} calls/s");
        }
    }
}

#[test]
fn one_absurd_sample_is_forgotten_in_a_minute() {
    for (a_second, at) in [(20.0, 0.0), (20.0, 300.0), (1.0, 300.0)] {
        let absurd = || -> Source {
            Box::new(move |now, rng| {
                let is_absurd = (now - at).abs() < 0.5 / a_second;
                (if is_absurd { Duration::from_secs(3600) } else { around(50.0, 0.3, rng) }, true)
            })
        };
        // It ends when its hour is over.
        let (from, to) = (at + 3660.0, at + 3720.0);
        let worlds = worlds(|| vec![absurd(), failing(50.0, 0.0)], a_second, to);
        let back = mean_share(&worlds, 0, from, to);
        assert!(back >= 0.4, "{back} a minute after an hour's sample at {at} s, {a_second} calls/s");
    }
}

#[test]
fn a_failure_of_yesterday_weighs_nothing_today() {
    let mut world = World::new(RouterConfig::default(), equals(), vec![failing(50.0, 0.0), failing(50.0, 0.0)], 0);
    world.run(20.0, 60.0);
    for _ in 0..4 {
        world.router.begin(EndpointIndex(0)).finish(Outcome::Failure);
    }
    let failure = |world: &World| {
        let decision = world.router.explain(0, &[]);
        decision.explain().iter().find(|candidate| candidate.endpoint.0 == 0).unwrap().terms.failure
    };
    assert!(failure(&world) > 0.1);
    world.rest(24.0 * 3600.0);
    assert_eq!(failure(&world), 0.0);
}

#[test]
fn of_those_that_fail_the_one_that_fails_least_is_asked() {
    for (a_second, worse, better) in [(20.0, 1.0, 0.3), (1.0, 1.0, 0.3), (20.0, 1.0, 0.9), (20.0, 0.9, 0.3)] {
        let worlds = worlds(|| vec![failing(5.0, worse), failing(50.0, better)], a_second, 1200.0);
        let right = mean_share(&worlds, 1, 60.0, 1200.0);
        assert!(right >= 0.9, "{right} to the one that fails {better} beside {worse}, {a_second} calls/s");
    }
}

#[test]
fn when_all_are_ejected_the_least_bad_is_asked_or_nobody() {
    for (config, expected) in [
        (RouterConfig::default(), Some(1)),
        (RouterConfig::default().fail_closed(true), None),
        (RouterConfig::default().policy(RouterPolicy::SeedScore), None),
        (RouterConfig::default().policy(RouterPolicy::RoundRobin), Some(0)),
    ] {
        let policy = config.policy;
        let world = World::new(config.eject_after(5), equals(), vec![failing(50.0, 0.0), failing(50.0, 0.0)], 0);
        for index in 0..2 {
            for n in 0..40 {
                // The second one has answered half of the calls before its last five.
                let outcome = if index == 1 && n < 35 && n % 2 == 0 { Outcome::Success } else { Outcome::Failure };
                world.router.begin(EndpointIndex(index)).finish(outcome);
            }
        }
        assert!(world.router.snapshot().endpoints.iter().all(|of| of.ejected_for > Duration::ZERO));
        let picked = world.router.pick();
        let routed = world.router.route(&[]);
        if let Some(expected) = expected {
            assert_eq!(picked.unwrap().endpoint().0, expected, "{policy:?}");
            assert!(routed.explain()[0].readmitted.is_some(), "{policy:?}");
        } else {
            let refusal = picked.unwrap_err();
            let soonest = refusal.retry_after.unwrap();
            assert!(soonest > Duration::ZERO && soonest <= Duration::from_secs(4), "{policy:?}: {soonest:?}");
            assert_eq!(routed.best().unwrap_err(), refusal, "{policy:?}");
        }
    }
}

#[test]
fn a_pair_that_flaps_in_turn_is_followed() {
    let spans = |from: f64| (0..60).map(|n| (from + 20.0 * f64::from(n), from + 20.0 * f64::from(n) + 10.0)).collect();
    let pair = || vec![out_between(50.0, spans(0.0)), out_between(50.0, spans(10.0))];
    for calls in worlds(pair, 20.0, 1200.0) {
        let good = ratio(&calls, |call| call.ok);
        assert!(good >= 0.97, "{good}");
    }
    let beside = || vec![out_between(50.0, spans(0.0)), failing(60.0, 0.0)];
    for calls in worlds(beside, 20.0, 1200.0) {
        let good = ratio(&calls, |call| call.ok);
        assert!(good >= 0.99, "{good} beside a steady one");
    }
}

#[test]
fn calls_that_hang_do_not_keep_an_endpoint_out() {
    let mut world = World::new(RouterConfig::default(), equals(), vec![failing(50.0, 0.0), failing(60.0, 0.0)], 0);
    world.run(20.0, 30.0);
    // Eight hang for ever, the rest fail at once: it is ejected, and then it is back.
    for _ in 0..8 {
        std::mem::forget(world.router.begin(EndpointIndex(0)));
    }
    for _ in 0..5 {
        world.router.begin(EndpointIndex(0)).finish(Outcome::Failure);
    }
    let calls = world.run(20.0, 60.0);
    assert!(share(&calls, 0, 60.0, 90.0) > 0.3, "{}", share(&calls, 0, 60.0, 90.0));
}
