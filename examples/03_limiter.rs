//! `03_limiter`: calls are paced, a 429 with Retry-After pauses everybody and cuts the rate once.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::time::Duration;

use feedguard::Outcome;
use feedguard::{AdaptiveRateLimiter, Clock, LimiterConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, time) = Clock::manual();
    let limiter =
        AdaptiveRateLimiter::builder("tushare").config(LimiterConfig::default().burst(2)).clock(clock).build()?;

    limiter.try_acquire(1)?.succeed();
    limiter.try_acquire(1)?.succeed();
    let refused = limiter.try_acquire(1).unwrap_err();
    println!("two at once, then: {refused}");
    time.advance(refused.retry_after.unwrap_or_default());

    let permit = limiter.try_acquire(1)?;
    permit.finish(Outcome::Limited { retry_after: Some(Duration::from_secs(3)) });
    let paused = limiter.try_acquire(1).unwrap_err();
    println!("after a 429: {paused}; rate {} -> {} calls/s", 10, limiter.rate());
    assert!(paused.retry_after >= Some(Duration::from_secs(3)));

    time.advance(Duration::from_secs(3));
    for _ in 0..200 {
        time.advance(Duration::from_millis(100));
        if let Ok(permit) = limiter.try_acquire(1) {
            permit.succeed();
        }
    }
    println!("twenty seconds of accepted calls later: {:.1} calls/s", limiter.rate());
    assert!(limiter.rate() > 10.0);
    Ok(())
}
