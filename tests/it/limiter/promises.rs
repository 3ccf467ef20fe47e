use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::clock::ManualClock;
use feedguard::limiter::{
    CalendarQuota, LimitReason, LimiterEventKind, QuotaPeriod, QuotaWindow, RateBound, RateControl, retry_after,
};
use feedguard::{AdaptiveRateLimiter, Clock, Deadline, LimiterConfig};
use proptest::prelude::*;

use super::{MS, S, limiter};
use crate::support::eventually;

/// What rounding a rate down may add to a wait.
const NS: Duration = Duration::from_nanos(1);

fn fixed(rate: f64, burst: u32) -> LimiterConfig {
    LimiterConfig::default().control(RateControl::Fixed).initial_rate_per_sec(rate).burst(burst)
}

#[test]
fn a_burst_is_exact_and_the_refusal_says_when() {
    let (limiter, _clock, time) = limiter(fixed(10.0, 3));
    for _ in 0..3 {
        limiter.try_acquire(1).unwrap().succeed();
    }
    let refused = limiter.try_acquire(1).unwrap_err();
    assert_eq!(refused.reason, LimitReason::Rate);
    let wait = refused.retry_after.unwrap();
    assert!(wait >= MS(100) && wait <= MS(100) + NS, "{wait:?}");
    time.advance(wait - NS);
    assert!(limiter.try_acquire(1).is_err());
    time.advance(NS);
    limiter.try_acquire(1).unwrap().succeed();
}

#[test]
fn more_than_the_burst_is_an_error_at_once() {
    let (limiter, clock, _time) = limiter(fixed(10.0, 3));
    let refused = limiter.acquire(4, Deadline::after(&clock, S(100))).unwrap_err();
    assert_eq!(refused.reason, LimitReason::ExceedsBurst { asked: 4, burst: 3 });
    assert_eq!(refused.retry_after, None);
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused_at_once_and_consumes_nothing() {
    let (limiter, clock, time) = limiter(fixed(1.0, 1));
    limiter.try_acquire(1).unwrap().succeed();
    for _ in 0..100 {
        let refused = limiter.acquire(1, Deadline::after(&clock, MS(500))).unwrap_err();
        assert!(refused.retry_after.unwrap() <= S(1) + NS, "{refused}");
    }
    time.advance(S(1) + NS);
    limiter.try_acquire(1).unwrap().succeed();
}

#[test]
fn a_dropped_permit_gives_its_token_back() {
    let (limiter, _clock, _time) = limiter(fixed(1.0, 1));
    drop(limiter.try_acquire(1).unwrap());
    limiter.try_acquire(1).unwrap().succeed();
    assert!(limiter.try_acquire(1).is_err());
    assert_eq!(limiter.snapshot().granted, 1);
}

#[test]
fn retry_after_pauses_everybody_and_is_capped() {
    let (limiter, _clock, time) = limiter(fixed(10.0, 5).max_pause(S(30)));
    let pause = |after| limiter.record(Outcome::Limited { retry_after: Some(after) });
    pause(S(1_000_000_000));
    let refused = limiter.try_acquire(1).unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (LimitReason::Paused, Some(S(30))));
    pause(S(1));
    time.advance(S(29));
    assert!(limiter.try_acquire(1).is_err(), "a shorter pause does not end a longer one");
    time.advance(S(1));
    limiter.try_acquire(1).unwrap().succeed();
}

#[test]
fn a_rate_cut_does_not_stretch_the_pause() {
    let (limiter, _clock, _time) = limiter(LimiterConfig::default());
    limiter.try_acquire(1).unwrap().finish(Outcome::Limited { retry_after: Some(S(3)) });
    let wait = limiter.try_acquire(1).unwrap_err().retry_after.unwrap();
    let interval = Duration::from_secs_f64(1.0 / 6.0);
    assert!(wait >= S(3) && wait <= S(3) + interval + MS(1), "{wait:?}");
}

#[test]
fn waiting_callers_go_in_order_also_across_a_pause_and_none_too_early() {
    let (limiter, clock, time) = limiter(fixed(1.0, 1));
    limiter.try_acquire(1).unwrap().succeed();
    let granted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for name in 0..4 {
            let (limiter, clock, granted) = (&limiter, &clock, &granted);
            scope.spawn(move || {
                let permit = limiter.acquire(1, Deadline::after(clock, S(1000))).unwrap();
                granted.lock().unwrap().push((name, clock.now()));
                permit.succeed();
            });
            eventually("it waits", || limiter.snapshot().waiting == name + 1);
        }
        limiter.record(Outcome::Limited { retry_after: Some(S(10)) });
        for done in 1..=4 {
            time.advance(if done == 1 { S(11) } else { S(1) } + NS);
            eventually("one more goes", || granted.lock().unwrap().len() == done);
            assert_eq!(limiter.snapshot().waiting, 4 - done, "and only one");
        }
    });
    let names: Vec<usize> = granted.lock().unwrap().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [0, 1, 2, 3]);
}

#[test]
fn a_refund_in_the_middle_of_the_line_mints_nothing() {
    let (limiter, _clock, time) = limiter(fixed(1.0, 1));
    let first = limiter.try_acquire(1).unwrap();
    time.advance(S(1) + NS);
    let second = limiter.try_acquire(1).unwrap();
    drop(first);
    assert!(limiter.try_acquire(1).is_err(), "two calls at one instant");
    drop(second);
    assert!(limiter.try_acquire(1).is_ok(), "the last one goes back");
}

#[test]
fn after_a_pause_callers_start_one_by_one() {
    let (limiter, _clock, time) = limiter(fixed(10.0, 5));
    limiter.record(Outcome::Limited { retry_after: Some(S(2)) });
    time.advance(S(2));
    limiter.try_acquire(1).unwrap().succeed();
    assert!(limiter.try_acquire(1).unwrap_err().retry_after.unwrap() >= MS(100));
}

#[test]
fn close_wakes_all_who_wait() {
    let (limiter, _clock, _time) = limiter(fixed(0.001, 1).min_rate_per_sec(0.001));
    limiter.try_acquire(1).unwrap().succeed();
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..8).map(|_| scope.spawn(|| limiter.acquire(1, Deadline::never()).unwrap_err())).collect();
        eventually("all wait", || limiter.snapshot().waiting == 8);
        limiter.close();
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap().reason, LimitReason::Closed);
        }
    });
    assert_eq!(limiter.try_acquire(1).unwrap_err().reason, LimitReason::Closed);
}

#[test]
fn only_limit_answers_cut_the_rate() {
    let (limiter, _clock, time) = limiter(LimiterConfig::default());
    for _ in 0..100 {
        limiter.record(Outcome::Failure);
    }
    assert!((limiter.rate() - 10.0).abs() < 1e-9);
    let mut rates = vec![10.0];
    for _ in 0..7 {
        limiter.record(Outcome::Limited { retry_after: None });
        rates.push(limiter.rate());
        time.advance(MS(100));
    }
    assert!((rates[1] - 6.0).abs() < 1e-9);
    // Each further one takes more, down to the floor.
    let left: Vec<f64> = rates.windows(2).map(|pair| pair[1] / pair[0]).collect();
    assert!(left[1..3].iter().all(|left| (0.5..0.9).contains(left)) && left[2] <= left[1], "{rates:?}");
    assert!((limiter.rate() - 1.0).abs() < 1e-9, "{rates:?}");
}

#[test]
fn a_switched_off_limiter_says_yes() {
    let (limiter, _clock, _time) = limiter(LimiterConfig::off());
    for _ in 0..1000 {
        limiter.try_acquire(1).unwrap().finish(Outcome::Limited { retry_after: Some(S(100)) });
    }
    assert_eq!(limiter.peek(), Duration::ZERO);
}

#[test]
fn jumps_of_the_clock_do_not_panic() {
    let (limiter, _clock, time) = limiter(LimiterConfig::default());
    limiter.try_acquire(1).unwrap().succeed();
    time.advance(S(10 * 365 * 24 * 3600));
    limiter.try_acquire(1).unwrap().succeed();
    time.advance(Duration::MAX);
    drop(limiter.try_acquire(1));
    limiter.record(Outcome::Limited { retry_after: Some(Duration::MAX) });
    // At the last tick no later one can be named: nothing is promised but an answer.
    drop(limiter.try_acquire(1));
}

proptest! {
    /// Every window of the grant log obeys `burst + rate x window`, to a millionth of a permit: at rates from one a day to 5e9 a
    /// second, with waits, several permits at once, permits that are dropped, pauses and rate cuts.
    #[test]
    fn no_window_of_the_grant_log_holds_more_than_burst_plus_rate(
        log_rate in (1.0f64 / 86_400.0).ln()..5e9f64.ln(),
        burst in 1u32..20,
        adaptive in any::<bool>(),
        steps in prop::collection::vec((0u8..10, 1u32..4, 0.0..3.0f64), 1..200),
    ) {
        let rate = log_rate.exp().clamp(1.0 / 86_400.0, 5e9);
        let control = if adaptive { RateControl::Adaptive } else { RateControl::Fixed };
        let config = LimiterConfig::fixed(rate).control(control).burst(burst).min_rate_per_sec(rate / 100.0);
        let config = config.min_rate_per_sec((rate / 100.0).max(1.0 / 86_400.0)).max_rate_per_sec((rate * 4.0).min(5e9));
        let (limiter, clock, time) = limiter(config);
        let start = clock.now();
        // Permits allowed from the start to each grant, by the rates there were.
        let (mut allowed, mut log) = (0.0, Vec::new());
        for (what, n, gap) in steps {
            match what {
                0 => drop(limiter.try_acquire(n.min(burst))),
                1 if adaptive => limiter.record(Outcome::Limited { retry_after: None }),
                2 => limiter.record(Outcome::Limited { retry_after: Some(Duration::from_secs_f64(gap / rate)) }),
                3..=5 => {
                    // Exactly as long as told.
                    let wait = limiter.try_acquire(n).map_or_else(|l| l.retry_after.unwrap_or_default(), |_| Duration::ZERO);
                    let wait = wait.min(Duration::from_secs_f64(100.0 / rate).max(Duration::from_nanos(1)));
                    allowed += limiter.rate() * wait.as_secs_f64();
                    time.advance(wait);
                }
                _ => {
                    let gap = Duration::from_secs_f64(gap / rate).max(Duration::from_nanos(1));
                    allowed += limiter.rate() * gap.as_secs_f64();
                    time.advance(gap);
                }
            }
            while let Ok(permit) = limiter.try_acquire(n) {
                log.extend((0..n).map(|_| allowed));
                if log.len() > 5_000 {
                    break;
                }
                permit.succeed();
            }
        }
        prop_assert!(clock.now() >= start);
        for (i, from) in log.iter().enumerate() {
            // The last of each run of grants at one moment is the strictest.
            for (j, to) in log.iter().enumerate().skip(i).take(300) {
                let most = f64::from(burst) + to - from;
                prop_assert!((j - i + 1) as f64 <= most * (1.0 + 1e-9) + 1e-6, "{} grants, {most} allowed", j - i + 1);
            }
        }
    }
}

#[test]
fn told_times_are_exact_at_every_rate() {
    for rate in [1.0 / 86_400.0, 0.1, 1.0, 7.0, 1e3, 1e6, 3e9, 5e9] {
        let (limiter, _clock, time) = limiter(LimiterConfig::fixed(rate).burst(3));
        for _ in 0..50 {
            while let Ok(permit) = limiter.try_acquire(1) {
                permit.succeed();
            }
            let wait = limiter.try_acquire(1).unwrap_err().retry_after.unwrap();
            let exact = 1.0 / rate;
            assert!(wait.as_secs_f64() <= exact * 1.0002 + 2e-9, "{wait:?} for {exact} s");
            time.advance(wait);
            limiter.try_acquire(1).unwrap().succeed();
        }
    }
}

#[test]
fn threads_at_one_instant_never_take_more_than_the_burst() {
    for burst in [1, 7, 100] {
        let (limiter, _clock, time) = limiter(fixed(50.0, burst));
        for round in 1..=3 {
            let granted = Mutex::new(Vec::new());
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..100 {
                            granted.lock().unwrap().extend(limiter.try_acquire(1));
                        }
                    });
                }
            });
            let granted = granted.into_inner().unwrap();
            assert_eq!(granted.len(), burst as usize, "round {round}");
            for permit in granted {
                permit.succeed();
            }
            time.advance(S(1000));
        }
    }
}

#[test]
fn a_reservation_keeps_its_place_and_a_dropped_one_gives_it_back() {
    let (limiter, clock, time) = limiter(fixed(1.0, 1));
    limiter.try_acquire(1).unwrap().succeed();
    let first = limiter.reserve(1, Deadline::never()).unwrap();
    let second = limiter.reserve(1, Deadline::never()).unwrap();
    assert!(first.remaining() <= S(1) + NS && second.remaining() > S(1));
    assert!(limiter.reserve(1, Deadline::after(&clock, S(2))).is_err(), "the third turn is in three seconds");
    drop(second);
    let second = limiter.reserve(1, Deadline::after(&clock, S(2) + MS(1))).unwrap();
    time.advance(S(1) + NS);
    assert!(limiter.try_acquire(1).is_err(), "the first has not started yet, nobody overtakes it");
    first.wait(Deadline::never()).unwrap().succeed();
    time.advance(S(1) + NS);
    second.wait(Deadline::never()).unwrap().succeed();
    assert_eq!(limiter.snapshot().granted, 3);
}

#[test]
fn after_a_refusal_nothing_saved_up_is_left() {
    let (limiter, _clock, _time) = limiter(LimiterConfig::default().burst(10));
    limiter.try_acquire(1).unwrap().finish(Outcome::Limited { retry_after: None });
    let wait = limiter.try_acquire(1).unwrap_err().retry_after.unwrap();
    assert!(wait > MS(160), "one interval at six a second, and no burst of nine: {wait:?}");
}

#[test]
fn the_rate_at_its_floor_is_told_once_and_left_at_a_distance() {
    let (clock, time) = Clock::manual();
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let config = LimiterConfig::default().min_rate_per_sec(4.0).max_rate_per_sec(20.0);
    let limiter = AdaptiveRateLimiter::builder("feed").config(config).clock(clock);
    let limiter = limiter.on_event(|_| panic!("a listener's own fault"));
    let limiter = limiter.on_event(move |event| {
        if let LimiterEventKind::Bound { from, to, .. } = event.kind {
            log.lock().unwrap().push((event.sequence, from, to));
        }
    });
    let limiter = limiter.build().unwrap();
    for _ in 0..5 {
        time.advance(S(1));
        limiter.record(Outcome::Limited { retry_after: None });
    }
    assert_eq!(*events.lock().unwrap(), [(1, RateBound::Between, RateBound::Floor)]);
    assert_eq!(limiter.snapshot().bound, RateBound::Floor);
    for _ in 0..400 {
        time.advance(MS(100));
        limiter.record(Outcome::Success);
    }
    assert_eq!(limiter.snapshot().bound, RateBound::Ceiling, "the snapshot knows at once");
    assert_eq!(events.lock().unwrap().len(), 1, "operators are told once a minute at most");
    for _ in 0..300 {
        time.advance(MS(100));
        limiter.record(Outcome::Success);
    }
    let told = events.lock().unwrap().clone();
    assert_eq!(told[1..], [(2, RateBound::Floor, RateBound::Ceiling)]);
    assert_eq!(told.last().unwrap().2, RateBound::Ceiling);
}

#[test]
fn a_source_that_queues_is_held_to_a_few_calls_in_flight() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(1000.0).control(RateControl::Adaptive).burst(100));
    // Alone it answers in 100 ms.
    for _ in 0..30 {
        let permit = limiter.try_acquire(1).unwrap();
        time.advance(MS(100));
        permit.succeed();
    }
    // Ten at a time take ten times as long.
    for _ in 0..3 {
        let crowd: Vec<_> = (0..10).map_while(|_| limiter.try_acquire(1).ok()).collect();
        for permit in crowd {
            time.advance(MS(100));
            permit.succeed();
        }
    }
    let snapshot = limiter.snapshot();
    let cap = snapshot.in_flight_cap.unwrap();
    assert!(cap < 10, "{snapshot:?}");
    let held: Vec<_> = (0..cap).map(|_| limiter.try_acquire(1).unwrap()).collect();
    let refused = limiter.try_acquire(1).unwrap_err();
    assert_eq!(refused.reason, LimitReason::InFlight { cap });
    // A waiting caller starts as soon as one has ended.
    thread::scope(|scope| {
        let waiter = scope.spawn(|| limiter.acquire(1, Deadline::after(&clock, S(10))).map(|permit| permit.succeed()));
        eventually("a waiter lies down", || limiter.snapshot().waiting == 1);
        for permit in held {
            permit.succeed();
        }
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(limiter.snapshot().in_flight, 0);
}

fn quota(windows: Vec<QuotaWindow>) -> (CalendarQuota, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    (CalendarQuota::new("account", windows, clock.clone()).unwrap(), clock, time)
}

#[test]
fn several_windows_hold_at_once_and_the_longest_wait_is_told() {
    let windows = vec![QuotaWindow::new(5, QuotaPeriod::Minute), QuotaWindow::new(12, QuotaPeriod::Day)];
    let (quota, _clock, time) = quota(windows);
    let mut taken = 0;
    for _ in 0..5 {
        while quota.try_take(1).is_ok() {
            taken += 1;
        }
        time.advance(S(60));
    }
    assert_eq!(taken, 12);
    let refused = quota.try_take(1).unwrap_err();
    assert_eq!(refused.reason, LimitReason::Quota { limit: 12, per: QuotaPeriod::Day });
    // 09:35 to midnight.
    assert_eq!(refused.retry_after, Some(S((14 * 60 + 25) * 60)));
    assert_eq!(quota.try_take(13).unwrap_err().retry_after, None, "it can never succeed");
    assert_eq!((quota.remaining(QuotaPeriod::Minute), quota.remaining(QuotaPeriod::Day)), (Some(5), Some(0)));
}

#[test]
fn a_sliding_window_gives_back_call_by_call() {
    let (quota, _clock, time) = quota(vec![QuotaWindow::sliding(3, QuotaPeriod::Minute)]);
    for _ in 0..3 {
        quota.try_take(1).unwrap();
        time.advance(S(10));
    }
    assert_eq!(quota.try_take(1).unwrap_err().retry_after, Some(S(30)));
    assert_eq!(quota.try_take(2).unwrap_err().retry_after, Some(S(40)));
    time.advance(S(30));
    quota.try_take(1).unwrap();
    assert!(quota.try_take(1).is_err());
}

#[test]
fn a_wall_clock_set_back_or_ahead_neither_gives_a_window_twice_nor_blocks_for_years() {
    let hour = 3_600_000;
    let (quota, _clock, time) = quota(vec![QuotaWindow::new(2, QuotaPeriod::Hour)]);
    quota.try_take(2).unwrap();
    for jump in [-hour, -hour * 24 * 365 * 50, hour * 24 * 365 * 50] {
        time.jump_wall_millis(jump);
        assert!(quota.try_take(1).is_err(), "a jump of {jump} ms back and forth");
    }
    // Ten years ahead the window is over; set back again, the next one comes within an hour.
    time.jump_wall_millis(hour * 24 * 3650);
    quota.try_take(2).unwrap();
    time.jump_wall_millis(-hour * 24 * 3650);
    let wait = quota.try_take(1).unwrap_err().retry_after.unwrap();
    assert!(wait <= S(3600), "{wait:?}");
    time.advance(wait);
    assert!(quota.try_take(1).is_ok());
}

#[test]
fn counts_survive_a_restart_and_old_ones_are_forgotten() {
    let windows = || vec![QuotaWindow::new(10, QuotaPeriod::Day), QuotaWindow::sliding(5, QuotaPeriod::Hour)];
    let (before, clock, time) = quota(windows());
    before.try_take(2).unwrap();
    time.advance(S(600));
    before.try_take(2).unwrap();
    let saved = serde_json::to_string(&before.save()).unwrap();
    let after = CalendarQuota::new("account", windows(), clock.clone()).unwrap();
    after.restore(&serde_json::from_str(&saved).unwrap());
    after.restore(&serde_json::from_str(&saved).unwrap());
    assert_eq!(after.remaining(QuotaPeriod::Day), Some(6), "twice restored counts once");
    time.advance(S(3001));
    assert_eq!(after.try_take(3).map_err(|limited| limited.reason), Ok(()), "the first two have left the hour");
    let tomorrow = CalendarQuota::new("account", windows(), clock).unwrap();
    time.advance(S(24 * 3600));
    tomorrow.restore(&serde_json::from_str(&saved).unwrap());
    assert_eq!((tomorrow.remaining(QuotaPeriod::Day), tomorrow.remaining(QuotaPeriod::Hour)), (Some(10), Some(5)));
}

#[test]
fn headers_of_the_vendor_raise_the_count_and_never_lower_it() {
    let (quota, _clock, _time) = quota(vec![QuotaWindow::new(25, QuotaPeriod::Day)]);
    quota.try_take(3).unwrap();
    quota.sync_used(QuotaPeriod::Day, 17);
    assert_eq!(quota.remaining(QuotaPeriod::Day), Some(8));
    quota.sync_used(QuotaPeriod::Day, 4);
    quota.sync_remaining(QuotaPeriod::Day, 2);
    assert_eq!(quota.remaining(QuotaPeriod::Day), Some(2));
    quota.sync_used(QuotaPeriod::Day, u64::MAX);
    assert_eq!(quota.remaining(QuotaPeriod::Day), Some(0));
}

#[test]
fn a_group_shares_one_quota_and_unused_permits_give_their_calls_back() {
    let (clock, _time) = Clock::manual();
    let windows = vec![QuotaWindow::new(3, QuotaPeriod::Day)];
    let group = Arc::new(CalendarQuota::new("account", windows, clock.clone()).unwrap());
    let limiter = |name: &str| {
        let config = fixed(100.0, 10).quotas(vec![QuotaWindow::new(2, QuotaPeriod::Minute)]);
        let builder = AdaptiveRateLimiter::builder(name).config(config).clock(clock.clone());
        builder.quota(Arc::clone(&group)).build().unwrap()
    };
    let (daily, minute) = (limiter("daily"), limiter("minute"));
    drop(daily.try_acquire(2).unwrap());
    daily.try_acquire(2).unwrap().succeed();
    let refused = daily.try_acquire(1).unwrap_err();
    assert_eq!(refused.reason, LimitReason::Quota { limit: 2, per: QuotaPeriod::Minute });
    assert_eq!(daily.peek(), refused.retry_after.unwrap());
    minute.try_acquire(1).unwrap().succeed();
    let refused = minute.try_acquire(1).unwrap_err();
    assert_eq!(refused.reason, LimitReason::Quota { limit: 3, per: QuotaPeriod::Day });
    assert_eq!(daily.quotas()[0].remaining(QuotaPeriod::Minute), Some(0));
    assert_eq!(minute.quotas()[0].remaining(QuotaPeriod::Minute), Some(1), "the refused one took nothing");
}

#[test]
fn a_caller_waits_for_the_next_window_if_its_deadline_allows() {
    let config = fixed(100.0, 10).quotas(vec![QuotaWindow::new(1, QuotaPeriod::Minute)]);
    let (limiter, clock, time) = limiter(config);
    limiter.try_acquire(1).unwrap().succeed();
    let refused = limiter.acquire(1, Deadline::after(&clock, S(59))).unwrap_err();
    assert_eq!(refused.retry_after, Some(S(60)));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| limiter.acquire(1, Deadline::after(&clock, S(61))).map(|permit| permit.succeed()));
        eventually("a waiter lies down", || limiter.snapshot().waiting == 1);
        time.advance(S(60));
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn threads_never_overspend_a_quota() {
    let (clock, _time) = Clock::manual();
    let config = LimiterConfig::fixed(1e6).burst(100_000).quotas(vec![QuotaWindow::new(100, QuotaPeriod::Day)]);
    let limiter = AdaptiveRateLimiter::builder("feed").config(config).clock(clock).build().unwrap();
    let made: usize = thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|seed| {
                let limiter = &limiter;
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    let mut made = 0;
                    for _ in 0..500 {
                        if let Ok(permit) = limiter.try_acquire(1) {
                            if rng.bool() {
                                drop(permit)
                            } else {
                                permit.succeed();
                                made += 1;
                            }
                        }
                    }
                    made
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!(made, 100);
    assert_eq!(limiter.quotas()[0].remaining(QuotaPeriod::Day), Some(0));
}

#[test]
fn nonsense_windows_are_all_reported() {
    let text = r#"{"quotas": [{"limit": 0, "per": "day"}, {"limit": 1000000, "per": "day", "kind": "sliding"},
        {"limit": 5, "per": "day"}]}"#;
    let config: LimiterConfig = serde_json::from_str(text).unwrap();
    let error = config.validate().unwrap_err();
    let paths: Vec<&str> = error.faults().iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["quotas.[0].limit", "quotas.[1].limit", "quotas.[2].per"]);
    assert!(
        serde_json::from_str::<LimiterConfig>(r#"{"quotas": [{"limit": 5, "per": "day", "zone": "Mars"}]}"#).is_err()
    );
}

#[test]
fn retry_after_headers_are_seconds_or_dates_and_nonsense_is_none() {
    let (clock, _time) = Clock::manual();
    let read = |text: &str| retry_after(text, clock.wall());
    let cases = [
        (" 7 ", MS(7_000)),
        ("0.5", MS(500)),
        ("0", MS(0)),
        ("30s", MS(30_000)),
        ("500ms", MS(500)),
        ("500 ms", Duration::MAX),
        ("120, 60", MS(120_000)),
        ("60,120", MS(120_000)),
        ("60, soon", MS(60_000)),
        ("315360000", S(315_360_000)),
        // The three forms, and what vendors make of them; it is 2024-01-02 09:30:00, a Tuesday.
        ("Tue, 02 Jan 2024 09:30:05 GMT", MS(5_000)),
        ("Tuesday, 02-Jan-24 09:30:05 GMT", MS(5_000)),
        ("Tue Jan  2 09:30:05 2024", MS(5_000)),
        ("Tue, 2 Jan 2024 09:30:05 GMT", MS(5_000)),
        ("Tue, 02 Jan 2024 09:30:60 GMT", MS(60_000)),
        ("Tue, 02 Jan 2024 09:30:05 UTC", MS(5_000)),
        ("Tue, 02 Jan 2024 09:30:05 +0000", MS(5_000)),
        ("Tue, 02 Jan 2024 09:30:05", MS(5_000)),
        ("tue, 02 jan 2024 09:30:05 gmt", MS(5_000)),
        ("Sun, 02 Jan 2024 09:30:05 GMT", MS(5_000)),
        ("02 Jan 2024 09:30:05 GMT", MS(5_000)),
        ("Tue, 02 Jan 2024 09:30:05 GMT, 60", MS(60_000)),
        ("Tue, 02 Jan 2024 09:30:05 GMT, Tue, 02 Jan 2024 09:30:09 GMT", MS(9_000)),
        ("Mon, 01 Jan 2024 00:00:00 GMT", MS(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", MS(0)),
    ];
    for (text, wait) in cases {
        assert_eq!(read(text), Some(wait).filter(|wait| *wait < Duration::MAX), "{text:?}");
    }
    let nonsense = [
        "",
        "soon",
        "-1",
        "NaN",
        "5 s",
        "99999-99-99",
        "inf",
        "infinity",
        "1e3",
        "1e10000",
        "+5",
        "1900000000",
        "5m",
        ".5",
        "1_000",
        "0x10",
        "1.2.3",
        "Tue, 32 Jan 2024 09:30:05 GMT",
        "Tue, 02 Jan 2024 24:00:00 GMT",
        "Tue, 02 Jan 2024 09:30:61 GMT",
        "Tue, 02 Jan 2040 09:30:05 GMT",
        "Tue, 02 Jan 2024 09:30:05 +0800",
        "s",
        "ms",
        ",",
        "Jan Jan Jan Jan",
    ];
    for text in nonsense {
        assert_eq!(read(text), None, "{text:?}");
    }
}
