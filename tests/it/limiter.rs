use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use feedguard::{AdaptiveRateLimiter, Clock, Deadline, LimitReason, LimiterConfig, ManualClock, RateOutcome};

use crate::support::eventually;

const S: fn(u64) -> Duration = Duration::from_secs;
/// What rounding a rate down may add to a wait.
const NS: Duration = Duration::from_nanos(1);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn limiter(config: LimiterConfig) -> (AdaptiveRateLimiter, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    (AdaptiveRateLimiter::builder("feed").config(config).clock(clock.clone()).build().unwrap(), clock, time)
}

fn fixed(rate: f64, burst: u32) -> LimiterConfig {
    LimiterConfig::default().adaptive(false).initial_rate_per_sec(rate).burst(burst)
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
    let pause = |after| limiter.record(RateOutcome::Limited { retry_after: Some(after) });
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
    limiter.try_acquire(1).unwrap().finish(RateOutcome::Limited { retry_after: Some(S(3)) });
    let wait = limiter.try_acquire(1).unwrap_err().retry_after.unwrap();
    let interval = Duration::from_secs_f64(1.0 / 7.0);
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
        limiter.record(RateOutcome::Limited { retry_after: Some(S(10)) });
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
    limiter.record(RateOutcome::Limited { retry_after: Some(S(2)) });
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
        limiter.record(RateOutcome::Failed);
    }
    assert!((limiter.rate() - 10.0).abs() < 1e-9);
    for expected in [7.0, 4.9, 3.43, 2.401, 1.6807, 1.17649, 1.0, 1.0] {
        limiter.record(RateOutcome::Limited { retry_after: None });
        assert!((limiter.rate() - expected).abs() < 1e-9);
        time.advance(S(1));
    }
}

#[test]
fn a_switched_off_limiter_says_yes() {
    let (limiter, _clock, _time) = limiter(LimiterConfig::off());
    for _ in 0..1000 {
        limiter.try_acquire(1).unwrap().finish(RateOutcome::Limited { retry_after: Some(S(100)) });
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
    limiter.record(RateOutcome::Limited { retry_after: Some(Duration::MAX) });
    // At the last tick no later one can be named: nothing is promised but an answer.
    drop(limiter.try_acquire(1));
}
