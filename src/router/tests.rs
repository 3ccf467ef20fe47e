//! Scores, health and table against their promises, without lock or clock.

use std::time::Duration;

use super::health::{Health, Standing};
use super::histogram::Histogram;
use super::stats::{EndpointStats, Sample};
use super::table::{Ending, Table};
use super::{Availability, Budget, EndpointSpec, RouterConfig, score};
use crate::clock::Tick;
use crate::outcome::Outcome;

const NOW: Tick = Tick(1 << 50);

fn sample(latency: Duration, success: bool) -> Sample {
    Sample { category: 0, latency, success, unqueued: true, dice: 0.5 }
}

fn stats(latency_ms: u64, calls: u64, failures: u64) -> EndpointStats {
    let config = RouterConfig::default().eject_after(1_000_000);
    let mut stats = EndpointStats::default();
    for i in 0..calls {
        let now = NOW.after(Duration::from_millis(i * 100));
        let success = i % calls.div_ceil(failures.max(1)) != 0 || failures == 0;
        stats.record(sample(Duration::from_millis(latency_ms), success), &config, now);
    }
    stats
}

#[test]
fn the_seed_score_follows_its_table() {
    let total = |spec: EndpointSpec, stats: &EndpointStats| score::seed(&spec, stats, 0).total;
    let fast = stats(100, 100, 0);
    let [p50, p95, p99] = fast.percentiles(0).unwrap().map(|seconds| 100.0 - seconds * 100.0);
    assert!((p50 - 90.0).abs() < 1.0 && (p99 - 90.0).abs() < 1.0, "{p50} {p99}");
    let performance = 0.2 * p50 + 0.3 * p95 + 0.3 * p99 + 0.2 * 100.0;
    let cases = [
        ("paid", EndpointSpec::named("x").price(1.0), performance * (0.4 + 0.3 + 0.2 + 0.1)),
        ("free", EndpointSpec::named("x"), performance * (0.4 + 0.45 + 0.2 + 0.1)),
        ("quota left", EndpointSpec::named("x").price(1.0).free_quota(1000), performance * (0.4 + 0.36 + 0.2 + 0.1)),
        ("local", EndpointSpec::named("x").price(1.0).local(true), performance * (0.4 + 0.3 + 0.2 + 0.11)),
    ];
    for (name, spec, expected) in cases {
        assert!((total(spec, &fast) - expected).abs() < 1e-9, "{name}");
    }
    let mut busy = fast;
    busy.in_flight = 15;
    assert!((total(EndpointSpec::named("x").price(1.0), &busy) - performance * (0.4 + 0.3 + 0.14 + 0.1)).abs() < 1e-9);
}

#[test]
fn fast_failures_do_not_look_fast() {
    let config = RouterConfig::default();
    let spec = EndpointSpec::named("x");
    let failing = score::adaptive(&spec, &stats(5, 50, 25), 0, Availability::default(), &config).total;
    let honest = score::adaptive(&spec, &stats(200, 50, 0), 0, Availability::default(), &config).total;
    assert!(failing > honest, "{failing} {honest}");
}

#[test]
fn each_term_of_the_adaptive_score_moves_it_the_right_way() {
    let config = RouterConfig::default();
    let base = stats(50, 50, 0);
    let total = |spec: &EndpointSpec, stats: &EndpointStats, wait: u64| {
        score::adaptive(spec, stats, 0, Availability::new(None, Duration::from_millis(wait)), &config).total
    };
    let spec = EndpointSpec::named("x").local(true);
    let reference = total(&spec, &base, 0);
    let mut busy = base.clone();
    busy.in_flight = 40;
    assert!(total(&spec, &busy, 0) > reference);
    assert!(total(&spec.clone().price(1.0), &base, 0) > reference);
    assert!((total(&spec.clone().price(1.0).free_quota(99), &base, 0) - reference).abs() < 1e-12);
    assert!(total(&spec.clone().local(false), &base, 0) > reference);
    assert!(total(&spec, &base, 100) > reference);
    assert!(total(&spec, &stats(80, 50, 0), 0) > reference);
}

#[test]
fn quantiles_are_right_to_a_tenth_and_follow_a_change_within_a_minute() {
    let mut histogram = Histogram::default();
    let mut now = NOW;
    for i in 0..10_000_u32 {
        now = now.after(Duration::from_millis(5));
        histogram.record(f64::from(i % 1000 + 1) / 1000.0, now);
    }
    for share in [0.05, 0.5, 0.95, 0.99] {
        let quantile = histogram.quantile(share);
        assert!((quantile / share - 1.0).abs() < 0.1, "{quantile} for {share}");
    }
    for _ in 0..1200 {
        now = now.after(Duration::from_millis(100));
        histogram.record(0.01, now);
    }
    assert!(histogram.quantile(0.99) < 0.012);
    histogram.record(f64::NAN, now);
    histogram.record(f64::INFINITY, now);
    histogram.record(-1.0, now);
    assert!(histogram.quantile(1.0).is_finite());
}

#[test]
fn an_ejected_endpoint_gets_one_probe_then_twice_as_many_calls_with_each_success() {
    let config = RouterConfig::default().eject_after(3).eject_for(Duration::from_secs(10));
    let mut standing = Standing::default();
    standing.health = Health::Live;
    for _ in 0..3 {
        standing.failed(0.0, 3, &config, 0.5, NOW);
    }
    assert_eq!(standing.wait(0, NOW), Some(Duration::from_secs(10)));
    let later = NOW.after(Duration::from_secs(10));
    assert!(standing.wants_probe(0, later));
    assert_eq!((standing.wait(0, later), standing.wait(1, later)), (Some(Duration::ZERO), None));
    standing.failed(0.0, 4, &config, 0.5, later);
    assert_eq!(standing.wait(0, later), Some(Duration::from_secs(20)), "longer each time");
    let again = later.after(Duration::from_secs(20));
    let mut allowed = Vec::new();
    for _ in 0..7 {
        standing.succeeded(again);
        allowed.push((0..200).take_while(|n| standing.wait(*n, again).is_some()).count());
    }
    assert_eq!(allowed, [2, 4, 8, 16, 32, 64, 200]);
}

#[test]
fn a_bad_rate_ejects_even_without_a_row() {
    let config = RouterConfig::default().eject_after(1000);
    let mut stats = EndpointStats::default();
    stats.standing.health = Health::Live;
    let mut now = NOW;
    for i in 0..40 {
        now = now.after(Duration::from_secs(2));
        stats.record(sample(Duration::from_millis(10), i % 4 == 0), &config, now);
    }
    assert!(stats.standing.ejected_for(now) > Duration::ZERO);
}

fn table(endpoints: Vec<EndpointSpec>, config: &RouterConfig) -> Table {
    Table::new(endpoints, config, NOW)
}

/// Runs a call of this length to its end.
fn call(table: &mut Table, config: &RouterConfig, now: &mut Tick, took: Duration, success: bool) -> usize {
    let Some(index) = table.pick(None, config, *now) else { panic!("nobody") };
    let charge = table.begin(index, config, *now);
    let began = *now;
    *now = now.after(took);
    let outcome = if success { Outcome::Success } else { Outcome::Failure };
    table.settle(index, Ending { category: 0, charge, outcome, began }, config, *now);
    index
}

#[test]
fn new_and_idle_endpoints_are_probed_with_one_call() {
    let config = RouterConfig::default();
    let mut table = table(vec![EndpointSpec::named("good"), EndpointSpec::named("dear").price(100.0)], &config);
    let (mut now, mut picked) = (NOW, [0, 0]);
    for _ in 0..3_000 {
        picked[call(&mut table, &config, &mut now, Duration::from_millis(10), true)] += 1;
    }
    // 30 s: the dear one is new at first, and idle for 10 s about twice.
    assert!((2..=6).contains(&picked[1]), "{picked:?}");
}

#[test]
fn a_rate_limit_that_is_known_is_kept() {
    let config = RouterConfig::default();
    let endpoints = vec![EndpointSpec::named("free").rate_limit(Some(10.0)), EndpointSpec::named("paid").price(1.0)];
    let mut table = table(endpoints, &config);
    let (mut now, mut picked) = (NOW, [0, 0]);
    for _ in 0..10_000 {
        picked[call(&mut table, &config, &mut now, Duration::from_millis(10), true)] += 1;
    }
    assert!((950..=1010).contains(&picked[0]), "100 s at 10 a second: {picked:?}");
}

#[test]
fn a_budget_is_held_at_the_pick_given_back_for_failures_and_full_again_next_period() {
    let config = RouterConfig::default().budgets(vec![Budget::new(3.0, "units", Duration::from_secs(60))]);
    let mut table = table(vec![EndpointSpec::named("paid").price(1.0)], &config);
    let mut now = NOW;
    assert_eq!(call(&mut table, &config, &mut now, Duration::ZERO, false), 0, "costs nothing");
    let held: Vec<_> = (0..3)
        .map(|_| {
            assert!(matches!(table.pick(None, &config, now), Some(0)));
            table.begin(0, &config, now)
        })
        .collect();
    assert!(table.pick(None, &config, now).is_none(), "calls under way count");
    for (n, charge) in held.into_iter().enumerate() {
        let outcome = if n == 0 { Outcome::Ignored } else { Outcome::Success };
        table.settle(0, Ending { category: 0, charge, outcome, began: now }, &config, now);
    }
    call(&mut table, &config, &mut now, Duration::ZERO, true);
    assert!(table.pick(None, &config, now).is_none());
    now = now.after(Duration::from_secs(60));
    call(&mut table, &config, &mut now, Duration::ZERO, true);
}
