//! Scores against their tables.

use std::time::Duration;

use super::stats::EndpointStats;
use super::{Availability, EndpointSpec, RouterConfig, score};
use crate::clock::Tick;

fn stats(latency_ms: u64, calls: u64, failures: u64) -> EndpointStats {
    let config = RouterConfig::default().eject_after(1_000_000);
    let mut stats = EndpointStats::default();
    for i in 0..calls {
        let now = Tick(1 << 50).after(Duration::from_millis(i * 100));
        stats.record(
            Duration::from_millis(latency_ms),
            i % calls.div_ceil(failures.max(1)) != 0 || failures == 0,
            &config,
            now,
        );
    }
    stats
}

#[test]
fn the_seed_score_follows_its_table() {
    let total = |spec: EndpointSpec, stats: &EndpointStats| score::seed(&spec, stats).total;
    let fast = stats(100, 100, 0);
    // performance 92 = .2*90 + .3*90 + .3*90 + .2*100
    let cases = [
        ("paid", EndpointSpec::named("x").price(1.0), 92.0 * (0.4 + 0.3 + 0.2 + 0.1)),
        ("free", EndpointSpec::named("x"), 92.0 * (0.4 + 0.45 + 0.2 + 0.1)),
        ("quota left", EndpointSpec::named("x").price(1.0).free_quota(1000), 92.0 * (0.4 + 0.36 + 0.2 + 0.1)),
        ("local", EndpointSpec::named("x").price(1.0).local(true), 92.0 * (0.4 + 0.3 + 0.2 + 0.11)),
    ];
    for (name, spec, expected) in cases {
        assert!((total(spec, &fast) - expected).abs() < 1e-9, "{name}");
    }
    let mut busy = fast;
    busy.in_flight = 15;
    assert!((total(EndpointSpec::named("x").price(1.0), &busy) - 92.0 * (0.4 + 0.3 + 0.14 + 0.1)).abs() < 1e-9);
}

#[test]
fn fast_failures_do_not_look_fast() {
    let config = RouterConfig::default();
    let spec = EndpointSpec::named("x");
    let failing = score::adaptive(&spec, &stats(5, 50, 25), Availability::default(), &config).total;
    let honest = score::adaptive(&spec, &stats(200, 50, 0), Availability::default(), &config).total;
    assert!(failing > honest, "{failing} {honest}");
}

#[test]
fn each_term_of_the_adaptive_score_moves_it_the_right_way() {
    let config = RouterConfig::default();
    let base = stats(50, 50, 0);
    let total = |spec: &EndpointSpec, stats: &EndpointStats, wait: u64| {
        score::adaptive(spec, stats, Availability::new(None, Duration::from_millis(wait)), &config).total
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
