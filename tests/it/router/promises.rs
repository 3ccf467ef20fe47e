use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::clock::ManualClock;
use feedguard::router::{Availability, EndpointIndex, Exclusion, RouterPolicy};
use feedguard::{Clock, EndpointSpec, RouterConfig, SmartRouter};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

fn router(config: RouterConfig, endpoints: Vec<EndpointSpec>) -> (SmartRouter, ManualClock) {
    let (clock, time) = Clock::manual();
    (SmartRouter::builder("router").config(config).endpoints(endpoints).clock(clock).build().unwrap(), time)
}

fn named(names: &[&str]) -> Vec<EndpointSpec> {
    names.iter().map(|name| EndpointSpec::named(*name)).collect()
}

fn call(router: &SmartRouter, time: &ManualClock, endpoint: usize, latency: Duration, outcome: Outcome) {
    let ticket = router.begin(EndpointIndex(endpoint));
    time.advance(latency);
    ticket.finish(outcome);
}

fn best(router: &SmartRouter) -> usize {
    router.route(&[]).best().unwrap().0
}

#[test]
fn adaptive_prefers_the_faster_and_turns_away_from_failures() {
    let (router, time) = router(RouterConfig::default(), named(&["slow", "fast"]));
    for _ in 0..20 {
        call(&router, &time, 0, MS(200), Outcome::Success);
        call(&router, &time, 1, MS(20), Outcome::Success);
    }
    assert_eq!(best(&router), 1);
    for _ in 0..4 {
        call(&router, &time, 1, MS(1), Outcome::Failure);
    }
    assert_eq!(best(&router), 0, "fast failures must not look fast");
}

#[test]
fn price_counts_and_the_dial_moves_it() {
    let endpoints = || vec![EndpointSpec::named("free"), EndpointSpec::named("paid").price(1.0)];
    for (dial, expected) in [(0, 1), (50, 1), (200, 0), (1000, 0)] {
        let (router, time) = router(RouterConfig::default().price_weight(MS(dial)), endpoints());
        for _ in 0..20 {
            call(&router, &time, 0, MS(200), Outcome::Success);
            call(&router, &time, 1, MS(50), Outcome::Success);
        }
        assert_eq!(best(&router), expected, "price weight {dial} ms");
    }
}

#[test]
fn free_quota_is_charged_from_the_first_call_beyond_it() {
    let (router, time) = router(RouterConfig::default(), vec![EndpointSpec::named("m").price(2.0).free_quota(2)]);
    let charged: Vec<f64> = (0..4)
        .map(|_| {
            let ticket = router.begin(EndpointIndex(0));
            time.advance(MS(10));
            ticket.finish(Outcome::Success).charged
        })
        .collect();
    assert_eq!(charged.iter().sum::<f64>(), 4.0, "{charged:?}");
    assert_eq!((router.snapshot().endpoints[0].cost, router.snapshot().endpoints[0].free_quota_left), (4.0, 0));
}

#[test]
fn calls_under_way_do_not_use_up_the_free_quota_of_those_that_end() {
    let (router, _time) = router(RouterConfig::default(), vec![EndpointSpec::named("m").price(1.0).free_quota(10)]);
    let tickets: Vec<_> = (0..20).map(|_| router.begin(EndpointIndex(0))).collect();
    let charged: f64 = tickets.into_iter().map(|ticket| ticket.finish(Outcome::Success).charged).sum();
    assert_eq!((charged, router.snapshot().endpoints[0].cost), (10.0, 10.0));
}

#[test]
fn a_burst_of_failures_ejects_once() {
    let (router, _time) = router(RouterConfig::default().eject_after(3).eject_for(S(5)), named(&["a", "b"]));
    let tickets: Vec<_> = (0..30).map(|_| router.begin(EndpointIndex(0))).collect();
    for ticket in tickets {
        ticket.finish(Outcome::Failure);
    }
    assert!(about(router.snapshot().endpoints[0].ejected_for, S(5)));
}

/// An ejection is varied by a fifth.
fn about(time: Duration, expected: Duration) -> bool {
    time >= expected.mul_f64(0.79) && time <= expected.mul_f64(1.21)
}

#[test]
fn failures_in_a_row_eject_with_growing_time_and_never_the_last() {
    let config = RouterConfig::default().eject_after(3).eject_for(S(5));
    let (router, time) = router(config, named(&["a", "b"]));
    for _ in 0..3 {
        call(&router, &time, 0, MS(1), Outcome::Failure);
    }
    let decision = router.route(&[]);
    assert!(
        matches!(decision.explain()[1].exclusion, Some(Exclusion::Ejected { retry_after }) if about(retry_after, S(5)))
    );
    assert_eq!(decision.candidates().collect::<Vec<_>>(), [EndpointIndex(1)]);
    for _ in 0..3 {
        call(&router, &time, 1, MS(1), Outcome::Failure);
    }
    assert_eq!(router.route(&[]).candidates().count(), 2, "with everybody ejected, everybody is tried");
    time.advance(S(6));
    // The first failed call after it is enough, and calls that were under way then add nothing.
    let under_way = router.begin(EndpointIndex(0));
    call(&router, &time, 0, MS(1), Outcome::Failure);
    under_way.finish(Outcome::Failure);
    let ejected_for = router.snapshot().endpoints[0].ejected_for;
    assert!(about(ejected_for, S(10)));
    time.advance(ejected_for);
    for _ in 0..8 {
        call(&router, &time, 0, MS(1), Outcome::Success);
    }
    time.advance(S(61));
    for _ in 0..3 {
        call(&router, &time, 0, MS(1), Outcome::Failure);
    }
    assert!(about(router.snapshot().endpoints[0].ejected_for, S(5)), "a full recovery forgets the back-off");
}

#[test]
fn no_healthy_endpoint_is_a_typed_refusal_with_the_earliest_retry() {
    let (router, _time) = router(RouterConfig::default(), named(&["a", "b"]));
    let open = |seconds| Availability::new(Some(S(seconds)), Duration::ZERO);
    let refusal = router.route(&[open(30), open(7)]).best().unwrap_err();
    assert_eq!((refusal.endpoints, refusal.retry_after), (2, Some(S(7))));
    assert!(refusal.to_string().contains("7s"));
}

#[test]
fn round_robin_takes_turns_and_fastest_takes_the_lowest_median() {
    let (round, _time) = router(RouterConfig::default().policy(RouterPolicy::RoundRobin), named(&["a", "b", "c"]));
    let turns: Vec<usize> = (0..6).map(|_| best(&round)).collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    let (fastest, time) = router(RouterConfig::default().policy(RouterPolicy::Fastest), named(&["a", "b"]));
    call(&fastest, &time, 0, MS(20), Outcome::Success);
    call(&fastest, &time, 1, MS(10), Outcome::Success);
    assert_eq!(best(&fastest), 1);
}

#[test]
fn the_seed_score_explains_its_factors() {
    let (router, _time) = router(
        RouterConfig::default().policy(RouterPolicy::SeedScore),
        vec![EndpointSpec::named("paid").price(1.0), EndpointSpec::named("free").local(true)],
    );
    let decision = router.route(&[]);
    let first = decision.explain()[0];
    assert_eq!(first.endpoint, EndpointIndex(1));
    assert_eq!((first.terms.price, first.terms.location, first.terms.load), (1.5, 1.1, 1.0));
}

#[test]
fn threads_picking_at_one_instant_spread_over_equal_endpoints() {
    let (router, _time) = router(RouterConfig::default(), named(&["a", "b", "c", "d"]));
    let picks = Mutex::new(HashMap::new());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let endpoint = router.route(&[]).best().unwrap();
                let ticket = router.begin(endpoint);
                *picks.lock().unwrap().entry(endpoint.0).or_insert(0) += 1;
                // Kept in flight until all have picked.
                std::mem::forget(ticket);
            });
        }
    });
    let picks = picks.into_inner().unwrap();
    assert_eq!(picks.len(), 4, "{picks:?}");
}

#[test]
fn a_dropped_ticket_is_no_call_and_no_load() {
    let (router, _time) = router(RouterConfig::default(), named(&["a"]));
    let ticket = router.begin(EndpointIndex(0));
    assert_eq!(router.snapshot().endpoints[0].in_flight, 1);
    drop(ticket);
    let endpoint = &router.snapshot().endpoints[0];
    assert_eq!((endpoint.in_flight, endpoint.calls), (0, 0));
}

#[test]
fn equal_seeds_decide_equally() {
    let run = |seed| {
        let (router, time) = router(RouterConfig::default().seed(seed), named(&["a", "b", "c"]));
        (0..50)
            .map(|_| {
                let endpoint = best(&router);
                call(&router, &time, endpoint, MS(10), Outcome::Success);
                endpoint
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert!((2..20).any(|seed| run(seed) != run(1)));
}

#[test]
fn endpoints_change_at_run_time_and_old_tickets_touch_no_new_statistics() {
    let (router, time) = router(RouterConfig::default(), named(&["a", "b"]));
    call(&router, &time, 1, MS(30), Outcome::Success);
    let old = router.begin(EndpointIndex(0));
    router.set_endpoints(named(&["b", "c"])).unwrap();
    old.finish(Outcome::Failure);
    let snapshot = router.snapshot();
    assert_eq!(
        (snapshot.endpoints[0].calls, snapshot.endpoints[0].p50.as_millis() / 10),
        (1, 3),
        "b keeps its statistics"
    );
    assert_eq!((snapshot.endpoints[1].calls, snapshot.endpoints[1].in_flight), (0, 0));
    assert!(router.set_endpoints(named(&["x", "x"])).is_err());
    assert_eq!(router.endpoints().len(), 2, "a refused list changes nothing");
}

#[test]
fn jumps_of_the_clock_do_not_panic_or_poison_scores() {
    let (router, time) = router(RouterConfig::default(), named(&["a", "b"]));
    call(&router, &time, 0, S(10 * 365 * 24 * 3600), Outcome::Success);
    call(&router, &time, 1, Duration::MAX, Outcome::Failure);
    let decision = router.route(&[]);
    assert!(decision.explain().iter().all(|candidate| candidate.terms.total.is_finite()));
}

#[test]
fn sixty_four_threads_never_overspend_a_free_quota() {
    let endpoints =
        vec![EndpointSpec::named("free").price(1.0).free_quota(100), EndpointSpec::named("paid").price(1.0)];
    let (router, _time) = router(RouterConfig::default(), endpoints);
    let charged = Mutex::new((0, 0.0));
    thread::scope(|scope| {
        for seed in 0..64 {
            let (router, charged) = (&router, &charged);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                for _ in 0..20 {
                    let call = router.begin(EndpointIndex(0));
                    if rng.u8(0..4) == 0 {
                        drop(call);
                        continue;
                    }
                    let settled = call.finish(Outcome::Success);
                    let mut charged = charged.lock().unwrap();
                    *charged = (charged.0 + 1, charged.1 + settled.charged);
                }
            });
        }
    });
    let (made, cost) = *charged.lock().unwrap();
    let endpoint = &router.snapshot().endpoints[0];
    assert!(f64::from(made) - cost <= 100.0, "{made} made, {cost} charged");
    assert_eq!((endpoint.in_flight, endpoint.cost), (0, cost));
    assert_eq!(made - 100 + i32::try_from(endpoint.free_quota_left).unwrap(), cost as i32);
}

#[test]
fn a_pick_counts_at_once_so_that_threads_spread() {
    let names: Vec<String> = (0..8).map(|n| format!("e{n}")).collect();
    let (router, _time) =
        router(RouterConfig::default(), names.iter().map(|name| EndpointSpec::named(name.as_str())).collect());
    let tickets = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let ticket = router.pick().unwrap();
                tickets.lock().unwrap().push(ticket);
            });
        }
    });
    let mut counts = [0; 8];
    for ticket in tickets.lock().unwrap().iter() {
        counts[ticket.endpoint().0] += 1;
    }
    assert!(counts.iter().all(|count| (4..=12).contains(count)), "{counts:?}");
}

#[test]
fn a_budget_in_the_configuration_sends_calls_to_the_free_endpoint() {
    let budget = feedguard::router::Budget::new(2.0, "units", S(3600));
    let endpoints = vec![EndpointSpec::named("slow and free"), EndpointSpec::named("paid").price(1.0)];
    let (router, time) = router(RouterConfig::default().price_weight(MS(0)).budgets(vec![budget]), endpoints);
    let mut picked = Vec::new();
    for _ in 0..10 {
        let call = router.pick().unwrap();
        picked.push(call.endpoint().0);
        time.advance(if call.endpoint().0 == 0 { MS(500) } else { MS(10) });
        call.finish(Outcome::Success);
    }
    assert_eq!(picked.iter().filter(|index| **index == 1).count(), 2, "{picked:?}");
    let exclusion = router.route(&[]).explain().iter().find_map(|candidate| candidate.exclusion).unwrap();
    assert!(matches!(exclusion, Exclusion::OverBudget { .. }) && exclusion.retry_after() > Some(S(3000)));
}

#[test]
fn a_shadow_policy_is_counted_and_decides_nothing() {
    let endpoints = || named(&["a", "b"]);
    let (plain, _) = router(RouterConfig::default(), endpoints());
    let (shadowed, time) = router(RouterConfig::default().shadow(Some(RouterPolicy::RoundRobin)), endpoints());
    for _ in 0..50 {
        call(&plain, &time, best(&plain), MS(20), Outcome::Success);
        call(&shadowed, &time, best(&shadowed), MS(20), Outcome::Success);
    }
    let counts = shadowed.snapshot().shadow.unwrap();
    assert_eq!(counts.decisions, 50);
    assert!(counts.agreed > 0 && counts.agreed < 50, "{counts:?}");
    assert!(counts.regret >= 0.0, "the best by its own measure: {counts:?}");
    assert_eq!(plain.snapshot().shadow, None);
}

#[test]
fn a_decision_prints_a_line_an_endpoint() {
    let (router, time) = router(RouterConfig::default().eject_after(1), named(&["good", "bad"]));
    call(&router, &time, 0, MS(20), Outcome::Success);
    call(&router, &time, 1, MS(20), Outcome::Failure);
    let text = router.route(&[]).to_string();
    assert!(
        text.starts_with("1. good: 0.0") && text.contains("\n2. bad: ") && text.contains("set aside: ejected for"),
        "{text}"
    );
}

#[test]
fn a_pick_is_compared_by_the_shadow_as_a_ranking_is() {
    let config = || RouterConfig::default().shadow(Some(RouterPolicy::Fastest));
    let (router, time) = router(config(), vec![EndpointSpec::named("cheap"), EndpointSpec::named("fast").price(5.0)]);
    for _ in 0..20 {
        call(&router, &time, 0, MS(100), Outcome::Success);
        call(&router, &time, 1, MS(10), Outcome::Success);
    }
    for _ in 0..10 {
        router.pick().unwrap().finish(Outcome::Ignored);
    }
    let counts = router.snapshot().shadow.unwrap();
    assert_eq!((counts.decisions, counts.agreed), (10, 0), "the cheap one is picked, the other is faster");
    let a_pick = counts.regret / 10.0;
    assert!(a_pick > 0.6, "it would cost that much more: {a_pick}");
    router.route(&[]);
    let counts = router.snapshot().shadow.unwrap();
    assert_eq!((counts.decisions, counts.agreed), (11, 0));
    assert!((counts.regret / 11.0 - a_pick).abs() < 1e-3, "a ranking is measured alike");
}

#[test]
fn an_explanation_changes_nothing() {
    for policy in [RouterPolicy::Adaptive, RouterPolicy::SeedScore, RouterPolicy::Fastest, RouterPolicy::RoundRobin] {
        let run = |explains: bool| {
            let config = RouterConfig::default().policy(policy).shadow(Some(RouterPolicy::RoundRobin));
            let (router, time) = router(config, named(&["a", "b", "c"]));
            let mut seen = Vec::new();
            for n in 0..200 {
                if explains {
                    for _ in 0..3 {
                        assert_eq!(router.explain(0, &[]).explain().len(), 3);
                    }
                }
                let ticket = if n % 3 == 0 {
                    let decision = router.route(&[]);
                    router.try_begin_ranked(&decision, decision.best().unwrap()).unwrap()
                } else {
                    router.pick().unwrap()
                };
                seen.push(ticket.endpoint().0);
                time.advance(MS(20 + 5 * (n % 7)));
                ticket.finish(if n % 11 == 0 { Outcome::Failure } else { Outcome::Success });
            }
            (seen, router.snapshot())
        };
        assert_eq!(run(false), run(true), "{policy:?}");
    }
}

#[test]
fn a_new_price_does_not_rewrite_what_was_spent() {
    let (router, _time) = router(RouterConfig::default(), vec![EndpointSpec::named("m").price(2.0)]);
    let pay = || router.begin(EndpointIndex(0)).finish(Outcome::Success).charged;
    pay();
    pay();
    router.set_endpoints(vec![EndpointSpec::named("m").price(7.0)]).unwrap();
    assert_eq!(router.snapshot().endpoints[0].cost, 4.0);
    assert_eq!((pay(), router.snapshot().endpoints[0].cost), (7.0, 11.0));
}

#[test]
fn a_location_is_a_time_or_a_share() {
    let location = |config: RouterConfig| {
        let (router, time) = router(config, vec![EndpointSpec::named("here").local(true), EndpointSpec::named("far")]);
        for _ in 0..50 {
            call(&router, &time, 0, MS(100), Outcome::Success);
            call(&router, &time, 1, MS(100), Outcome::Success);
        }
        let decision = router.explain(0, &[]);
        let far = decision.explain().iter().find(|candidate| candidate.endpoint.0 == 1).unwrap().terms;
        (best(&router), far.location)
    };
    assert_eq!(location(RouterConfig::default().remote_penalty(MS(30))), (0, 0.03));
    let (chosen, bonus) = location(RouterConfig::default().remote_penalty(MS(0)).remote_share(0.1));
    assert!(chosen == 0 && (0.0099..0.011).contains(&bonus), "a tenth of 100 ms and of what they vary: {bonus}");
}

#[test]
fn a_split_sends_its_share_by_its_policy_and_compares_both() {
    let split = feedguard::router::Split::new(RouterPolicy::Fastest, 0.25);
    let endpoints = vec![EndpointSpec::named("cheap"), EndpointSpec::named("fast").price(5.0)];
    let (router, time) = router(RouterConfig::default().split(Some(split)), endpoints);
    for n in 0..4_000 {
        let ticket = if n % 2 == 0 {
            router.pick().unwrap()
        } else {
            let decision = router.route(&[]);
            router.try_begin_ranked(&decision, decision.best().unwrap()).unwrap()
        };
        time.advance(if ticket.endpoint().0 == 0 { MS(100) } else { MS(10) });
        ticket.finish(if n % 100 == 0 { Outcome::Failure } else { Outcome::Success });
    }
    let [own, other] = router.snapshot().arms.unwrap();
    assert_eq!((own.policy, other.policy), (RouterPolicy::Adaptive, RouterPolicy::Fastest));
    assert_eq!((own.calls + other.calls, own.successes + other.successes), (4_000, 3_960));
    assert!((800..1200).contains(&other.calls), "{other:?}");
    assert!(own.p95 > MS(80) && own.mean > MS(90) && own.cost < 100.0, "{own:?}");
    assert!(other.p95 < MS(80) && other.mean < MS(40) && other.cost > 3_000.0, "{other:?}");
    assert_eq!(own.cost + other.cost, router.snapshot().endpoints[1].cost);
}

#[test]
fn round_robin_takes_turns_with_both_doors_mixed() {
    let (router, _time) = router(RouterConfig::default().policy(RouterPolicy::RoundRobin), named(&["a", "b", "c"]));
    for _ in 0..30 {
        router.pick().unwrap().finish(Outcome::Success);
    }
    let turns: Vec<usize> = (0..9)
        .map(|n| {
            let ticket = if n % 2 == 0 { router.pick().unwrap() } else { router.begin(EndpointIndex(best(&router))) };
            let endpoint = ticket.endpoint().0;
            ticket.finish(Outcome::Success);
            endpoint
        })
        .collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

/// What was logged, as text.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines that `run` logs.
    fn of(run: impl FnOnce()) -> Vec<String> {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, run);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_storm_of_refusals_or_last_resorts_is_one_line_a_second_with_its_count() {
    for (fail_closed, text) in [(true, "no endpoint can be called"), (false, "no endpoint is healthy")] {
        for by_ranking in [true, false] {
            let (router, time) = router(RouterConfig::default().fail_closed(fail_closed), named(&["a", "b"]));
            for endpoint in [0, 1] {
                for _ in 0..5 {
                    call(&router, &time, endpoint, MS(1), Outcome::Failure);
                }
            }
            let lines = Log::of(|| {
                for n in 0..1_500 {
                    if by_ranking {
                        let decision = router.route(&[]);
                        assert_eq!(decision.best().is_err(), fail_closed);
                    } else if let Ok(ticket) = router.pick() {
                        ticket.finish(Outcome::Ignored);
                    }
                    if n == 999 {
                        time.advance(MS(1_000));
                    }
                }
            });
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines.iter().all(|line| line.contains(text) && line.contains("router")), "{lines:?}");
            assert!(lines[0].contains("=1 ") && lines[1].contains("=1000 "), "{lines:?}");
        }
    }
}
