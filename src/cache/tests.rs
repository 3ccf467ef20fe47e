//! Freshness against its table.

use std::time::Duration;

use super::freshness::{Class, Times, backoff};
use super::{CacheConfig, ExpiryMode};
use crate::clock::Tick;

const S: fn(u64) -> Duration = Duration::from_secs;
const START: Tick = Tick(1 << 50);

fn class(config: &CacheConfig, at: u64, can_refresh: bool) -> Class {
    Times::new(config, config.time_to_live, START, START, 0.0).classify(START.after(S(at)), None, can_refresh)
}

#[test]
fn soft_expiry_follows_its_table() {
    let config = CacheConfig::default().time_to_live(S(100)).grace(Some(S(50))).stale_if_error(S(300));
    let table = [
        (0, Class::Fresh, Class::Fresh),
        (79, Class::Fresh, Class::Fresh),
        (80, Class::RefreshDue, Class::Fresh),
        (99, Class::RefreshDue, Class::Fresh),
        (100, Class::Stale, Class::OnError),
        (149, Class::Stale, Class::OnError),
        (150, Class::OnError, Class::OnError),
        (399, Class::OnError, Class::OnError),
        (400, Class::Dead, Class::Dead),
    ];
    for (at, with, without) in table {
        assert_eq!(class(&config, at, true), with, "at {at} s with a refresher");
        assert_eq!(class(&config, at, false), without, "at {at} s without one");
    }
}

#[test]
fn hard_expiry_is_never_stale() {
    let config = CacheConfig::default().time_to_live(S(100)).expiry(ExpiryMode::Hard).stale_if_error(S(10));
    let table =
        [(79, Class::Fresh), (80, Class::RefreshDue), (100, Class::OnError), (109, Class::OnError), (110, Class::Dead)];
    for (at, expected) in table {
        assert_eq!(class(&config, at, true), expected, "at {at} s");
    }
}

#[test]
fn jitter_moves_deadlines_forward_only() {
    let config = CacheConfig::default().time_to_live(S(100));
    let still = Times::new(&config, S(100), START, START, 0.0);
    for lookup in 0..10 {
        let moved = Times::new(&config, S(100), START, START, f64::from(lookup) / 10.0);
        assert!(moved.soft_until <= still.soft_until && moved.refresh_at <= moved.soft_until);
        assert!(moved.soft_until >= START.after(S(90)));
    }
}

#[test]
fn extreme_times_do_not_panic() {
    let config = CacheConfig::default();
    let times = Times::new(&config, Duration::MAX, Tick::MAX, Tick::MAX, 1.0);
    assert_eq!(times.classify(Tick::MAX, Some(Duration::MAX), true), Class::Dead);
    assert_eq!(times.classify(Tick::default(), None, true), Class::Fresh);
}

#[test]
fn the_hold_doubles_up_to_its_cap() {
    let config = CacheConfig::default();
    let holds: Vec<u64> = (1..=8).map(|n| backoff(&config, n).as_secs()).collect();
    assert_eq!(holds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(backoff(&config, u32::MAX), S(60));
}
