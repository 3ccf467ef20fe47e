use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::breaker::{BreakerMode, BreakerState, OpenReason, RateWindow, Settled, WindowSize};
use feedguard::registry::GuardRegistry;
use feedguard::{BreakerConfig, CallError, CircuitBreaker, Clock};
use proptest::prelude::*;

use super::{S, breaker, fail};

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
    assert_eq!((&*open.name, open.retry_after, open.times_opened), ("feed", Some(S(40)), 1));
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
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(S(60)), "a new open time");
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
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (clock, time) = Clock::manual();
    let log = Arc::clone(&seen);
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

#[test]
fn an_observing_breaker_admits_all_and_counts_what_it_would_have_refused() {
    let (breaker, time) = breaker(BreakerConfig::free().observe_only(true));
    fail(&breaker, 3);
    assert_eq!(breaker.state(), BreakerState::Open);
    fail(&breaker, 10);
    assert_eq!(breaker.peek(), None, "it refuses nothing");
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.rejected, snapshot.would_have_rejected, snapshot.times_opened), (0, 10, 1));
    assert_eq!(snapshot.reason, Some(OpenReason::ConsecutiveFailures(3)));
    // It goes on as a real one would: the next three calls are its probes.
    time.advance(S(60));
    for _ in 0..3 {
        breaker.try_acquire().unwrap().succeed();
    }
    assert_eq!((breaker.state(), breaker.snapshot().would_have_rejected), (BreakerState::Closed, 10));
}

#[test]
fn a_mode_set_at_run_time_starts_anew_and_leaves_old_calls_stale() {
    let (breaker, _time) = breaker(BreakerConfig::free());
    fail(&breaker, 3);
    breaker.set_mode(BreakerMode::Off);
    fail(&breaker, 10);
    let untold = breaker.try_acquire().unwrap();
    breaker.set_mode(BreakerMode::On);
    assert_eq!(breaker.state(), BreakerState::Closed);
    fail(&breaker, 2);
    let old = breaker.try_acquire().unwrap();
    breaker.set_mode(BreakerMode::Observe);
    breaker.set_mode(BreakerMode::On);
    assert_eq!((old.fail(), untold.fail()), (Settled::Stale, Settled::Recorded));
    fail(&breaker, 2);
    assert_eq!(breaker.state(), BreakerState::Closed, "neither the old failures nor the untold one count");
}

#[test]
fn a_judge_decides_and_its_panic_is_a_failure() {
    let (breaker, _time) = breaker(BreakerConfig::free());
    let unknown = |_: &Result<(), &str>| Outcome::Ignored;
    for _ in 0..10 {
        assert!(matches!(breaker.call_judged(unknown, || Err("no such symbol")), Err(CallError::Failed(_))));
    }
    let empty = |rows: &Result<Vec<f64>, &str>| match rows {
        Ok(rows) if !rows.is_empty() => Outcome::Success,
        _ => Outcome::FailureFor(S(7)),
    };
    for _ in 0..2 {
        assert!(breaker.call_judged(empty, || Ok(vec![])).is_ok(), "the answer still comes back");
    }
    let panicking = |_: &Result<(), &str>| -> Outcome { panic!("judge") };
    assert!(catch_unwind(AssertUnwindSafe(|| breaker.call_judged(panicking, || Ok(())))).is_err());
    assert_eq!(breaker.snapshot().reason, Some(OpenReason::ConsecutiveFailures(3)));
}

#[test]
fn the_sources_own_retry_after_is_the_open_time_if_it_is_longer() {
    let (breaker, _time) = breaker(BreakerConfig::free());
    fail(&breaker, 2);
    breaker.try_acquire().unwrap().finish(Outcome::FailureFor(S(90)));
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(S(90)));
}

#[test]
fn a_snapshot_says_what_the_window_holds_and_why_it_opened() {
    let window = RateWindow::default().size(WindowSize::Calls(20)).minimum_calls(10).failure_rate(0.4);
    let (breaker, _time) = breaker(BreakerConfig::paid().window(Some(window)));
    for i in 0..9 {
        drop(breaker.call(|| if i % 2 == 0 { Ok(()) } else { Err("down") }));
    }
    let counts = breaker.snapshot().window.unwrap();
    assert_eq!((counts.calls, counts.failed), (9, 4));
    drop(breaker.call(|| Ok::<(), &str>(())));
    let open = breaker.try_acquire().unwrap_err();
    assert_eq!(open.reason, OpenReason::FailureRate { percent: 40, calls: 10 });
    assert!(open.to_string().contains("40 % of 10 calls failed"), "{open}");
}

#[test]
fn a_registry_keeps_one_breaker_a_source_under_threads() {
    let (made, registry) = (AtomicU64::new(0), GuardRegistry::new(10));
    let breakers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for source in ["sina", "tushare", "tdx"] {
                    let breaker = registry.get_or_create(source, |name| {
                        made.fetch_add(1, Ordering::Relaxed);
                        CircuitBreaker::new(name, BreakerConfig::free())
                    });
                    breakers.lock().unwrap().push(breaker.unwrap());
                }
            });
        }
    });
    for breaker in breakers.into_inner().unwrap() {
        assert!(Arc::ptr_eq(&breaker, &registry.get(breaker.name()).unwrap()));
    }
    assert_eq!(registry.all().len(), 3);
    assert!(made.into_inner() >= 3);
}

/// Calls from many threads that succeed, fail, are ignored, dropped, panic or end late: counters add
/// up, transitions are legal and in order, and nothing is wedged.
#[test]
fn threads_that_do_everything_at_once_keep_the_invariants() {
    let window = RateWindow::default().size(WindowSize::Calls(50)).minimum_calls(20).slow_call_after(Some(S(5)));
    for config in [BreakerConfig::free(), BreakerConfig::paid().window(Some(window))] {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let (clock, time) = Clock::manual();
        let breaker = CircuitBreaker::builder("feed").config(config).clock(clock).seed(1);
        let breaker = breaker.on_event(move |event| log.lock().unwrap().push((event.sequence, event.from, event.to)));
        let breaker = breaker.build().unwrap();
        let (asked, admitted, stale) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for seed in 0..4 {
                let (breaker, time, asked, admitted, stale) = (&breaker, &time, &asked, &admitted, &stale);
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    let mut held = Vec::new();
                    for _ in 0..5_000 {
                        asked.fetch_add(1, Ordering::Relaxed);
                        if let Ok(permit) = breaker.try_acquire() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                            held.push(permit);
                        }
                        if held.len() > rng.usize(0..8) {
                            let permit = held.swap_remove(rng.usize(..held.len()));
                            let settled = match rng.u8(0..10) {
                                0..=4 => permit.succeed(),
                                5..=6 => permit.fail(),
                                7 => permit.finish(Outcome::FailureFor(S(rng.u64(0..100)))),
                                8 => {
                                    drop(permit);
                                    Settled::Recorded
                                }
                                _ => {
                                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                                        let _held = permit;
                                        std::panic::resume_unwind(Box::new("the call's own"));
                                    }));
                                    assert!(panicked.is_err());
                                    Settled::Recorded
                                }
                            };
                            stale.fetch_add(u64::from(settled == Settled::Stale), Ordering::Relaxed);
                        }
                        if rng.u8(0..20) == 0 {
                            time.advance(S(rng.u64(0..30)));
                        }
                    }
                });
            }
        });
        let snapshot = breaker.snapshot();
        assert_eq!(snapshot.rejected, asked.load(Ordering::Relaxed) - admitted.load(Ordering::Relaxed));
        assert!(snapshot.stale_results >= stale.load(Ordering::Relaxed) && snapshot.rejected > 0);
        use BreakerState::{Closed, HalfOpen, Open};
        let mut events = events.lock().unwrap().clone();
        events.sort_unstable_by_key(|event| event.0);
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.0 == sequence), "none missing, none twice");
        assert!(events.windows(2).all(|pair| pair[0].2 == pair[1].1), "each starts where the last ended");
        let legal = [(Closed, Open), (Open, HalfOpen), (HalfOpen, Open), (HalfOpen, Closed)];
        assert!(events.iter().all(|event| legal.contains(&(event.1, event.2))));
        assert_eq!(events.iter().filter(|event| event.2 == Open).count() as u64, snapshot.times_opened);
        // A window may still hold more failures than it may, and open at the next result.
        for _ in 0..100 {
            match breaker.try_acquire() {
                Ok(permit) => {
                    permit.succeed();
                }
                Err(_) => time.advance(S(10_000)),
            }
        }
        assert_eq!(breaker.state(), Closed, "not wedged");
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
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
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
