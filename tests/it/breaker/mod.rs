//! The breaker room.

mod corners;
mod promises;
mod regressions;

use std::time::Duration;

use feedguard::clock::ManualClock;
use feedguard::{BreakerConfig, CircuitBreaker, Clock};

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
