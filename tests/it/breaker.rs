use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use feedguard::{BreakerConfig, BreakerState, CallError, CircuitBreaker, Clock, ManualClock, OpenReason, Settled};
use proptest::prelude::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn breaker(config: BreakerConfig) -> (CircuitBreaker, ManualClock) {
    let (clock, time) = Clock::manual();
    (CircuitBreaker::builder("feed").config(config).clock(clock).build().unwrap(), time)
}

fn fail(breaker: &CircuitBreaker, times: u32) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().fail();
    }
}

#[test]
fn tiers_open_at_three_five_and_ten_failures() {
    for (config, threshold) in [(BreakerConfig::free(), 3), (BreakerConfig::default(), 5), (BreakerConfig::paid(), 10)]
    {
        let (breaker, _time) = breaker(config);
        fail(&breaker, threshold - 1);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

#[test]
fn the_rejection_says_who_why_how_often_and_when_again() {
    let (breaker, time) = breaker(BreakerConfig::default());
    fail(&breaker, 5);
    time.advance(S(20));
    let open = breaker.try_acquire().unwrap_err();
    assert_eq!((&*open.name, open.retry_after, open.times_opened), ("feed", S(40), 1));
    assert_eq!(open.reason, OpenReason::ConsecutiveFailures(5));
    let text = open.to_string();
    assert!(text.contains("feed") && text.contains("40s") && text.contains("5 consecutive failures"), "{text}");
}

#[test]
fn three_good_probes_close_it_and_one_bad_probe_opens_it_anew() {
    let (breaker, time) = breaker(BreakerConfig::default());
    fail(&breaker, 5);
    time.advance(S(60));
    for _ in 0..2 {
        breaker.try_acquire().unwrap().succeed();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    breaker.try_acquire().unwrap().fail();
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, S(60), "a new open time");
    time.advance(S(60));
    for _ in 0..3 {
        breaker.try_acquire().unwrap().succeed();
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn half_open_admits_at_most_three_calls_in_flight_and_done() {
    let (breaker, time) = breaker(BreakerConfig::default());
    fail(&breaker, 5);
    time.advance(S(60));
    let probes: Vec<_> = (0..3).map(|_| breaker.try_acquire().unwrap()).collect();
    assert_eq!(breaker.try_acquire().unwrap_err().state, BreakerState::HalfOpen);
    let mut probes = probes.into_iter();
    probes.next().unwrap().succeed();
    assert!(breaker.try_acquire().is_err(), "a done probe keeps its place");
    probes.next().unwrap().ignore();
    let again = breaker.try_acquire().expect("an ignored probe gives its place back");
    drop(again);
    drop(breaker.try_acquire().expect("so does a dropped one"));
}

#[test]
fn a_late_result_is_stale_and_changes_nothing() {
    let (breaker, time) = breaker(BreakerConfig::default());
    let late_success = breaker.try_acquire().unwrap();
    let late_failure = breaker.try_acquire().unwrap();
    fail(&breaker, 5);
    assert_eq!(late_success.succeed(), Settled::Stale);
    assert_eq!(breaker.state(), BreakerState::Open);
    time.advance(S(60));
    let probe = breaker.try_acquire().unwrap();
    assert_eq!(late_failure.fail(), Settled::Stale);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert_eq!((probe.succeed(), breaker.snapshot().stale_results), (Settled::Recorded, 2));
}

#[test]
fn a_panicking_call_is_a_failure_and_goes_on() {
    let (breaker, _time) = breaker(BreakerConfig::default().failure_threshold(1));
    let call = || -> Result<(), ()> { panic!("boom") };
    let payload = catch_unwind(AssertUnwindSafe(|| breaker.call(call))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_dropped_permit_counts_as_nothing() {
    let (breaker, _time) = breaker(BreakerConfig::default().failure_threshold(1));
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.snapshot().consecutive_failures, 0);
}

#[test]
fn call_gives_the_hosts_error_back_unboxed() {
    let (breaker, _time) = breaker(BreakerConfig::default());
    let error = breaker.call(|| Err::<(), _>(std::io::ErrorKind::TimedOut)).unwrap_err();
    assert_eq!(error.into_failed(), Some(std::io::ErrorKind::TimedOut));
    breaker.force_open();
    let error = breaker.call(|| Ok::<_, ()>(1)).unwrap_err();
    assert!(matches!(&error, CallError::Rejected(open) if open.reason == OpenReason::Forced));
    assert!(!error.reached_source());
    breaker.reset();
    assert_eq!(breaker.call(|| Ok::<_, ()>(1)).unwrap(), 1);
}

#[test]
fn forced_open_stays_open_to_the_end_of_time() {
    let (breaker, time) = breaker(BreakerConfig::default());
    breaker.force_open();
    time.advance(Duration::MAX);
    assert!(breaker.try_acquire().is_err());
}

#[test]
fn listeners_run_after_the_lock_and_survive_their_panics() {
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let (clock, time) = Clock::manual();
    let log = std::sync::Arc::clone(&seen);
    let breaker = CircuitBreaker::builder("feed")
        .clock(clock)
        .on_event(|_| panic!("listener"))
        .on_event(move |event| log.lock().unwrap().push((event.sequence, event.from, event.to)))
        .build()
        .unwrap();
    fail(&breaker, 5);
    time.advance(S(60));
    for _ in 0..3 {
        breaker.try_acquire().unwrap().succeed();
    }
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(*seen.lock().unwrap(), [(1, Closed, Open), (2, Open, HalfOpen), (3, HalfOpen, Closed)]);
}

#[test]
fn a_switched_off_breaker_says_yes() {
    let (breaker, _time) = breaker(BreakerConfig::off());
    for _ in 0..100 {
        assert!(breaker.call(|| Err::<(), _>("down")).unwrap_err().reached_source());
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn threads_on_a_half_open_breaker_get_three_permits_together() {
    for _ in 0..50 {
        let (breaker, time) = breaker(BreakerConfig::default());
        fail(&breaker, 5);
        time.advance(S(60));
        let permits = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| permits.lock().unwrap().extend(breaker.try_acquire()));
            }
        });
        assert_eq!(permits.lock().unwrap().len(), 3);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Call,
    Finish(usize, u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Call),
        4 => (any::<usize>(), 0u8..4).prop_map(|(which, how)| Step::Finish(which, how)),
        1 => (1u64..100).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    /// Legal transitions only, at most three probes at once, and never wedged.
    #[test]
    fn any_run_of_calls_results_and_waits_keeps_the_invariants(steps in steps()) {
        let events = std::sync::Arc::new(Mutex::new(Vec::new()));
        let log = std::sync::Arc::clone(&events);
        let (clock, time) = Clock::manual();
        let breaker = CircuitBreaker::builder("feed").config(BreakerConfig::free()).clock(clock)
            .on_event(move |event| log.lock().unwrap().push((event.from, event.to))).build().unwrap();
        let mut in_flight = Vec::new();
        for step in steps {
            match step {
                Step::Call => in_flight.extend(breaker.try_acquire()),
                Step::Finish(which, how) if !in_flight.is_empty() => {
                    let permit = in_flight.swap_remove(which % in_flight.len());
                    match how {
                        0 => drop(permit.succeed()),
                        1 => drop(permit.fail()),
                        2 => drop(permit.ignore()),
                        _ => drop(permit),
                    }
                }
                Step::Finish(..) => {}
                Step::Wait(seconds) => time.advance(S(seconds)),
            }
        }
        use BreakerState::{Closed, HalfOpen, Open};
        for pair in events.lock().unwrap().iter() {
            prop_assert!([(Closed, Open), (Open, HalfOpen), (HalfOpen, Open), (HalfOpen, Closed)].contains(pair), "{pair:?}");
        }
        // Never wedged: with all leases over, three good calls close it.
        time.advance(S(200));
        drop(in_flight);
        time.advance(S(200));
        for _ in 0..3 {
            breaker.try_acquire().unwrap().succeed();
        }
        prop_assert_eq!(breaker.state(), Closed);
    }
}
