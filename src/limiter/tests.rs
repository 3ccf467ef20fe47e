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
        let mut bucket = Bucket::new(rate, burst, Tick(1 << 40));
        let mut now = Tick(1 << 40);
        let mut grants: Vec<Tick> = Vec::new();
        for gap in gaps {
            now = now.after(Duration::from_secs_f64(gap / rate));
            while bucket.wait(1, now).is_zero() {
                bucket.take(1, now);
                bucket.start(1, now).unwrap();
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

    /// Whatever rate and pauses do meanwhile: callers go in the order in which they asked, and no
    /// window grants more than the burst and what the rates of that window allow.
    #[test]
    fn rate_changes_and_pauses_keep_order_and_bound(
        burst in 1u32..5,
        steps in prop::collection::vec((0u8..8, 1u64..400, 0.5..50.0f64), 1..150),
    ) {
        let mut now = Tick(1 << 40);
        let (mut rate, mut paused_until) = (5.0, now);
        let mut bucket = Bucket::new(rate, burst, now);
        let mut waiting = std::collections::VecDeque::new();
        // What the rates allowed from the start to each grant.
        let (mut allowed, mut grants) = (0.0, Vec::new());
        for (what, millis, value) in steps {
            match what {
                0 => {
                    rate = value;
                    bucket.set_rate(rate, now);
                }
                1 => {
                    let until = now.after(Duration::from_millis(millis));
                    paused_until = paused_until.max(until);
                    bucket.pause(until, now);
                }
                2..=4 => waiting.push_back(bucket.take(1, now)),
                _ => {
                    let later = now.after(Duration::from_millis(millis));
                    allowed += later.since(paused_until.max(now)).as_secs_f64() * rate;
                    now = later;
                }
            }
            let due = waiting.iter().map(|place| bucket.wait_for(*place, now).is_zero());
            let due: Vec<bool> = due.collect();
            prop_assert!(due.is_sorted_by(|earlier, later| earlier >= later), "overtaken: {due:?}");
            // They wake late, at the end of the step, all at once.
            while waiting.front().is_some_and(|place| bucket.wait_for(*place, now).is_zero()) {
                if bucket.start(1, now).is_err() {
                    break;
                }
                waiting.pop_front();
                grants.push(allowed);
            }
        }
        for (i, from) in grants.iter().enumerate() {
            for (j, to) in grants.iter().enumerate().skip(i) {
                prop_assert!((j - i + 1) as f64 <= f64::from(burst) + to - from + 1e-6);
            }
        }
    }

    /// Waiting exactly as long as told is enough, and a nanosecond less is not.
    #[test]
    fn the_wait_is_exact(rate in 0.01..1e6f64, burst in 1u32..10, n in 1u32..10) {
        let n = n.min(burst);
        let now = Tick(1 << 40);
        let mut bucket = Bucket::new(rate, burst, now);
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
    let mut bucket = Bucket::new(10.0, 1, now);
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
