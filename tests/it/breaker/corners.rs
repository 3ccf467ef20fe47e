//! What independent use found in the corners: wishes, flapping, operators, windows, restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedguard::breaker::{BreakerMode, BreakerState, OpenReason, RateWindow, SavedBreaker, WindowSize};
use feedguard::retry::RetryHint;
use feedguard::{BreakerConfig, CircuitBreaker, Clock, Outcome};

use super::{S, breaker, fail};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Calls that reach a dead source, asked every `step` for an hour; each failure ends so.
fn calls_to_a_dead_source(config: &BreakerConfig, step: Duration, end: Outcome) -> u32 {
    let (breaker, time) = breaker(config.clone());
    let mut calls = 0;
    for _ in 0..S(3600).as_millis() / step.as_millis() {
        if let Ok(permit) = breaker.try_acquire() {
            calls += 1;
            permit.finish(end);
        }
        time.advance(step);
    }
    calls
}

#[test]
fn no_wish_of_the_source_brings_more_calls_to_it_than_plain_failures() {
    for config in [BreakerConfig::default(), BreakerConfig::default().open_growth(2.0), BreakerConfig::free()] {
        let plain = calls_to_a_dead_source(&config, MS(100), Outcome::Failure);
        for wish in [Duration::ZERO, MS(1), S(1), S(59), S(60), S(61), S(3600), Duration::MAX] {
            let calls = calls_to_a_dead_source(&config, MS(100), Outcome::FailureFor(wish));
            assert!(calls <= plain, "{calls} calls with a wish of {wish:?}, {plain} without");
        }
    }
}

#[test]
fn a_source_that_flaps_is_asked_ever_more_rarely() {
    let (breaker, time) = breaker(BreakerConfig::free().open_growth(2.0).open_for(S(10)));
    let mut open_times = Vec::new();
    for _ in 0..6 {
        fail(&breaker, 3);
        let open = breaker.try_acquire().unwrap_err().retry_after().unwrap();
        open_times.push(open.as_secs());
        time.advance(open);
        // Back for just as long as its probes.
        for _ in 0..3 {
            breaker.try_acquire().unwrap().succeed();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    assert_eq!(open_times, [10, 20, 40, 80, 160, 320]);
}

#[test]
fn calls_that_end_ignored_count_in_no_rate_also_not_as_slow() {
    for size in [WindowSize::Calls(20), WindowSize::Time(S(60))] {
        let window = RateWindow::default().size(size).minimum_calls(1).slow_call_rate(0.5);
        let config = BreakerConfig::default().window(Some(window.slow_call_after(Some(S(2))).minimum_calls(10)));
        let (breaker, time) = breaker(config);
        let slow: Vec<_> = (0..9).map(|_| breaker.try_acquire().unwrap()).collect();
        time.advance(S(3));
        // Finds them slow while they run.
        breaker.try_acquire().unwrap().ignore();
        assert_eq!(breaker.snapshot().window.unwrap().slow, 9);
        for permit in slow {
            permit.ignore();
        }
        breaker.try_acquire().unwrap().succeed();
        let counts = breaker.snapshot().window.unwrap();
        assert_eq!((counts.calls, counts.slow, counts.failed), (1, 0, 0), "{size:?}");
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

#[test]
fn a_time_window_covers_its_length_at_every_phase() {
    let window = RateWindow::default().size(WindowSize::Time(S(10))).minimum_calls(4);
    for phase in 0..40 {
        let (breaker, time) = breaker(BreakerConfig::paid().window(Some(window.clone())));
        time.advance(MS(phase * 50));
        for _ in 0..4 {
            breaker.try_acquire().unwrap().fail();
            time.advance(MS(3300));
        }
        assert_eq!(breaker.state(), BreakerState::Open, "phase {phase}");
    }
}

#[test]
fn forced_open_holds_in_every_mode_and_survives_its_change() {
    let modes = [BreakerMode::On, BreakerMode::Observe, BreakerMode::Off];
    for (before, after) in modes.iter().flat_map(|before| modes.map(|after| (*before, after))) {
        let (breaker, time) = breaker(BreakerConfig::default());
        breaker.set_mode(before);
        breaker.force_open();
        assert!(breaker.try_acquire().is_err(), "{before:?}");
        breaker.set_mode(after);
        time.advance(S(1_000_000));
        let open = breaker.try_acquire().unwrap_err();
        assert_eq!((open.retry_after(), open.reason, open.can_help()), (None, OpenReason::Forced, false));
        assert!(open.to_string().ends_with("until an operator resets it"), "{open}");
        assert_eq!((breaker.peek(), breaker.snapshot().retry_after), (Some(open), None));
        breaker.reset();
        assert!(breaker.try_acquire().is_ok(), "{before:?} {after:?}");
        assert_eq!(breaker.snapshot().mode, after);
    }
}

#[test]
fn forced_open_may_have_an_end_and_the_end_may_be_moved() {
    for mode in [BreakerMode::On, BreakerMode::Observe, BreakerMode::Off] {
        let (breaker, time) = breaker(BreakerConfig::default());
        breaker.set_mode(mode);
        breaker.force_open();
        breaker.force_open_for(S(10));
        time.advance(S(4));
        assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), Some(S(6)));
        time.advance(S(6));
        assert_eq!(breaker.peek(), None);
        assert!(breaker.try_acquire().is_ok());
        let state = if mode == BreakerMode::Off { BreakerState::Closed } else { BreakerState::HalfOpen };
        assert_eq!(breaker.state(), state, "{mode:?}");
        assert_eq!(breaker.snapshot().times_opened, 1);
    }
}

#[test]
fn what_changes_no_state_is_no_transition() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (breaker, _time) = breaker(BreakerConfig::default());
    let told = Arc::clone(&heard);
    breaker.subscribe(move |event| told.lock().unwrap().push((event.sequence, event.from, event.to))).unwrap();
    breaker.reset();
    breaker.set_mode(BreakerMode::Observe);
    breaker.force_open();
    breaker.force_open();
    breaker.force_open_for(S(1));
    breaker.set_mode(BreakerMode::On);
    breaker.reset();
    breaker.reset();
    let (closed, open) = (BreakerState::Closed, BreakerState::Open);
    assert_eq!(*heard.lock().unwrap(), [(1, closed, open), (2, open, closed)]);
}

#[test]
fn a_reset_of_a_closed_breaker_forgets_its_failures_and_the_calls_under_way() {
    let (breaker, _time) = breaker(BreakerConfig::default());
    fail(&breaker, 4);
    let under_way = breaker.try_acquire().unwrap();
    breaker.reset();
    under_way.fail();
    fail(&breaker, 4);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn more_listeners_than_sixteen_are_refused_also_later() {
    let builder = CircuitBreaker::builder("feed").on_event(|_| {}).on_event(|_| {});
    let breaker = builder.build().unwrap();
    (0..14).for_each(|_| breaker.subscribe(|_| {}).unwrap());
    assert!(breaker.subscribe(|_| {}).is_err());
}

#[test]
fn one_seed_and_many_names_do_not_come_back_at_one_moment() {
    let open_time = |name: &str, config: &BreakerConfig| {
        let (clock, _time) = Clock::manual();
        let breaker = CircuitBreaker::builder(name).config(config.clone()).seed(7).clock(clock).build().unwrap();
        fail(&breaker, 3);
        breaker.try_acquire().unwrap_err().retry_after().unwrap()
    };
    // Also at the cap, where growth has taken them all.
    for config in [BreakerConfig::free().open_jitter(0.2), BreakerConfig::free().open_jitter(0.2).open_for(S(600))] {
        let mut times: Vec<u128> = (0..1000).map(|n| open_time(&format!("feed{n}"), &config).as_millis()).collect();
        assert_eq!(times[0], open_time("feed0", &config).as_millis(), "repeatable");
        times.sort_unstable();
        let most_at_once = times.chunk_by(|a, b| b - a < 10).map(<[u128]>::len).max().unwrap();
        assert!(most_at_once < 30, "{most_at_once} of 1000 within 10 ms");
    }
}

#[test]
fn a_breaker_survives_a_restart_where_it_stood() {
    let (clock, time) = Clock::manual();
    let make = || CircuitBreaker::builder("feed").config(BreakerConfig::free()).clock(clock.clone()).build().unwrap();
    let restart = |before: &CircuitBreaker| {
        let text = serde_json::to_string(&before.save()).unwrap();
        let after = make();
        after.restore(&serde_json::from_str::<SavedBreaker>(&text).unwrap());
        after
    };
    let before = make();
    assert_eq!(restart(&before).state(), BreakerState::Closed);
    fail(&before, 3);
    let saved = before.save();
    time.advance(S(20));
    let after = restart(&before);
    let open = after.try_acquire().unwrap_err();
    assert_eq!((open.retry_after(), open.reason), (Some(S(40)), OpenReason::ConsecutiveFailures(3)));
    // A clock that was set back a year meanwhile does not keep it open for a year.
    time.jump_wall_millis(-365 * 24 * 3_600_000);
    let behind = make();
    behind.restore(&saved);
    assert!(behind.try_acquire().unwrap_err().retry_after() <= Some(S(600)));
    // One whose time is over begins with probes.
    time.jump_wall_millis(2 * 365 * 24 * 3_600_000);
    let late = make();
    late.restore(&saved);
    assert!(late.try_acquire().is_ok() && late.state() == BreakerState::HalfOpen);
    before.force_open();
    let forced = restart(&before);
    assert_eq!(forced.try_acquire().unwrap_err().retry_after(), None);
    forced.restore(&saved);
    assert_eq!(forced.try_acquire().unwrap_err().retry_after(), None, "an operator's word stands");
}
