//! What independent use found in the corners: intervals to the nanosecond, leaks, operators, quotas, alarms.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use feedguard::clock::ManualClock;
use feedguard::limiter::{
    CalendarQuota, Keyed, LimitReason, LimiterEventKind, QuotaPeriod, QuotaWindow, RateBound, RateControl, Reservation,
};
use feedguard::{AdaptiveRateLimiter, Clock, Deadline, LimiterConfig, Outcome};

use super::{MS, S, limiter};
use crate::support::eventually;

const NS: fn(u64) -> Duration = Duration::from_nanos;

// ===== intervals =====

/// Grants in a closed span, by a caller who waits exactly as long as it is told.
fn grants_in(limiter: &AdaptiveRateLimiter, clock: &Clock, time: &ManualClock, span: Duration, looks: bool) -> u32 {
    let (start, mut grants) = (clock.now(), 0);
    loop {
        match limiter.try_acquire(1) {
            Ok(permit) => {
                permit.succeed();
                grants += 1;
            }
            Err(refused) => {
                let wait = refused.retry_after.unwrap();
                time.advance(wait - NS(1));
                assert!(clock.now().since(start) >= span || limiter.try_acquire(1).is_err(), "a nanosecond early");
                time.advance(NS(1));
            }
        }
        if looks {
            // Takes the bucket under the lock and lends it again.
            limiter.snapshot();
        }
        if clock.now().since(start) > span {
            return grants;
        }
    }
}

#[test]
fn a_closed_span_holds_its_permits_and_the_first_of_the_next_to_the_nanosecond() {
    for (rate, span, grants) in [
        (10.0, S(10), 101),
        (1.0, S(60), 61),
        (2.5, S(10), 26),
        (0.1, S(100), 11),
        (64.0, S(2), 129),
        (1e5, MS(10), 1001),
    ] {
        for looks in [false, true] {
            let (limiter, clock, time) = limiter(LimiterConfig::fixed(rate));
            assert_eq!(grants_in(&limiter, &clock, &time, span, looks), grants, "{rate} {looks}");
            // After a rest that ends between two nanoseconds of the rate.
            for rest in [S(1000) + NS(1), S(7) + NS(123_456_789), S(86_400) + NS(333_333_333)] {
                time.advance(rest);
                assert_eq!(grants_in(&limiter, &clock, &time, span, looks), grants, "{rate} {looks} after {rest:?}");
            }
        }
    }
}

#[test]
fn a_deadline_exactly_at_the_grant_is_met() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(10.0));
    limiter.try_acquire(1).unwrap().succeed();
    assert!(limiter.reserve(1, Deadline::after(&clock, MS(100) - NS(1))).is_err());
    let place = limiter.reserve(1, Deadline::after(&clock, MS(100))).unwrap();
    let deadline = Deadline::after(&clock, MS(100));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| place.wait(deadline).map(|permit| permit.succeed()));
        time.advance(MS(100));
        assert!(waiter.join().unwrap().is_ok());
    });
}

#[test]
fn the_time_told_while_a_pause_is_on_is_exact() {
    let (limiter, _clock, time) = limiter(LimiterConfig::fixed(10.0));
    limiter.try_acquire(1).unwrap().finish(Outcome::Limited { retry_after: Some(S(2)) });
    let refused = limiter.try_acquire(1).unwrap_err();
    assert_eq!((refused.reason, limiter.peek()), (LimitReason::Paused, refused.retry_after.unwrap()));
    time.advance(refused.retry_after.unwrap() - NS(1));
    assert!(limiter.try_acquire(1).is_err());
    time.advance(NS(1));
    assert!(limiter.try_acquire(1).is_ok());
}

// ===== leaks =====

fn capped(cap: u32) -> LimiterConfig {
    LimiterConfig::fixed(1e6).burst(1000).max_in_flight(Some(cap))
}

#[test]
fn calls_that_never_end_hold_their_places_for_a_lease() {
    let (limiter, _clock, time) = limiter(capped(5));
    let leaked: Vec<_> = (0..4).map(|_| limiter.try_acquire(1).unwrap()).collect();
    let leaked = std::mem::ManuallyDrop::new(leaked);
    // Beside them one place goes on working.
    for _ in 0..59 {
        let permit = limiter.try_acquire(1).unwrap();
        assert_eq!(limiter.try_acquire(1).unwrap_err().reason, LimitReason::InFlight { cap: 5 });
        permit.succeed();
        time.advance(S(1));
    }
    time.advance(S(9));
    let fresh: Vec<_> = (0..5).map(|_| limiter.try_acquire(1).unwrap()).collect();
    assert!(limiter.try_acquire(1).is_err());
    assert_eq!(limiter.snapshot().in_flight, 5);
    drop(std::mem::ManuallyDrop::into_inner(leaked));
    assert_eq!(limiter.snapshot().in_flight, 5, "what ends after its lease frees nothing that is another's");
    drop(fresh);
    assert_eq!(limiter.snapshot().in_flight, 0);
}

#[test]
fn who_waits_for_a_place_starts_when_the_lease_of_a_leak_ends() {
    let (limiter, clock, time) = limiter(capped(1));
    std::mem::forget(limiter.try_acquire(1).unwrap());
    thread::scope(|scope| {
        let (limiter, deadline) = (&limiter, Deadline::after(&clock, S(3600)));
        let waiter = scope.spawn(move || limiter.acquire(1, deadline).map(|permit| permit.succeed()));
        eventually("it waits", || limiter.snapshot().waiting == 1);
        time.advance(S(68));
        assert!(waiter.join().unwrap().is_ok());
    });
}

/// On the system clock: under a manual one each look at the clock wakes a waiter too. No outcome depends on
/// how long it takes.
#[test]
fn who_waits_behind_a_leak_looks_by_itself_when_the_lease_ends() {
    let clock = Clock::system();
    let deadline = Deadline::after(&clock, S(60));
    let limiter = AdaptiveRateLimiter::new("feed", capped(1).lease(MS(20))).unwrap();
    std::mem::forget(limiter.try_acquire(1).unwrap());
    limiter.acquire(1, deadline).unwrap().succeed();
    let limiter = AdaptiveRateLimiter::new("feed", LimiterConfig::fixed(1000.0).lease(MS(20))).unwrap();
    std::mem::forget(limiter.reserve(1, deadline).unwrap());
    let limiter = Arc::new(limiter);
    let waiter = Arc::clone(&limiter);
    let waiter = thread::spawn(move || waiter.acquire(1, Deadline::never()).map(|permit| permit.succeed()).is_ok());
    eventually("it starts", || waiter.is_finished());
    assert!(waiter.join().unwrap());
}

#[test]
fn a_reservation_that_is_gone_takes_no_other_with_it() {
    // A burst so large that the next place is the same again.
    let (limiter, _clock, time) = limiter(LimiterConfig::fixed(0.01).min_rate_per_sec(0.01).burst(100));
    limiter.try_acquire(50).unwrap().succeed();
    let gone = limiter.reserve(1, Deadline::never()).unwrap();
    time.advance(S(61));
    let other = limiter.reserve(1, Deadline::never()).unwrap();
    assert_eq!(limiter.snapshot().waiting, 1);
    drop(gone);
    assert_eq!(limiter.snapshot().waiting, 1, "the other still stands");
    other.wait(Deadline::never()).unwrap().succeed();
    let taken = (0..200).filter(|_| limiter.try_acquire(1).map(|permit| permit.succeed()).is_ok()).count();
    assert!(taken <= 49, "{taken}");
}

/// A source that bears so many calls at once, of 300 ms in the mean, and refuses the others at once.
#[test]
fn a_source_that_allows_so_many_calls_at_once_is_found() {
    for seats in [2, 5, 12] {
        let (limiter, clock, time) = limiter(LimiterConfig::default());
        let mut running: Vec<(feedguard::clock::Tick, feedguard::limiter::RatePermit<'_>)> = Vec::new();
        let (mut good, mut refused, mut rng) = (0, 0, fastrand::Rng::with_seed(seats as u64));
        for step in 0..24_000 {
            time.advance(MS(10));
            let now = clock.now();
            while let Some(done) = running.iter().position(|(end, _)| *end <= now) {
                running.swap_remove(done).1.succeed();
                good += u32::from(step >= 12_000);
            }
            while let Ok(permit) = limiter.try_acquire(1) {
                if running.len() < seats {
                    running.push((now.after(MS(rng.u64(60..540))), permit));
                } else {
                    permit.finish(Outcome::Limited { retry_after: None });
                    refused += u32::from(step >= 12_000);
                }
            }
        }
        // The last two minutes.
        let share = f64::from(good) / (120.0 * seats as f64 / 0.3);
        assert!(share > 0.85 && refused < 24, "{seats}: {share} of what it bears, {refused} refused");
    }
}

#[test]
fn max_in_flight_is_exact_under_threads_whatever_the_control() {
    for control in [RateControl::Fixed, RateControl::Adaptive] {
        let (limiter, clock, _time) = limiter(capped(3).control(control));
        let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let permit = match fastrand::bool() {
                            true => limiter.try_acquire(1).ok(),
                            false => limiter.acquire(1, Deadline::at(clock.now())).ok(),
                        };
                        let Some(permit) = permit else { continue };
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        running.fetch_sub(1, Ordering::SeqCst);
                        permit.succeed();
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(limiter.snapshot().in_flight, 0);
    }
}

#[test]
fn a_reservation_nobody_waits_for_is_given_up_a_lease_after_its_turn() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(1.0));
    limiter.try_acquire(1).unwrap().succeed();
    let far = Deadline::after(&clock, S(3600));
    let leaked: Vec<Reservation<'_>> = (0..10).map(|_| limiter.reserve(1, far).unwrap()).collect();
    let leaked = std::mem::ManuallyDrop::new(leaked);
    // The turn of the last comes after ten seconds; the first holds all up until its lease is over.
    time.advance(S(60));
    assert!(limiter.try_acquire(1).is_err());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| limiter.acquire(1, far).map(|permit| permit.succeed()));
        eventually("it waits", || limiter.snapshot().waiting == 11);
        time.advance(S(9));
        eventually("the first nine are gone", || limiter.snapshot().waiting <= 2);
        assert!(!waiter.is_finished());
        time.advance(S(1));
        assert!(waiter.join().unwrap().is_ok());
    });
    assert_eq!(limiter.snapshot().waiting, 0);
    time.advance(S(1));
    limiter.try_acquire(1).unwrap().succeed();
    // Whoever comes late stands at the end of the line, and a drop gives nothing back twice.
    let mut late = std::mem::ManuallyDrop::into_inner(leaked);
    assert_eq!(late[0].remaining(), S(1));
    let refused = late.remove(0).wait(Deadline::at(clock.now())).unwrap_err();
    assert_eq!(refused.retry_after, Some(S(1)));
    drop(late);
    assert_eq!(limiter.peek(), S(1));
}

#[test]
fn a_reservation_far_ahead_keeps_its_place_until_its_turn() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(0.01).lease(S(1)));
    limiter.try_acquire(1).unwrap().succeed();
    let place = limiter.reserve(1, Deadline::never()).unwrap();
    time.advance(S(100));
    limiter.snapshot();
    place.wait(Deadline::at(clock.now())).unwrap().succeed();
}

// ===== the line =====

#[test]
fn a_line_starts_in_order_one_by_one_although_only_the_first_watches_the_clock() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(10.0));
    limiter.try_acquire(1).unwrap().succeed();
    let order = Mutex::new(Vec::new());
    let far = Deadline::after(&clock, S(3600));
    thread::scope(|scope| {
        for n in 0..40_usize {
            let (limiter, order) = (&limiter, &order);
            scope.spawn(move || {
                let permit = limiter.acquire(1, far).unwrap();
                order.lock().unwrap().push(n);
                permit.succeed();
            });
            eventually("it waits", || limiter.snapshot().waiting == n + 1);
        }
        for started in 1..=40 {
            time.advance(MS(100));
            eventually("one more", || order.lock().unwrap().len() == started);
        }
    });
    assert!(order.into_inner().unwrap().is_sorted());
}

#[test]
fn a_line_survives_those_who_leave_it_at_their_deadline() {
    let (limiter, clock, time) = limiter(LimiterConfig::fixed(10.0).max_in_flight(Some(1)));
    let busy = limiter.try_acquire(1).unwrap();
    thread::scope(|scope| {
        let (short, far) = (Deadline::after(&clock, S(5)), Deadline::after(&clock, S(3600)));
        // Every second one gives up while the place is taken.
        let waiters: Vec<_> = (0..8)
            .map(|n| {
                let limiter = &limiter;
                let waiter = scope.spawn(move || {
                    limiter.acquire(1, if n % 2 == 0 { short } else { far }).map(|permit| permit.succeed())
                });
                eventually("it waits", || limiter.snapshot().waiting == n + 1);
                waiter
            })
            .collect();
        time.advance(S(5));
        eventually("half of them give up", || limiter.snapshot().waiting == 4);
        busy.succeed();
        for (n, waiter) in waiters.into_iter().enumerate() {
            if n % 2 == 1 {
                time.advance(MS(200));
            }
            assert_eq!(waiter.join().unwrap().is_ok(), n % 2 == 1, "{n}");
        }
    });
}

// ===== operators =====

#[test]
fn rate_and_bounds_are_set_at_run_time_and_faults_change_nothing() {
    let (limiter, _clock, time) = limiter(LimiterConfig::default());
    limiter.set_rate(50.0).unwrap();
    limiter.try_acquire(1).unwrap().succeed();
    assert_eq!(limiter.try_acquire(1).unwrap_err().retry_after, Some(MS(20)));
    for bad in [0.5, 101.0, f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(limiter.set_rate(bad).unwrap_err().faults()[0].path, "rate_per_sec");
    }
    assert!(limiter.set_bounds(9.0, 8.0).is_err() && limiter.set_bounds(f64::NAN, 8.0).is_err());
    assert_eq!(limiter.rate(), 50.0);
    limiter.set_bounds(2.0, 20.0).unwrap();
    assert_eq!((limiter.rate(), limiter.snapshot().bound), (20.0, RateBound::Ceiling));
    time.advance(MS(50));
    assert!(limiter.try_acquire(1).is_ok());
}

#[test]
fn a_pause_of_an_operator_holds_all_back_and_a_reset_ends_it() {
    let (limiter, clock, _time) = limiter(LimiterConfig::default().max_pause(S(1)));
    limiter.pause_until(clock.now().after(S(7200)));
    let refused = limiter.try_acquire(1).unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (LimitReason::Paused, Some(S(7200))));
    limiter.set_rate(77.0).unwrap();
    limiter.reset();
    assert!(limiter.try_acquire(1).is_ok());
    assert_eq!((limiter.rate(), limiter.snapshot().paused_for), (10.0, S(0)));
}

#[test]
fn those_who_wait_hear_of_a_reset_and_of_a_new_rate() {
    let (limiter, clock, time) = limiter(LimiterConfig::default());
    limiter.pause_for(S(600));
    thread::scope(|scope| {
        let (limiter, deadline) = (&limiter, Deadline::after(&clock, S(3600)));
        let waiter = scope.spawn(move || limiter.acquire(1, deadline).map(|permit| permit.succeed()));
        eventually("it waits", || limiter.snapshot().waiting == 1);
        limiter.reset();
        assert!(waiter.join().unwrap().is_ok());
        let slow = scope.spawn(move || limiter.acquire(1, deadline).map(|permit| permit.succeed()));
        eventually("it waits", || limiter.snapshot().waiting == 1);
        limiter.set_rate(100.0).unwrap();
        time.advance(MS(10));
        assert!(slow.join().unwrap().is_ok());
    });
}

#[test]
fn the_control_may_change_at_run_time() {
    let (limiter, _clock, time) = limiter(LimiterConfig::default());
    limiter.set_control(RateControl::ErrorRate);
    limiter.try_acquire(1).unwrap().succeed();
    assert_eq!(limiter.rate(), 11.0, "at each grant");
    limiter.set_control(RateControl::Adaptive);
    time.advance(S(1));
    limiter.record(Outcome::Limited { retry_after: None });
    let cut = limiter.rate();
    assert!(cut < 8.0);
    limiter.set_control(RateControl::Fixed);
    time.advance(S(1));
    limiter.record(Outcome::Limited { retry_after: None });
    assert_eq!(limiter.rate(), cut);
}

#[test]
fn what_is_ignored_moves_nothing_under_any_control() {
    for control in [RateControl::Adaptive, RateControl::ErrorRate, RateControl::Fixed] {
        let (limiter, _clock, time) = limiter(LimiterConfig::default().control(control));
        for _ in 0..100 {
            limiter.record(Outcome::Ignored);
        }
        time.advance(S(1));
        limiter.try_acquire(1).unwrap().finish(Outcome::Ignored);
        let expected = if control == RateControl::ErrorRate { 11.0 } else { 10.0 };
        assert_eq!(limiter.rate(), expected, "{control:?}");
    }
}

// ===== alarms =====

fn with_events(config: LimiterConfig) -> (AdaptiveRateLimiter, ManualClock, Arc<Mutex<Vec<LimiterEventKind>>>) {
    let (limiter, _clock, time) = limiter(config);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    limiter.subscribe(move |event| told.lock().unwrap().push(event.kind)).unwrap();
    (limiter, time, heard)
}

#[test]
fn a_pause_that_is_capped_is_told_once_a_minute_with_what_was_asked() {
    let (limiter, time, heard) = with_events(LimiterConfig::default());
    let asked = S(259_200);
    for _ in 0..32 {
        limiter.record(Outcome::Limited { retry_after: Some(asked) });
    }
    assert_eq!(*heard.lock().unwrap(), [LimiterEventKind::PauseCapped { asked, kept: S(3600) }]);
    assert_eq!(limiter.snapshot().paused_for, S(3600));
    // Three days: a call an hour at most into the ban, not nine hundred.
    let mut calls = 0;
    for _ in 0..3 * 24 * 360 {
        time.advance(S(10));
        if let Ok(permit) = limiter.try_acquire(1) {
            calls += 1;
            permit.finish(Outcome::Limited { retry_after: Some(asked) });
        }
    }
    assert!(calls <= 72, "{calls}");
}

#[test]
fn a_rate_that_swings_about_its_floor_is_told_once_a_minute_at_most() {
    let (limiter, time, heard) = with_events(LimiterConfig::default().min_rate_per_sec(5.0));
    // A limit of 5.5 a second in a bucket of one.
    let (mut tokens, minutes) = (1.0_f64, 10);
    for _ in 0..minutes * 60_000 / 20 {
        time.advance(MS(20));
        tokens = (tokens + 5.5 * 0.02).min(1.0);
        if let Ok(permit) = limiter.try_acquire(1) {
            if tokens >= 1.0 {
                tokens -= 1.0;
                permit.succeed();
            } else {
                permit.finish(Outcome::Limited { retry_after: None });
            }
        }
    }
    assert!((1..=minutes).contains(&heard.lock().unwrap().len()), "{:?}", heard.lock().unwrap());
}

// ===== quotas =====

#[test]
fn a_refusal_names_the_group_and_tells_never_from_later() {
    let (clock, _time) = Clock::manual();
    let window = || vec![QuotaWindow::new(5, QuotaPeriod::Minute)];
    let group = Arc::new(CalendarQuota::new("account", window(), clock.clone()).unwrap());
    let config = LimiterConfig::fixed(1000.0).burst(100);
    let limiter =
        AdaptiveRateLimiter::builder("feed").config(config).clock(clock.clone()).quota(group).build().unwrap();
    for never in [limiter.try_acquire(6).unwrap_err(), limiter.acquire(6, Deadline::never()).unwrap_err()] {
        assert_eq!(never.reason, LimitReason::ExceedsQuota { asked: 6, limit: 5, per: QuotaPeriod::Minute });
        assert_eq!((&*never.name, never.retry_after), ("account", None));
    }
    limiter.try_acquire(5).unwrap().succeed();
    for later in [limiter.try_acquire(1).unwrap_err(), limiter.acquire(1, Deadline::at(clock.now())).unwrap_err()] {
        assert_eq!(later.reason, LimitReason::Quota { limit: 5, per: QuotaPeriod::Minute });
        assert_eq!((&*later.name, later.retry_after), ("account", Some(S(60))));
    }
}

#[test]
fn a_window_that_the_vendor_calls_spent_is_shut_until_its_reset() {
    let (clock, time) = Clock::manual();
    for (window, until) in [
        (QuotaWindow::new(500, QuotaPeriod::Day), S(86_400 - 9 * 3600 - 30 * 60)),
        (QuotaWindow::sliding(500, QuotaPeriod::Hour), S(3600)),
    ] {
        let quota = CalendarQuota::new("account", vec![window.clone()], clock.clone()).unwrap();
        quota.try_take(3).unwrap();
        quota.mark_spent(window.per);
        assert_eq!(quota.try_take(1).unwrap_err().retry_after, Some(until));
        // An operator knows better.
        quota.set_used(window.per, 7);
        assert_eq!(quota.remaining(window.per), Some(493));
        quota.set_used(window.per, 0);
        quota.try_take(500).unwrap();
    }
    time.advance(S(1));
}

// ===== keys =====

#[test]
fn keys_have_their_own_limits_and_only_those_at_rest_make_room() {
    let (clock, time) = Clock::manual();
    let config = LimiterConfig::fixed(1.0).quotas(vec![QuotaWindow::new(2, QuotaPeriod::Day)]);
    let users: Keyed<String> = Keyed::new("api", config, 3, clock.clone()).unwrap();
    let key = |n: usize| format!("user{n}");
    // One over its quota, one paused, one with a call under way.
    for _ in 0..2 {
        users.try_acquire(&key(0), 1).unwrap().finish(Outcome::Success);
        time.advance(S(1));
    }
    users.limiter(&key(1)).unwrap().pause_for(S(86_400));
    let under_way = users.limiter(&key(2)).unwrap();
    for n in 3..50 {
        let refused = users.try_acquire(&key(n), 1).unwrap_err();
        assert_eq!((refused.reason, refused.retry_after.is_some()), (LimitReason::KeysFull { max: 3 }, true));
        assert!(!format!("{refused} {refused:?} {users:?}").contains("user"), "keys are nobody's business");
    }
    assert!(matches!(users.try_acquire(&key(0), 1).unwrap_err().reason, LimitReason::Quota { .. }));
    assert_eq!(users.try_acquire(&key(1), 1).unwrap_err().reason, LimitReason::Paused);
    drop(under_way);
    users.try_acquire(&key(9), 1).unwrap().finish(Outcome::Success);
    assert_eq!(users.len(), 3);
    // Its quota is used now: it stays too.
    assert!(users.try_acquire(&key(10), 1).is_err());
    assert!(users.remove(&key(9)).is_some());
    assert!(users.try_acquire(&key(10), 1).is_ok());
}

#[test]
fn the_table_of_keys_stays_bounded_and_keeps_who_was_used_last() {
    let (clock, time) = Clock::manual();
    let users: Keyed<u32> = Keyed::new("api", LimiterConfig::fixed(10.0), 100, clock).unwrap();
    let first = Arc::downgrade(&users.limiter(&0).unwrap());
    for n in 1..10_000 {
        time.advance(S(1));
        users.try_acquire(&n, 1).unwrap().finish(Outcome::Success);
        drop(users.limiter(&0).unwrap());
        assert!(users.len() <= 100);
    }
    assert!(first.upgrade().is_some());
}
