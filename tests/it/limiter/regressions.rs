//! Faults that a review found, each by the promise it broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::clock::ManualClock;
use feedguard::limiter::{
    CalendarQuota, LimiterEventKind, QuotaPeriod, QuotaWindow, RateBound, RateControl, RatePermit,
};
use feedguard::{AdaptiveRateLimiter, Clock, Deadline, LimiterConfig};

use super::{MS, S, limiter as lim};
use crate::support::drive;

#[test]
fn polling_does_not_freeze_a_slow_limiter() {
    let (l, _c, time) = lim(LimiterConfig::fixed(1.0 / 86_400.0));
    l.try_acquire(1).unwrap().succeed();
    for _ in 0..2_200_000u32 {
        time.advance(MS(80));
        let _ = l.snapshot();
    } // two days
    assert!(l.try_acquire(1).is_ok());
}
#[test]
fn a_refund_never_gives_the_place_of_a_waiting_caller_away() {
    let (l, clock, time) = lim(LimiterConfig::fixed(1e9 / (1u64 << 30) as f64) /* 2^30 ns a permit: exact */);
    l.try_acquire(1).unwrap().succeed();
    let a = l.reserve(1, Deadline::never()).unwrap();
    let b = l.reserve(1, Deadline::never()).unwrap();
    time.advance(Duration::from_nanos(2 << 30));
    drop(a.wait(Deadline::never()).unwrap()); // late: started at b's place; given back
    let c = l.reserve(1, Deadline::never()).unwrap();
    b.wait(Deadline::never()).unwrap().succeed();
    let hour = Deadline::after(&clock, S(3600));
    thread::scope(|s| {
        let t = s.spawn(move || c.wait(hour).map(RatePermit::succeed));
        drive(&time, S(60), 61, || t.is_finished());
        t.join().unwrap().unwrap();
    });
}
#[test]
fn a_lost_quota_race_in_the_line_keeps_the_callers_place() {
    // The same quota twice makes the race "free when looked at, gone when taken" repeatable.
    let (clock, time) = Clock::manual();
    let q =
        Arc::new(CalendarQuota::new("q", vec![QuotaWindow::new(3, QuotaPeriod::Every(S(10)))], clock.clone()).unwrap());
    let l = AdaptiveRateLimiter::builder("l")
        .config(LimiterConfig::fixed(1.0).burst(2))
        .clock(clock.clone())
        .quota(q.clone())
        .quota(q)
        .build()
        .unwrap();
    l.try_acquire(1).unwrap().succeed();
    l.check(0).unwrap();
    let a = l.reserve(1, Deadline::never()).unwrap();
    let hour = Deadline::after(&clock, S(3600));
    thread::scope(|s| {
        let ta = s.spawn(move || a.wait(hour).map(RatePermit::succeed));
        thread::sleep(MS(30));
        let b = l.reserve(1, Deadline::never());
        let tb = s.spawn(move || b.unwrap().wait(hour).map(RatePermit::succeed));
        thread::sleep(MS(20));
        drive(&time, S(10), 400, || ta.is_finished() && tb.is_finished());
        let (ra, rb) = (ta.join().unwrap(), tb.join().unwrap());
        assert!(ra.is_ok() && rb.is_ok());
    });
}
/// A limiter with one quota twice: its odd limit makes the last take fail after the lane's grant, always.
fn one_quota_twice(clock: &Clock) -> AdaptiveRateLimiter {
    let window = QuotaWindow::new(101, QuotaPeriod::Day);
    let quota = Arc::new(CalendarQuota::new("q", vec![window], clock.clone()).unwrap());
    AdaptiveRateLimiter::builder("l")
        .config(LimiterConfig::default().initial_rate_per_sec(100.0).burst(100_000))
        .clock(clock.clone())
        .quota(quota.clone())
        .quota(quota)
        .build()
        .unwrap()
}

#[test]
fn a_lost_quota_race_leaks_no_call_in_flight() {
    for round in 0..300u32 {
        let (clock, _time) = Clock::manual();
        let l = one_quota_twice(&clock);
        let stop = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = l.snapshot();
                }
            });
            for _ in 0..2000 {
                if let Ok(p) = l.try_acquire(1) {
                    p.succeed();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        let s = l.snapshot();
        assert_eq!(s.in_flight, 0, "round {round} {s:?}");
    }
}
#[test]
fn a_check_is_no_error() {
    let (l, _c, time) = lim(LimiterConfig::default().control(RateControl::ErrorRate).initial_rate_per_sec(50.0));
    for _ in 0..60 {
        time.advance(S(2));
        l.check(1).unwrap();
    }
    assert!(l.rate() >= 50.0);
}
#[test]
fn the_ceiling_is_told() {
    let (clock, time) = Clock::manual();
    let told = Arc::new(std::sync::Mutex::new(vec![]));
    let t2 = told.clone();
    let l = AdaptiveRateLimiter::builder("l")
        .config(
            LimiterConfig::default()
                .initial_rate_per_sec(500.0)
                .max_rate_per_sec(1000.0)
                .in_flight_guard(false)
                .burst(1),
        )
        .clock(clock)
        .on_event(move |e| t2.lock().unwrap().push(e.kind))
        .build()
        .unwrap();
    for _ in 0..60_000 {
        time.advance(Duration::from_micros(1000));
        if let Ok(p) = l.try_acquire(1) {
            p.succeed();
        }
    }
    assert_eq!(l.snapshot().bound, RateBound::Ceiling);
    let told = told.lock().unwrap();
    assert!(matches!(told[..], [LimiterEventKind::Bound { to: RateBound::Ceiling, .. }]), "{told:?}");
}
#[test]
fn learning_a_new_base_ends_under_steady_demand() {
    let (l, _c, time) = lim(LimiterConfig::fixed(1000.0).control(RateControl::Adaptive).burst(100));
    for _ in 0..30 {
        let p = l.try_acquire(1).unwrap();
        time.advance(MS(100));
        p.succeed();
    }
    for _ in 0..3 {
        let crowd: Vec<_> = (0..10).map_while(|_| l.try_acquire(1).ok()).collect();
        for p in crowd {
            time.advance(MS(100));
            p.succeed();
        }
    }
    // steady demand: fill up to the cap always; each call takes 100 ms from here (no queue any more)
    let mut open: std::collections::VecDeque<RatePermit<'_>> = Default::default();
    let (mut twos, mut last) = (0, None);
    for _ in 0..6000 {
        // 20 ms steps, 120 s
        while let Ok(p) = l.try_acquire(1) {
            open.push_back(p);
            if open.len() > 50 {
                break;
            }
        }
        time.advance(MS(50));
        if let Some(p) = open.pop_front() {
            p.succeed();
        }
        let cap = l.snapshot().in_flight_cap;
        if cap != last {
            last = cap;
        }
        if cap == Some(2) { twos += 1 } else { twos = 0 }
    }
    assert!(twos < 1200, "a minute and more at 2 in flight");
}
#[test]
fn tiny_rates_do_not_jump_to_the_ceiling() {
    let (l, _c, time) = lim(LimiterConfig::default()
        .initial_rate_per_sec(1.0 / 60.0)
        .min_rate_per_sec(1.0 / 600.0)
        .max_rate_per_sec(100.0)
        .in_flight_guard(false));
    for _ in 0..8 {
        let w = l.peek();
        time.advance(w);
        l.try_acquire(1).unwrap().succeed();
    }
    assert!(l.rate() < 1.0);
}
#[test]
fn restored_calls_keep_their_age_on_the_system_clock() {
    let w = vec![QuotaWindow::sliding(1, QuotaPeriod::Hour)];
    let q = CalendarQuota::new("q", w, Clock::system()).unwrap();
    let at = Clock::system().wall() - chrono::TimeDelta::seconds(3590);
    let text = format!(
        r#"{{"windows":[{{"per":"hour","kind":"sliding","used":1,"start":"{0}","calls":[["{0}",1]]}}]}}"#,
        at.to_rfc3339()
    );
    q.restore(&serde_json::from_str(&text).unwrap());
    let wait = q.try_take(1).unwrap_err().retry_after.unwrap();
    assert!(wait < S(11), "{wait:?} instead of 10 s");
}
#[test]
fn a_restored_count_never_overflows() {
    let (clock, _t) = Clock::manual();
    let q = CalendarQuota::new("q", vec![QuotaWindow::new(5, QuotaPeriod::Day)], clock).unwrap();
    let mut s = q.save();
    s.windows[0].used = u64::MAX;
    q.restore(&s);
    assert!(q.try_take(1).is_err());
}
#[test]
fn counts_beyond_32_bits_are_taken_over() {
    let (clock, _t) = Clock::manual();
    let q = CalendarQuota::new("q", vec![QuotaWindow::new(20_000_000_000, QuotaPeriod::Month)], clock).unwrap();
    q.sync_used(QuotaPeriod::Month, 15_000_000_000);
    assert_eq!(q.remaining(QuotaPeriod::Month), Some(5_000_000_000));
}
#[test]
fn a_remaining_header_is_read_for_each_window() {
    let (clock, _t) = Clock::manual();
    let q = CalendarQuota::new(
        "q",
        vec![QuotaWindow::new(100, QuotaPeriod::Day), QuotaWindow::sliding(50, QuotaPeriod::Day)],
        clock,
    )
    .unwrap();
    q.sync_remaining(QuotaPeriod::Day, 10);
    assert_eq!(q.remaining(QuotaPeriod::Day), Some(10));
}
fn to(clock: &Clock, time: &ManualClock, at: &str) {
    let at: chrono::DateTime<chrono::Utc> = at.parse().unwrap();
    let d = at - clock.wall();
    time.advance(d.to_std().unwrap());
}
#[test]
fn a_reset_that_a_clock_change_skips_comes_an_hour_later() {
    let (clock, time) = Clock::manual();
    to(&clock, &time, "2024-03-10T06:30:00Z"); // 01:30 EST; 02:30 does not exist, counts as 03:30 EDT = 07:30Z
    let w = QuotaWindow::new(1, QuotaPeriod::Day)
        .reset_at(chrono::NaiveTime::from_hms_opt(2, 30, 0).unwrap())
        .zone(chrono_tz::America::New_York);
    let q = CalendarQuota::new("q", vec![w], clock.clone()).unwrap();
    q.try_take(1).unwrap();
    to(&clock, &time, "2024-03-10T07:00:00Z");
    let early = q.try_take(1);
    println!("at 07:00Z {early:?}; then told {:?}", q.try_take(1).unwrap_err().retry_after);
    assert!(early.is_err(), "told until 07:30Z, granted at 07:00Z");
}
#[test]
fn a_restart_in_the_hour_that_comes_twice_keeps_the_count() {
    let (clock, time) = Clock::manual();
    to(&clock, &time, "2024-11-03T05:40:00Z"); // 01:40 EDT
    let w = QuotaWindow::new(1, QuotaPeriod::Day)
        .reset_at(chrono::NaiveTime::from_hms_opt(1, 30, 0).unwrap())
        .zone(chrono_tz::America::New_York);
    let q = CalendarQuota::new("q", vec![w.clone()], clock.clone()).unwrap();
    q.try_take(1).unwrap();
    to(&clock, &time, "2024-11-03T06:10:00Z"); // 01:10 EST
    let again = CalendarQuota::new("q", vec![w], clock.clone()).unwrap();
    again.restore(&q.save());
    assert_eq!(again.remaining(QuotaPeriod::Day), Some(0));
}
#[test]
fn a_clock_set_back_a_little_tells_the_whole_wait() {
    let (clock, time) = Clock::manual();
    let q = CalendarQuota::new("q", vec![QuotaWindow::new(1, QuotaPeriod::Minute)], clock).unwrap();
    q.try_take(1).unwrap();
    time.jump_wall_millis(-10_000);
    let told = q.try_take(1).unwrap_err().retry_after.unwrap();
    time.advance(told);
    let r = q.try_take(1);
    assert!(r.is_ok(), "told {told:?}, then {r:?}");
}
#[test]
fn a_race_for_the_last_quota_leaks_nothing() {
    for round in 0..3000u32 {
        let (clock, _time) = Clock::manual();
        let q =
            Arc::new(CalendarQuota::new("q", vec![QuotaWindow::new(300, QuotaPeriod::Day)], clock.clone()).unwrap());
        let l = AdaptiveRateLimiter::builder("l")
            .config(LimiterConfig::default().burst(100_000))
            .clock(clock.clone())
            .quota(q.clone())
            .build()
            .unwrap();
        let work = || {
            for _ in 0..400 {
                if let Ok(p) = l.try_acquire(1) {
                    p.succeed();
                }
            }
        };
        thread::scope(|s| {
            s.spawn(work);
            s.spawn(work);
            s.spawn(work);
        });
        let s = l.snapshot();
        assert_eq!(s.in_flight, 0, "round {round} {s:?}");
    }
}
#[test]
fn a_guard_that_is_engaged_never_wedges() {
    let (clock, time) = Clock::manual();
    let l = one_quota_twice(&clock);
    let stop = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(l.snapshot());
            }
        });
        for _ in 0..2000 {
            if let Ok(p) = l.try_acquire(1) {
                p.succeed();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    time.advance(S(86_400));
    let p = l.try_acquire(1).unwrap();
    time.advance(S(1));
    p.finish(Outcome::TimedOut);
    time.advance(S(3600));
    l.try_acquire(1).unwrap().succeed();
}
