//! The state machine against its table, without lock or clock.

use std::time::Duration;

use super::state::Core;
use super::window::{Running, Window};
use super::{BreakerConfig, BreakerState, OpenReason, RateWindow, Settled, WindowSize};
use crate::clock::Tick;
use crate::outcome::Outcome;

const NOW: Tick = Tick(1_000_000_000_000);

fn opened(config: &BreakerConfig) -> Core {
    let mut core = Core::new(config, 1);
    for _ in 0..config.threshold() {
        let grant = core.admit(config, NOW).0.unwrap();
        core.settle(config, grant, Outcome::Failure, NOW);
    }
    assert_eq!(core.state, BreakerState::Open);
    core
}

#[test]
fn a_success_between_failures_keeps_it_closed() {
    let config = BreakerConfig::default();
    let mut core = Core::new(&config, 1);
    for i in 0..100 {
        let grant = core.admit(&config, NOW).0.unwrap();
        let verdict = if i % 5 == 4 { Outcome::Success } else { Outcome::Failure };
        core.settle(&config, grant, verdict, NOW);
    }
    assert_eq!((core.state, core.failures), (BreakerState::Closed, 0));
}

#[test]
fn results_of_an_older_generation_change_nothing() {
    let config = BreakerConfig::free();
    let mut core = Core::new(&config, 1);
    let late = core.admit(&config, NOW).0.unwrap();
    for _ in 0..3 {
        let grant = core.admit(&config, NOW).0.unwrap();
        core.settle(&config, grant, Outcome::Failure, NOW);
    }
    assert_eq!(core.settle(&config, late, Outcome::Success, NOW), (Settled::Stale, None));
    assert_eq!((core.state, core.stale), (BreakerState::Open, 1));
}

#[test]
fn a_hung_probe_frees_its_place_after_the_lease_and_is_stale_then() {
    let config = BreakerConfig::default().half_open_permits(1);
    let mut core = opened(&config);
    let later = NOW.after(config.open_for);
    let hung = core.admit(&config, later).0.unwrap();
    let refused = core.admit(&config, later).0.unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_millis(50)), "any probe may end, none need last its lease");
    let after_lease = later.after(config.lease(config.open_for));
    let probe = core.admit(&config, after_lease).0.unwrap();
    assert_eq!(core.settle(&config, hung, Outcome::Failure, after_lease), (Settled::Stale, None));
    assert_eq!(core.settle(&config, probe, Outcome::Success, after_lease).0, Settled::Recorded);
    assert_eq!(core.state, BreakerState::Closed);
}

#[test]
fn forced_open_never_expires() {
    let config = BreakerConfig::default();
    let mut core = Core::new(&config, 1);
    core.force_open(Tick::MAX);
    let far = NOW.after(Duration::from_secs(400 * 365 * 24 * 3600));
    assert!(core.admit(&config, far).0.is_err());
    let _closed = core.reset();
    assert!(core.admit(&config, far).0.is_ok());
}

fn windowed(window: RateWindow) -> BreakerConfig {
    BreakerConfig::default().failure_threshold(1_000_000).window(Some(window))
}

fn one(core: &mut Core, config: &BreakerConfig, verdict: Outcome, took: Duration, now: &mut Tick) {
    let Ok(grant) = core.admit(config, *now).0 else { return };
    *now = now.after(took);
    core.settle(config, grant, verdict, *now);
}

#[test]
fn no_rate_is_taken_from_too_few_calls() {
    let config = windowed(RateWindow::default().minimum_calls(10));
    let (mut core, mut now) = (Core::new(&config, 1), NOW);
    for _ in 0..9 {
        one(&mut core, &config, Outcome::Failure, Duration::ZERO, &mut now);
        assert_eq!(core.state, BreakerState::Closed);
    }
    one(&mut core, &config, Outcome::Success, Duration::ZERO, &mut now);
    assert_eq!((core.state, core.reason), (BreakerState::Open, OpenReason::FailureRate { percent: 90, calls: 10 }));
}

#[test]
fn a_count_window_forgets_the_calls_before_it() {
    let config = windowed(RateWindow::default().size(WindowSize::Calls(10)).minimum_calls(10));
    let (mut core, mut now) = (Core::new(&config, 1), NOW);
    for i in 0..1000 {
        // Never more than 4 failures among 10 calls in a row.
        let verdict = if i % 10 < 4 { Outcome::Failure } else { Outcome::Success };
        one(&mut core, &config, verdict, Duration::ZERO, &mut now);
    }
    assert_eq!(core.state, BreakerState::Closed);
    assert_eq!(core.counts(now).map(|counts| (counts.calls, counts.failed)), Some((10, 4)));
}

#[test]
fn a_time_window_forgets_what_is_older() {
    let config = windowed(RateWindow::default().size(WindowSize::Time(Duration::from_secs(10))).minimum_calls(100));
    let (mut core, mut now) = (Core::new(&config, 1), NOW);
    for _ in 0..50 {
        one(&mut core, &config, Outcome::Failure, Duration::from_millis(100), &mut now);
    }
    assert_eq!(core.counts(now).map(|counts| counts.calls), Some(50));
    assert!(core.counts(now.after(Duration::from_secs(5))).is_some_and(|counts| counts.calls < 60));
    assert!(core.counts(now.after(Duration::from_secs(9))).is_some_and(|counts| counts.calls >= 10), "its length");
    assert_eq!(core.counts(now.after(Duration::from_secs(11))).map(|counts| counts.calls), Some(0));
    assert_eq!(core.counts(Tick::MAX).map(|counts| counts.calls), Some(0), "a jump to the end of time");
    assert!(core.counts(Tick(0)).is_some(), "a jump back");
}

#[test]
fn calls_that_still_run_count_as_slow_and_open_before_any_has_ended() {
    let limit = Duration::from_secs(2);
    let config = windowed(RateWindow::default().minimum_calls(5).slow_call_after(Some(limit)));
    let mut core = Core::new(&config, 1);
    let hung: Vec<_> = (0..5).map(|_| core.admit(&config, NOW).0.unwrap()).collect();
    assert!(core.admit(&config, NOW.after(limit)).0.is_ok(), "not past the limit yet");
    let later = NOW.after(limit + Duration::from_millis(1));
    assert!(core.admit(&config, later).0.is_err());
    assert_eq!(core.reason, OpenReason::SlowCallRate { percent: 100, calls: 5 });
    assert_eq!(core.settle(&config, hung[0], Outcome::Success, later).0, Settled::Stale);
}

#[test]
fn a_slow_call_counts_once_and_its_failure_too() {
    let limit = Duration::from_secs(1);
    let config = windowed(RateWindow::default().minimum_calls(50).slow_call_after(Some(limit)));
    let mut core = Core::new(&config, 1);
    let slow = core.admit(&config, NOW).0.unwrap();
    let later = NOW.after(limit * 2);
    let quick = core.admit(&config, later).0.unwrap();
    core.settle(&config, slow, Outcome::Failure, later);
    core.settle(&config, quick, Outcome::Success, later);
    let counts = core.counts(later).unwrap();
    assert_eq!((counts.calls, counts.failed, counts.slow), (2, 1, 1));
}

#[test]
fn a_slow_probe_opens_again() {
    let limit = Duration::from_secs(1);
    let config = windowed(RateWindow::default().slow_call_after(Some(limit))).failure_threshold(3);
    let mut core = opened(&config);
    let probe = core.admit(&config, NOW.after(config.open_for)).0.unwrap();
    core.settle(&config, probe, Outcome::Success, NOW.after(config.open_for + limit * 2));
    assert_eq!((core.state, core.reason), (BreakerState::Open, OpenReason::ProbeSlow));
}

#[test]
fn open_times_grow_with_each_opening_to_a_cap_and_start_again_after_a_stable_time() {
    let config = BreakerConfig::free().open_for(Duration::from_secs(10)).open_growth(2.0).half_open_permits(1);
    let config = config.max_open_for(Duration::from_secs(60));
    let (mut core, mut now, mut times) = (opened(&config), NOW, Vec::new());
    for _ in 0..5 {
        let left = core.retry_after(now).unwrap();
        times.push(left.as_secs());
        now = now.after(left);
        one(&mut core, &config, Outcome::Failure, Duration::ZERO, &mut now);
    }
    assert_eq!(times, [10, 20, 40, 60, 60]);
    // Closed for less than the last opening it flaps, for as long it is stable.
    for (closed_for, next) in [(59, 60), (60, 10)] {
        now = now.after(core.retry_after(now).unwrap());
        one(&mut core, &config, Outcome::Success, Duration::ZERO, &mut now);
        assert_eq!(core.state, BreakerState::Closed);
        now = now.after(Duration::from_secs(closed_for));
        for _ in 0..3 {
            one(&mut core, &config, Outcome::Failure, Duration::ZERO, &mut now);
        }
        assert_eq!(core.retry_after(now), Some(Duration::from_secs(next)), "closed for {closed_for} s");
    }
}

#[test]
fn the_stable_time_may_be_set() {
    let config = BreakerConfig::free().open_growth(2.0).half_open_permits(1).stable_after(Some(Duration::from_secs(5)));
    let (mut core, mut now) = (opened(&config), NOW.after(config.open_for));
    one(&mut core, &config, Outcome::Success, Duration::ZERO, &mut now);
    now = now.after(Duration::from_secs(5));
    for _ in 0..3 {
        one(&mut core, &config, Outcome::Failure, Duration::ZERO, &mut now);
    }
    assert_eq!(core.retry_after(now), Some(config.open_for));
}

#[test]
fn jitter_stays_in_its_share_and_differs_by_seed() {
    let config = BreakerConfig::free().open_jitter(0.2);
    let times: Vec<f64> = (0..200)
        .map(|seed| {
            let mut core = Core::new(&config, seed);
            for _ in 0..3 {
                one(&mut core, &config, Outcome::Failure, Duration::ZERO, &mut NOW.clone());
            }
            core.retry_after(NOW).unwrap().as_secs_f64()
        })
        .collect();
    assert!(times.iter().all(|time| (48.0..=72.0).contains(time)), "{times:?}");
    let spread = times.iter().copied().fold(0.0, f64::max) - times.iter().copied().fold(100.0, f64::min);
    assert!(spread > 20.0, "{spread}");
}

#[test]
fn a_retry_after_lengthens_the_open_time_up_to_the_cap_and_never_shortens_it() {
    let config = BreakerConfig::free().max_open_for(Duration::from_secs(300));
    for (wish, open_for) in [(0, 60), (7, 60), (61, 61), (1_000_000_000, 300)] {
        let mut core = Core::new(&config, 1);
        for _ in 0..3 {
            one(&mut core, &config, Outcome::FailureFor(Duration::from_secs(wish)), Duration::ZERO, &mut NOW.clone());
        }
        assert_eq!(core.retry_after(NOW), Some(Duration::from_secs(open_for)));
    }
}

#[test]
fn jitter_spreads_at_the_cap_too_and_asks_nobody_before_the_time_it_wished() {
    let s = Duration::from_secs;
    let config = BreakerConfig::free().open_jitter(0.2).open_growth(2.0);
    // Openings so far, the wish, and the ends of the spread.
    let cases = [(0, None, 48, 72), (9, None, 360, 600), (0, Some(s(200)), 200, 240), (0, Some(s(900)), 360, 600)];
    for (openings, wish, low, high) in cases {
        let ends = [0.0, 1.0].map(|dice| (config.open_time(openings, wish, dice).as_millis() + 1) / 1000);
        assert_eq!(ends, [low, high], "{wish:?}");
    }
    let near = config.open_time(0, Some(s(590)), 0.0);
    assert!(near >= s(590) && config.open_time(0, Some(s(590)), 1.0) <= s(600));
}

#[test]
fn a_window_adds_up_whatever_comes() {
    for size in [WindowSize::Calls(7), WindowSize::Time(Duration::from_millis(70))] {
        let mut window = Window::new(&RateWindow::default().size(size));
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut now, mut marks) = (NOW, Vec::new());
        // The oracle: every record with its place and time.
        let mut log: Vec<(usize, Tick, bool, bool)> = Vec::new();
        for step in 0..5000 {
            now = now.after(Duration::from_millis(rng.u64(0..20)));
            let (failed, slow) = (rng.bool(), rng.bool());
            marks.push(window.record(failed, slow, now));
            log.push((step, now, failed, slow));
            if rng.u8(0..4) == 0 {
                let back = rng.usize(0..10).min(step);
                if !log[step - back].2 {
                    window.add_failure(marks[step - back]);
                    log[step - back].2 = true;
                }
            }
            let part = 7_000_000;
            let is_in = |entry: &&(usize, Tick, bool, bool)| match size {
                WindowSize::Calls(calls) => entry.0 + calls as usize > step,
                WindowSize::Time(_) => entry.1.0 / part + 11 > now.0 / part,
            };
            let counts = window.counts(now);
            let expected = log.iter().filter(is_in);
            assert_eq!(counts.calls as usize, expected.clone().count(), "{size:?} step {step}");
            assert_eq!(counts.failed as usize, expected.clone().filter(|entry| entry.2).count(), "{size:?} {step}");
            assert_eq!(counts.slow as usize, expected.filter(|entry| entry.3).count(), "{size:?} step {step}");
        }
    }
}

#[test]
fn calls_under_way_are_bounded_and_forgotten_after_their_lease() {
    let mut running = Running::default();
    let mut window = Window::new(&RateWindow::default());
    let numbers: Vec<_> = (0..10_001).map(|_| running.start(NOW)).collect();
    assert!(numbers[9_999].is_some() && numbers[10_000].is_none());
    let second = Duration::from_secs(1);
    running.mark_overdue(&mut window, second, second * 10, NOW.after(second * 2));
    assert_eq!((running.len(), window.counts(NOW).slow), (10_000, 100));
    running.mark_overdue(&mut window, second, second * 10, NOW.after(second * 20));
    assert_eq!(running.len(), 0);
    assert_eq!(running.end(numbers[5].unwrap()), None);
    assert!(running.start(NOW).is_some());
}
