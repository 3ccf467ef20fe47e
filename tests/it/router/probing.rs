//! Probes know price, traffic and history.

use super::world::{Source, World, around, failing, out_between, ratio, share};
use feedguard::router::{Availability, EndpointIndex, Exclusion};
use feedguard::{EndpointSpec, Outcome, RouterConfig};

fn named(name: &str, price: f64) -> EndpointSpec {
    EndpointSpec::named(name).price(price)
}

fn world(endpoints: Vec<EndpointSpec>, sources: Vec<Source>, seed: u64) -> World {
    World::new(RouterConfig::default(), endpoints, sources, seed)
}

#[test]
fn who_could_not_be_better_at_its_price_is_not_probed() {
    for seed in 0..4 {
        let endpoints = vec![named("free", 0.0), named("paid", 10.0)];
        let mut world = world(endpoints, vec![failing(300.0, 0.0), failing(50.0, 0.0)], seed);
        let calls = world.run(1.0, 24.0 * 3600.0);
        assert_eq!(calls.iter().filter(|call| call.endpoint == 1).count(), 0);
        assert_eq!(world.router.snapshot().endpoints[1].cost, 0.0);
    }
}

#[test]
fn who_could_is_probed_for_no_more_than_a_fiftieth_of_the_money() {
    for seed in 0..8 {
        let endpoints = vec![named("cheap", 0.1), named("dear", 0.3)];
        let mut world = world(endpoints, vec![failing(60.0, 0.0), failing(300.0, 0.0)], seed);
        world.run(1.0, 6.0 * 3600.0);
        let [cheap, dear] = [0, 1].map(|at| world.router.snapshot().endpoints[at].cost);
        assert!(dear > 0.0 && dear <= 0.02 * (cheap + dear), "{dear} beside {cheap}");
    }
}

#[test]
fn all_probes_together_are_at_most_a_twentieth_of_the_calls() {
    for a_second in [1.0, 20.0, 300.0] {
        let mut endpoints = vec![named("good", 0.0)];
        let mut sources = vec![failing(50.0, 0.0)];
        for n in 0..10 {
            endpoints.push(named(&format!("bad {n}"), 0.0));
            sources.push(if n % 2 == 0 { failing(400.0, 0.0) } else { failing(5.0, 1.0) });
        }
        let calls = world(endpoints, sources, 1).run(a_second, 3600.0);
        let probes = ratio(&calls, |call| call.endpoint != 0);
        assert!(probes <= 0.05, "{probes} at {a_second} calls/s");
        let asked = |endpoint: usize| calls.iter().any(|call| call.endpoint == endpoint);
        assert!((0..11).all(asked), "every one is tried");
    }
}

#[test]
fn one_call_a_minute_finds_the_better_of_two_in_an_hour() {
    for seed in 0..8 {
        // It is worse for 50 minutes, and better from then on.
        let first: Source = Box::new(|_, rng| (around(300.0, 0.1, rng), true));
        let second: Source = Box::new(|at, rng| (around(if at < 3000.0 { 600.0 } else { 50.0 }, 0.1, rng), true));
        let endpoints = vec![named("a", 0.0), named("b", 0.0)];
        let calls = world(endpoints, vec![first, second], seed).run(1.0 / 60.0, 4.0 * 3600.0);
        let before = calls.iter().filter(|call| call.endpoint == 1 && call.at < 3000.0).count();
        assert!(before <= 3, "{before} of 50 while it is worse");
        let after = share(&calls, 1, 3000.0 + 3600.0, 4.0 * 3600.0);
        assert!(after >= 0.9, "{after} an hour after it has become better");
    }
}

#[test]
fn a_paid_endpoint_that_was_away_for_an_hour_is_found_again_though_nothing_was_spent() {
    for seed in 0..4 {
        let endpoints = vec![named("paid", 0.5), named("free", 0.0)];
        let sources = vec![out_between(50.0, vec![(3600.0, 7200.0)]), failing(400.0, 0.0)];
        let calls = world(endpoints, sources, seed).run(1.0, 7500.0);
        assert!(share(&calls, 0, 60.0, 3600.0) > 0.9, "before");
        assert!(share(&calls, 0, 3620.0, 7200.0) <= 0.05, "while it is away");
        assert!(share(&calls, 0, 7300.0, 7500.0) > 0.9, "after");
    }
}

/// One call of 50 ms to the first endpoint; the other one is new.
fn call_first(world: &World) {
    let ticket = world.router.begin(EndpointIndex(0));
    world.rest(0.05);
    ticket.finish(Outcome::Success);
}

#[test]
fn a_probe_goes_first_in_a_ranking_and_to_one_of_those_who_were_told() {
    let endpoints = vec![named("a", 0.0), named("b", 0.0)];
    let world = world(endpoints, vec![failing(50.0, 0.0), failing(50.0, 0.0)], 0);
    call_first(&world);
    let router = &world.router;
    let (first, second) = (router.route(&[]), router.route(&[]));
    let probe = first.explain()[0];
    assert!(probe.is_probe && probe.endpoint == EndpointIndex(1) && second.explain()[0] == probe, "{first}");
    assert!(first.to_string().contains("a probe"), "{first}");
    let ticket = router.try_begin_ranked(&first, probe.endpoint).unwrap();
    assert_eq!(router.try_begin_ranked(&second, probe.endpoint).unwrap_err(), Exclusion::Probing);
    let next = second.candidates().nth(1).unwrap();
    assert!(router.try_begin_ranked(&second, next).is_ok(), "the next in the list");
    assert!(!router.route(&[]).explain()[0].is_probe, "one at a time");
    drop(ticket);
    let nobody = router.route(&[Availability::excluded(), Availability::excluded()]);
    assert_eq!(router.try_begin_ranked(&nobody, EndpointIndex(0)).unwrap_err(), Exclusion::Replaced);
}

#[test]
fn a_probe_whose_end_nobody_tells_is_repeated_after_its_lease() {
    let endpoints = vec![named("a", 0.0), named("b", 0.0)];
    let mut world = world(endpoints, vec![failing(50.0, 0.0), failing(30.0, 0.0)], 0);
    call_first(&world);
    let decision = world.router.route(&[]);
    assert!(decision.explain()[0].is_probe);
    std::mem::forget(world.router.try_begin_ranked(&decision, EndpointIndex(1)).unwrap());
    let calls = world.run(20.0, 300.0);
    assert!(share(&calls, 1, 240.0, 300.0) > 0.9, "{}", share(&calls, 1, 240.0, 300.0));
}
