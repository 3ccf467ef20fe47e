//! Bucket and controller against their promises, without lock or clock.

use std::time::Duration;

use proptest::prelude::*;

use super::LimiterConfig;
use super::bucket::Bucket;
use super::controller::Controller;
use crate::clock::Tick;

proptest! {
    /// Every window of the grant log obeys `burst + rate x w`.
    #[test]
    fn no_window_grants_more_than_burst_plus_rate(
        rate in prop_oneof![0.001..1.0f64, 1.0..1e3f64, 1e3..1e9f64],
        burst in 1u32..20,
        gaps in prop::collection::vec(0.0..3.0f64, 1..200),
    ) {
        let mut bucket = Bucket::new(rate, burst);
        let mut now = Tick(1 << 40);
        let mut grants: Vec<Tick> = Vec::new();
        for gap in gaps {
            now = now.after(Duration::from_secs_f64(gap / rate));
            while bucket.wait(1, now).is_zero() {
                bucket.take(1, now);
                grants.push(now);
            }
        }
        for (i, from) in grants.iter().enumerate() {
            for (j, to) in grants.iter().enumerate().skip(i) {
                let allowed = f64::from(burst) + rate * (to.since(*from).as_secs_f64() + 1e-9);
                prop_assert!((j - i + 1) as f64 <= allowed + 1e-6, "{} grants, allowed {allowed}", j - i + 1);
            }
        }
    }

    /// Waiting exactly as long as told is enough, and a nanosecond less is not.
    #[test]
    fn the_wait_is_exact(rate in 0.01..1e6f64, burst in 1u32..10, n in 1u32..10) {
        let n = n.min(burst);
        let mut bucket = Bucket::new(rate, burst);
        let now = Tick(1 << 40);
        bucket.take(burst, now);
        let wait = bucket.wait(n, now);
        prop_assert!(!wait.is_zero());
        prop_assert!(bucket.wait(n, now.after(wait)).is_zero());
        prop_assert!(!bucket.wait(n, now.after(wait).before(Duration::from_nanos(1))).is_zero());
    }
}

#[test]
fn a_rate_change_keeps_the_number_of_permits_in_advance() {
    let now = Tick(1 << 40);
    let mut bucket = Bucket::new(10.0, 1);
    for _ in 0..5 {
        bucket.take(1, now);
    }
    bucket.set_rate(100.0, now);
    let wait = bucket.wait(1, now).as_secs_f64();
    assert!((wait - 0.05).abs() < 1e-6, "{wait}");
}

#[test]
fn errors_do_not_cut_and_one_episode_cuts_once() {
    let config = LimiterConfig::default();
    let now = Tick(1 << 40);
    let mut controller = Controller::new(&config, now);
    for i in 0..50 {
        controller.limited(now.after(Duration::from_millis(i * 10)));
    }
    assert!((controller.rate - 7.0).abs() < 1e-9);
}

#[test]
fn an_unused_rate_does_not_grow() {
    let config = LimiterConfig::default();
    let mut now = Tick(1 << 40);
    let mut controller = Controller::new(&config, now);
    for _ in 0..600 {
        now = now.after(Duration::from_secs(1));
        controller.accepted(now);
    }
    assert!((controller.rate - 10.0).abs() < 1e-9, "{}", controller.rate);
    for _ in 0..6000 {
        now = now.after(Duration::from_millis(50));
        controller.accepted(now);
    }
    assert!(controller.rate > 30.0, "{}", controller.rate);
}
