//! The limiter room.

mod corners;
mod promises;
mod regressions;

use std::time::Duration;

use feedguard::clock::ManualClock;
use feedguard::{AdaptiveRateLimiter, Clock, LimiterConfig};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

fn limiter(config: LimiterConfig) -> (AdaptiveRateLimiter, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    (AdaptiveRateLimiter::builder("feed").config(config).clock(clock.clone()).build().unwrap(), clock, time)
}
