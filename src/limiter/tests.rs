//! Bucket and controller against their promises, without lock or clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::bucket::Bucket;
use super::calendar::bounds;
use super::controller::Controller;
use super::in_flight::InFlightGuard;
use super::{LimiterConfig, QuotaPeriod, QuotaWindow, RateBound, RateControl};
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

const SECOND: Duration = Duration::from_secs(1);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A controller in a world where calls are answered at once, driven at its own rate.
struct World {
    controller: Controller,
    now: Tick,
    due: f64,
}

impl World {
    fn new(config: &LimiterConfig) -> Self {
        let now = Tick(1 << 40);
        Self { controller: Controller::new(config, now), now, due: 0.0 }
    }

    /// Runs for this time; `accepts(second)` says what the source does with a call.
    fn run(&mut self, time: Duration, mut accepts: impl FnMut(f64) -> bool) {
        let end = self.now.after(time);
        let from = self.now;
        while self.now < end {
            self.now = self.now.after(millis(10));
            self.due += self.controller.rate / 100.0;
            while self.due >= 1.0 {
                self.due -= 1.0;
                if accepts(self.now.since(from).as_secs_f64()) {
                    self.controller.accepted(self.now, self.now);
                } else {
                    let pause = self.controller.limited(self.now, 0, None, self.now);
                    self.now = self.now.after(pause);
                    // As the bucket is drained.
                    self.due = 0.0;
                    break;
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

fn wide() -> LimiterConfig {
    LimiterConfig::default().max_rate_per_sec(10_000.0)
}

#[test]
fn the_rate_doubles_until_the_first_refusal() {
    let mut world = World::new(&wide());
    world.run(SECOND * 6, |_| true);
    assert!(world.controller.rate > 80.0, "{}", world.controller.rate);
    let before = world.controller.rate;
    let _pause = world.controller.limited(world.now, 0, None, world.now);
    assert!((world.controller.rate - before * 0.6).abs() < 1e-9);
}

#[test]
fn refusals_of_one_episode_cut_once_and_later_ones_again_and_deeper() {
    let mut world = World::new(&wide());
    world.run(SECOND * 6, |_| true);
    let (mut now, old) = (world.now, world.now);
    let mut cut = |world: &mut World, started: Tick| {
        now = now.after(millis(20));
        let before = world.controller.rate;
        // Beside so many that may be accepted yet the silence says nothing.
        let _pause = world.controller.limited(started, 20, None, now);
        percent(world.controller.rate / before)
    };
    assert_eq!([cut(&mut world, old), cut(&mut world, old), cut(&mut world, old)], [60, 100, 100]);
    let later = old.after(millis(70));
    assert_eq!([cut(&mut world, later), cut(&mut world, later)], [60, 100], "a tenth more for each earlier one");
}

#[test]
fn the_next_call_waits_as_long_as_the_silence_lasts() {
    let mut world = World::new(&wide());
    world.run(SECOND * 6, |_| true);
    let start = world.now;
    let mut refuse = |after: u64, alongside: u64| {
        let now = start.after(millis(after));
        let pause = world.controller.limited(now, alongside, None, now).as_secs_f64();
        (percent(pause), percent(world.controller.rate))
    };
    assert_eq!(refuse(0, 0).0, 0, "one refusal is no silence");
    assert_eq!(refuse(500, 4), (10, 1000), "each of four others may be accepted yet");
    assert_eq!(refuse(1000, 0), (100, 100));
    assert_eq!(refuse(20_000, 0), (800, 100), "at most 8 s, at least the lowest rate");
}

#[test]
fn twenty_refusals_in_a_minute_are_never_reached() {
    for limit in [2.0, 6.0, 20.0, 60.0, 90.0, 500.0] {
        let mut world = World::new(&wide());
        let (mut tokens, mut last) = (20.0, 0.0);
        let mut refused: Vec<f64> = Vec::new();
        world.run(SECOND * 600, |at| {
            tokens = f64::min(20.0, tokens + (at - last) * limit);
            last = at;
            let accepts = tokens >= 1.0;
            if accepts {
                tokens -= 1.0;
            } else {
                refused.push(at);
            }
            accepts
        });
        let most = refused.iter().map(|end| refused.iter().filter(|at| (0.0..60.0).contains(&(end - **at))).count());
        let most = most.max().unwrap_or_default();
        assert!(most < 16, "{most} at {limit}");
    }
}

#[test]
fn errors_and_timeouts_do_not_cut() {
    let mut world = World::new(&wide());
    for _ in 0..1000 {
        world.controller.failed();
    }
    assert_eq!(world.controller.rate.to_bits(), 10f64.to_bits());
}

#[test]
fn a_rate_nobody_draws_on_does_not_grow() {
    let mut world = World::new(&wide());
    for _ in 0..600 {
        world.now = world.now.after(SECOND);
        world.controller.accepted(world.now, world.now);
    }
    assert_eq!(world.controller.rate.to_bits(), 10f64.to_bits());
}

#[test]
fn a_static_limit_is_met_within_five_percent_at_few_refusals() {
    for limit in [3.0, 40.0, 700.0] {
        let mut world = World::new(&wide());
        // A token bucket of half a second.
        let (mut tokens, mut last, mut calls, mut refused) = (limit / 2.0, 0.0, 0.0, 0.0);
        let mut accepts = |at: f64| {
            tokens = f64::min(limit / 2.0 + 1.0, tokens + (at - last) * limit);
            (last, calls) = (at, calls + 1.0);
            let accepts = tokens >= 1.0;
            if accepts {
                tokens -= 1.0;
            } else {
                refused += 1.0;
            }
            accepts
        };
        world.run(SECOND * 600, &mut accepts);
        let goodput = (calls - refused) / 600.0;
        assert!(goodput > 0.95 * limit, "{goodput} of {limit}");
        assert!(refused < if limit < 10.0 { 0.03 } else { 0.01 } * calls, "{refused} of {calls} refused at {limit}");
    }
}

#[test]
fn a_spent_window_is_probed_ever_more_rarely_and_its_rate_is_learnt() {
    let mut world = World::new(&wide());
    let mut minutes = [(0, 0); 5];
    world.run(SECOND * 299, |at| {
        let (accepted, refused) = &mut minutes[percent(at / 6_000.0 - 0.005) as usize];
        let accepts = *accepted < 300;
        *(if accepts { accepted } else { refused }) += 1;
        accepts
    });
    assert!(minutes.iter().map(|(accepted, _)| accepted).sum::<u32>() > 1_400, "{minutes:?}");
    assert!(minutes.iter().all(|(_, refused)| *refused < 15), "{minutes:?}");
}

#[test]
fn the_rule_of_the_design_counts_every_error_and_moves_in_whole_numbers() {
    let mut controller = Controller::new(&LimiterConfig::default().control(RateControl::ErrorRate), Tick(1 << 40));
    controller.granted();
    assert_eq!(controller.rate.to_bits(), 11f64.to_bits());
    for _ in 0..3 {
        controller.failed();
    }
    controller.granted();
    assert_eq!(controller.rate.to_bits(), 9f64.to_bits());
    for _ in 0..15 {
        controller.accepted(Tick(1 << 40), Tick(1 << 40));
    }
    controller.granted();
    // The letter of the design: below 10 the growth of 10 % is cut off.
    assert_eq!(controller.rate.to_bits(), 9f64.to_bits());
}

/// `n` calls of this length beside `alongside` others.
fn answer(guard: &mut InFlightGuard, now: &mut Tick, n: u32, alongside: u64, latency: Duration) {
    for _ in 0..n {
        *now = now.after(millis(100));
        guard.answered(now.before(latency), alongside, alongside > 1, *now);
    }
}

#[test]
fn latency_of_a_crowd_engages_the_guard_and_a_quiet_time_lets_go() {
    let mut now = Tick(1 << 40);
    let mut guard = InFlightGuard::new(now);
    answer(&mut guard, &mut now, 50, 0, millis(80));
    answer(&mut guard, &mut now, 50, 20, millis(150));
    assert_eq!(guard.cap(), u64::MAX, "less than 2.5 times");
    answer(&mut guard, &mut now, 20, 20, millis(900));
    // 10 calls a second, four times 80 ms each.
    assert!((3..=6).contains(&guard.cap()), "{}", guard.cap());
    answer(&mut guard, &mut now, 310, 0, millis(80));
    assert_eq!(guard.cap(), u64::MAX, "nobody was held back for 30 s");
}

#[test]
fn a_source_that_is_slow_altogether_is_learnt_anew() {
    let mut now = Tick(1 << 40);
    let mut guard = InFlightGuard::new(now);
    answer(&mut guard, &mut now, 50, 0, millis(80));
    answer(&mut guard, &mut now, 220, 20, millis(1000));
    assert_eq!(guard.cap(), 2, "after 20 s it lets the source run empty");
    answer(&mut guard, &mut now, 4, 1, millis(1000));
    assert!(guard.cap() > 30, "{}", guard.cap());
}

#[test]
fn time_outs_shrink_the_room_once_for_all_that_were_under_way() {
    let mut now = Tick(1 << 40);
    let mut guard = InFlightGuard::new(now);
    answer(&mut guard, &mut now, 50, 0, millis(500));
    let started = now;
    now = now.after(SECOND * 3);
    guard.timed_out(started, now);
    let once = guard.cap();
    for _ in 0..10 {
        guard.timed_out(started, now);
    }
    assert_eq!(guard.cap(), once);
    for _ in 0..10 {
        let started = now;
        now = now.after(SECOND * 3);
        guard.timed_out(started, now);
    }
    assert_eq!(guard.cap(), 2, "never less than one beside another");
}

/// A refusal of a call that started now beside so many; whether the number explains it.
fn refuse(guard: &mut InFlightGuard, now: &mut Tick, alongside: u64) -> bool {
    let started = *now;
    *now = now.after(millis(50));
    guard.refused(started, alongside, *now)
}

#[test]
fn a_number_of_calls_at_once_is_learnt_and_tried_again() {
    let mut now = Tick(1 << 40);
    let mut guard = InFlightGuard::new(now);
    // The second refused call is among those beside which the first started.
    assert_eq!([6, 5, 5, 6].map(|alongside| refuse(&mut guard, &mut now, alongside)), [false, false, false, true]);
    answer(&mut guard, &mut now, 100, 4, millis(80));
    assert_eq!(guard.cap(), 5);
    answer(&mut guard, &mut now, 101, 4, millis(80));
    assert_eq!(guard.cap(), 6, "20 s without refusal");
    assert!(refuse(&mut guard, &mut now, 5));
    assert_eq!(guard.cap(), 5);
    answer(&mut guard, &mut now, 5, 5, millis(80));
    assert_eq!(guard.cap(), u64::MAX, "it accepts more");
}

#[test]
fn refusals_beside_as_many_as_are_accepted_are_no_number() {
    let mut now = Tick(1 << 40);
    let mut guard = InFlightGuard::new(now);
    for _ in 0..20 {
        assert!(!refuse(&mut guard, &mut now, 3), "of a rate limit");
        answer(&mut guard, &mut now, 3, 4, millis(80));
        assert!(!refuse(&mut guard, &mut now, 0), "alone");
    }
    assert_eq!(guard.cap(), u64::MAX);
}

#[test]
fn a_bound_is_left_at_a_distance() {
    let next = |from: RateBound, rate| from.next(rate, 1.0, 100.0);
    assert_eq!(next(RateBound::Between, 1.0), RateBound::Floor);
    assert_eq!(next(RateBound::Floor, 1.2), RateBound::Floor);
    assert_eq!(next(RateBound::Floor, 1.3), RateBound::Between);
    assert_eq!(next(RateBound::Between, 1.2), RateBound::Between);
    assert_eq!(next(RateBound::Between, 100.0), RateBound::Ceiling);
    assert_eq!(next(RateBound::Ceiling, 81.0), RateBound::Ceiling);
    assert_eq!(next(RateBound::Ceiling, 79.0), RateBound::Between);
    assert_eq!(next(RateBound::Ceiling, 1.0), RateBound::Floor);
}

#[test]
fn calendar_windows_follow_the_zone_its_resets_and_its_clock_changes() {
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let window = |per| QuotaWindow::new(1, per);
    let new_york = |per| window(per).zone(chrono_tz::America::New_York);
    let at_four = |per| window(per).zone(chrono_tz::Asia::Shanghai).reset_at("04:00:00".parse().unwrap());
    let cases = [
        (window(QuotaPeriod::Minute), "2024-01-02T09:30:59Z", "2024-01-02T09:30:00Z", "2024-01-02T09:31:00Z"),
        (window(QuotaPeriod::Day), "2024-01-02T09:30:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"),
        (new_york(QuotaPeriod::Day), "2024-01-02T04:59:59Z", "2024-01-01T05:00:00Z", "2024-01-02T05:00:00Z"),
        // The day on which the clocks go forward has 23 hours, the one on which they go back 25.
        (new_york(QuotaPeriod::Day), "2024-03-10T12:00:00Z", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"),
        (new_york(QuotaPeriod::Day), "2024-11-03T12:00:00Z", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"),
        (at_four(QuotaPeriod::Day), "2024-01-02T19:59:00Z", "2024-01-01T20:00:00Z", "2024-01-02T20:00:00Z"),
        (at_four(QuotaPeriod::Day), "2024-01-02T20:00:00Z", "2024-01-02T20:00:00Z", "2024-01-03T20:00:00Z"),
        (window(QuotaPeriod::Week), "2024-01-07T23:00:00Z", "2024-01-01T00:00:00Z", "2024-01-08T00:00:00Z"),
        (window(QuotaPeriod::Month), "2024-02-29T23:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        (window(QuotaPeriod::Month), "1969-12-31T23:00:00Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        (
            window(QuotaPeriod::Every(SECOND * 900)),
            "2024-01-02T09:44:00Z",
            "2024-01-02T09:30:00Z",
            "2024-01-02T09:45:00Z",
        ),
        // Half an hour from UTC, so are its hours.
        (
            window(QuotaPeriod::Hour).zone(chrono_tz::Asia::Kolkata),
            "2024-01-02T09:44:00Z",
            "2024-01-02T09:30:00Z",
            "2024-01-02T10:30:00Z",
        ),
    ];
    for (window, now, start, end) in cases {
        assert_eq!(bounds(&window, utc(now)), (utc(start), utc(end)), "{window:?} at {now}");
    }
}
