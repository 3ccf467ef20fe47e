//! Scores, health and table against their promises, without lock or clock.

use std::time::Duration;

use super::booking::{Charge, Ending, Wish};
use super::health::{Failed, Health, Standing};
use super::histogram::{Bucket, Histogram};
use super::score::{self, Subject};
use super::stats::{EndpointStats, Sample};
use super::table::Table;
use super::{Availability, Budget, EndpointSpec, RouterConfig};
use crate::clock::Tick;
use crate::outcome::Outcome;

const NOW: Tick = Tick(1 << 50);

fn sample(latency: Duration, success: bool, began: Tick) -> Sample {
    Sample { category: 0, latency: latency.into(), success, unqueued: true, is_probe: false, began, dice: 0.5 }
}

fn failed(began: Tick) -> Failed {
    Failed { began, observed: None, in_flight: 0, dice: 0.5 }
}

/// The last moment at which something happened in [`stats`].
const LATER: Tick = Tick(NOW.0 + 10_000_000_000);

fn adaptive(spec: &EndpointSpec, stats: &EndpointStats, wait: Duration) -> f64 {
    let availability = Availability::new(None, wait);
    score::adaptive(Subject { spec, stats, category: 0, availability }, &RouterConfig::default(), LATER).total
}

fn stats(latency_ms: u64, calls: u64, failures: u64) -> EndpointStats {
    let config = RouterConfig::default().eject_after(1_000_000);
    let mut stats = EndpointStats::new(0, NOW);
    for i in 0..calls {
        let now = NOW.after(Duration::from_millis(i * 100));
        let success = i % calls.div_ceil(failures.max(1)) != 0 || failures == 0;
        stats.record(sample(Duration::from_millis(latency_ms), success, now), &config, now);
    }
    stats.of_category(0, 0).histogram.refresh();
    stats
}

#[test]
fn the_seed_score_follows_its_table() {
    let total = |spec: EndpointSpec, stats: &EndpointStats| {
        score::seed(Subject { spec: &spec, stats, category: 0, availability: Availability::default() }).total
    };
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
    (0..15).for_each(|_| busy.load.begin(LATER));
    assert!((total(EndpointSpec::named("x").price(1.0), &busy) - performance * (0.4 + 0.3 + 0.14 + 0.1)).abs() < 1e-9);
}

#[test]
fn fast_failures_do_not_look_fast() {
    let spec = EndpointSpec::named("x");
    let failing = adaptive(&spec, &stats(5, 50, 25), Duration::ZERO);
    let honest = adaptive(&spec, &stats(200, 50, 0), Duration::ZERO);
    assert!(failing > honest, "{failing} {honest}");
}

#[test]
fn each_term_of_the_adaptive_score_moves_it_the_right_way() {
    let base = stats(50, 50, 0);
    let total =
        |spec: &EndpointSpec, stats: &EndpointStats, wait: u64| adaptive(spec, stats, Duration::from_millis(wait));
    let spec = EndpointSpec::named("x").local(true);
    let reference = total(&spec, &base, 0);
    let mut busy = base.clone();
    (0..40).for_each(|_| busy.load.begin(LATER));
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
        histogram.record(Duration::from_millis(u64::from(i % 1000 + 1)).into(), now);
    }
    for share in [0.05, 0.5, 0.95, 0.99] {
        let quantile = histogram.quantile(share);
        assert!((quantile / share - 1.0).abs() < 0.1, "{quantile} for {share}");
    }
    for _ in 0..1200 {
        now = now.after(Duration::from_millis(100));
        histogram.record(Duration::from_millis(10).into(), now);
    }
    assert!(histogram.quantile(0.99) < 0.012);
    histogram.record(Bucket::from(Duration::MAX), now);
    histogram.record(Bucket::from(Duration::ZERO), now);
    assert!(histogram.quantile(1.0).is_finite());
}

/// What is allowed at once, at most 200.
fn allowed(standing: Standing, now: Tick) -> usize {
    (0..200).take_while(|n| standing.wait(*n, now) == Some(Duration::ZERO)).count()
}

fn ejected(config: &RouterConfig) -> Standing {
    let mut standing = Standing::default();
    standing.health = Health::Live;
    (0..config.eject_after).for_each(|_| standing.failed(failed(NOW), config, NOW));
    standing
}

#[test]
fn an_ejected_endpoint_gets_one_probe_then_twice_as_many_calls_with_each_success() {
    let config = RouterConfig::default().eject_after(3).eject_for(Duration::from_secs(10));
    let mut standing = ejected(&config);
    assert_eq!(standing.wait(0, NOW), Some(Duration::from_secs(10)));
    let later = NOW.after(Duration::from_secs(10));
    assert_eq!((standing.wait(0, later), standing.wait(1, later)), (Some(Duration::ZERO), None));
    standing.failed(failed(later), &config, later);
    assert_eq!(standing.wait(0, later), Some(Duration::from_secs(20)), "longer each time");
    let again = later.after(Duration::from_secs(20));
    let mut seen = Vec::new();
    for _ in 0..7 {
        standing.succeeded(again, again);
        seen.push(allowed(standing, again));
    }
    assert_eq!(seen, [2, 4, 8, 16, 32, 64, 200]);
}

#[test]
fn the_back_off_of_an_ejection_ends_at_four_times_the_first() {
    let config = RouterConfig::default();
    let (mut standing, mut now) = (ejected(&config), NOW);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let wait = standing.ejected_for(now);
        waits.push(wait.as_secs());
        now = now.after(wait);
        standing.failed(failed(now), &config, now);
    }
    assert_eq!(waits, [3, 6, 12, 12, 12, 12]);
}

#[test]
fn who_was_well_for_a_minute_is_ejected_as_if_for_the_first_time_and_who_was_not_sooner_and_for_longer() {
    let config = RouterConfig::default();
    let back = |standing: &mut Standing, now: Tick| (0..7).for_each(|_| standing.succeeded(now, now));
    for (well_for, fails, expected) in [(30, 2, 6), (61, 2, 0), (61, 5, 3)] {
        let mut standing = ejected(&config);
        let mut now = NOW.after(Duration::from_secs(3));
        back(&mut standing, now);
        now = now.after(Duration::from_secs(well_for));
        (0..fails).for_each(|_| standing.failed(failed(now), &config, now));
        assert_eq!(standing.ejected_for(now).as_secs(), expected, "well for {well_for} s, {fails} failures");
    }
}

#[test]
fn one_failure_on_the_ramp_lets_fewer_through_and_another_ejects() {
    let config = RouterConfig::default();
    let (mut standing, now) = (ejected(&config), NOW.after(Duration::from_secs(3)));
    (0..4).for_each(|_| standing.succeeded(now, now));
    assert_eq!(allowed(standing, now), 16);
    standing.failed(failed(now), &config, now);
    assert_eq!(allowed(standing, now), 4);
    standing.succeeded(now, now);
    assert_eq!(allowed(standing, now), 8);
    (0..2).for_each(|_| standing.failed(failed(now), &config, now));
    assert_eq!(allowed(standing, now), 0);
}

#[test]
fn calls_that_hang_since_before_an_ejection_do_not_stand_in_the_way_of_its_probe() {
    let config = RouterConfig::default();
    let mut standing = Standing::default();
    standing.health = Health::Live;
    for _ in 0..config.eject_after {
        standing.failed(Failed { in_flight: 2, ..failed(NOW) }, &config, NOW);
    }
    let now = NOW.after(Duration::from_secs(3));
    assert_eq!((standing.wait(2, now), standing.wait(3, now)), (Some(Duration::ZERO), None), "two hang");
    standing.ended(NOW.before(Duration::from_secs(1)));
    assert_eq!((standing.wait(1, now), standing.wait(2, now)), (Some(Duration::ZERO), None), "one hangs");
    standing.ended(now);
    assert_eq!(standing.wait(2, now), None, "the end of a later call is no end of one from before");
}

#[test]
fn a_bad_rate_ejects_even_without_a_row() {
    let config = RouterConfig::default().eject_after(1000);
    let mut stats = EndpointStats::new(0, NOW);
    stats.standing.health = Health::Live;
    let mut now = NOW;
    for i in 0..40 {
        now = now.after(Duration::from_secs(2));
        stats.record(sample(Duration::from_millis(10), i % 4 == 0, now), &config, now);
    }
    assert!(stats.standing.ejected_for(now) > Duration::ZERO);
}

#[test]
fn failures_fade_with_time_alone() {
    let config = RouterConfig::default();
    let failing = stats(50, 50, 25);
    let at = |seconds: u64| failing.expected_failures(&config, LATER.after(Duration::from_secs(seconds)));
    assert!(at(0) > 0.3 && at(300) < at(0) * 0.7, "{} {}", at(0), at(300));
    assert!(at(24 * 3600) < 1e-9, "yesterday");
    let mut row = stats(50, 50, 0);
    (0..9).for_each(|_| row.record(sample(Duration::ZERO, false, LATER), &config, LATER));
    let said = row.expected_failures(&config, LATER);
    let tomorrow = row.expected_failures(&config, LATER.after(Duration::from_secs(24 * 3600)));
    assert!(said > 0.5 && tomorrow < 1e-9, "a row: {said}, a day later {tomorrow}");
}

#[test]
fn flaws_fade_with_time_alone() {
    let config = RouterConfig::default();
    let mut stats = stats(50, 50, 0);
    (0..20).for_each(|_| stats.record_flaws(0, 1.0, &config, LATER));
    let at = |seconds: u64| stats.flaws(0, &config, LATER.after(Duration::from_secs(seconds)));
    assert!(at(0) > 0.5 && at(300) < at(0) * 0.5 && at(24 * 3600) < 1e-9);
}

#[test]
fn a_call_is_load_until_it_ends_or_its_lease_does() {
    let mut load = super::load::Load::default();
    let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    (0..3).for_each(|_| load.begin(at(0)));
    load.begin(at(100));
    assert!(load.end(at(0), at(101)));
    assert_eq!(load.calls(), 3);
    load.age(at(119));
    assert_eq!(load.calls(), 3, "two minutes count in full");
    load.age(at(151));
    assert_eq!(load.calls(), 1, "forgotten ones are let go");
    assert!(!load.end(at(0), at(152)), "and end as nothing");
    assert!(load.end(at(100), at(152)));
    assert_eq!(load.calls(), 0);
    load.begin(at(10_000));
    load.begin(at(9_999)); // read before another thread's, locked after
    assert!(load.end(at(9_999), at(10_001)) && load.end(at(10_000), at(10_001)));
    assert_eq!(load.calls(), 0);
}

#[test]
fn a_storm_is_a_line_a_second_with_its_count() {
    let mut storm = super::storm::Storm::default();
    let mut lines = Vec::new();
    for n in 0..3_000 {
        lines.extend(storm.count(NOW.after(Duration::from_millis(n))));
    }
    assert_eq!(lines, [1, 1000, 1000]);
}

/// A table, and its clock.
pub(super) struct World {
    pub(super) table: Table,
    pub(super) now: Tick,
}

impl World {
    pub(super) fn new(endpoints: Vec<EndpointSpec>, config: RouterConfig) -> Self {
        Self { table: Table::new(endpoints, config, NOW), now: NOW }
    }

    pub(super) fn end(&mut self, index: usize, charge: Charge, outcome: Outcome, began: Tick) {
        let latency = self.now.since(began).into();
        self.table.settle(index, Ending { category: 0, charge, outcome, began, latency }, self.now);
    }

    /// Picks, and runs a call of this length to its end.
    fn call(&mut self, took: Duration, outcome: Outcome) -> usize {
        let Some(choice) = self.table.pick(None, 0, self.now) else { panic!("nobody") };
        let wish = Wish { is_probe: choice.is_probe, ..Wish::plain(choice.index) };
        let charge = self.table.begin(wish, self.now);
        let began = self.now;
        self.now = self.now.after(took);
        self.end(choice.index, charge, outcome, began);
        choice.index
    }
}

#[test]
fn a_rate_limit_that_is_known_is_kept() {
    let endpoints = vec![EndpointSpec::named("free").rate_limit(Some(10.0)), EndpointSpec::named("paid").price(1.0)];
    let mut world = World::new(endpoints, RouterConfig::default());
    let mut picked = [0, 0];
    for _ in 0..10_000 {
        picked[world.call(Duration::from_millis(10), Outcome::Success)] += 1;
    }
    assert!((950..=1010).contains(&picked[0]), "100 s at 10 a second: {picked:?}");
}

#[test]
fn a_budget_is_held_at_the_pick_given_back_for_failures_and_full_again_next_period() {
    let config = RouterConfig::default().budgets(vec![Budget::new(3.0, "units", Duration::from_secs(60))]);
    let mut world = World::new(vec![EndpointSpec::named("paid").price(1.0)], config);
    assert_eq!(world.call(Duration::ZERO, Outcome::Failure), 0, "costs nothing");
    let held: Vec<_> = (0..3)
        .map(|_| {
            assert!(matches!(world.table.pick(None, 0, world.now), Some(choice) if choice.index == 0));
            world.table.begin(Wish::plain(0), world.now)
        })
        .collect();
    assert!(world.table.pick(None, 0, world.now).is_none(), "calls under way count");
    for (n, charge) in held.into_iter().enumerate() {
        let outcome = if n == 0 { Outcome::Ignored } else { Outcome::Success };
        world.end(0, charge, outcome, world.now);
    }
    world.call(Duration::ZERO, Outcome::Success);
    assert!(world.table.pick(None, 0, world.now).is_none());
    world.now = world.now.after(Duration::from_secs(60));
    world.call(Duration::ZERO, Outcome::Success);
}
