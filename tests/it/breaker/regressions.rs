//! Faults that a review found, each by the promise it broke.

use std::time::Duration;

use feedguard::breaker::{BreakerState, RateWindow, WindowSize};
use feedguard::clock::ManualClock;
use feedguard::{BreakerConfig, CircuitBreaker, Clock};

const S: fn(u64) -> Duration = Duration::from_secs;
fn brk(c: BreakerConfig) -> (CircuitBreaker, ManualClock) {
    let (clock, time) = Clock::manual();
    (CircuitBreaker::builder("b").config(c).clock(clock).build().unwrap(), time)
}

#[test]
fn calls_that_have_ended_do_not_fill_the_list_of_those_followed() {
    let w = RateWindow::default().slow_call_after(Some(S(1)));
    let (b, time) = brk(BreakerConfig::default().window(Some(w)));
    let _hung = b.try_acquire().unwrap();
    for _ in 0..10_000 {
        b.try_acquire().unwrap().succeed();
    }
    for _ in 0..2 {
        let crowd: Vec<_> = (0..100).filter_map(|_| b.try_acquire().ok()).collect();
        time.advance(S(5));
        for p in crowd {
            p.succeed();
        }
    }
    assert!(b.snapshot().times_opened > 0, "200 calls of 5 s each, none slow");
}
#[test]
fn a_rate_that_is_reached_exactly_opens() {
    let w = RateWindow::default().size(WindowSize::Calls(100)).minimum_calls(100).failure_rate(0.55);
    let (b, _t) = brk(BreakerConfig::default().failure_threshold(1000).window(Some(w)));
    for i in 0..100 {
        let p = b.try_acquire().unwrap();
        if i < 45 {
            p.succeed();
        } else {
            p.fail();
        }
    }
    assert_eq!(b.state(), BreakerState::Open);
}
#[test]
fn jitter_keeps_to_the_longest_open_time() {
    for seed in 0..20 {
        let (clock, _t) = Clock::manual();
        let b = CircuitBreaker::builder("b")
            .seed(seed)
            .clock(clock)
            .config(BreakerConfig::free().open_for(S(600)).open_jitter(0.5))
            .build()
            .unwrap();
        for _ in 0..3 {
            b.try_acquire().unwrap().fail();
        }
        let r = b.try_acquire().unwrap_err().retry_after;
        assert!(r <= Some(S(600)), "{r:?}");
    }
}
