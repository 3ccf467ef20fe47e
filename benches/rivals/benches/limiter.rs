//! Limiter: grant and rejection, beside governor and a plain mutex.

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Instant;

use feedguard::limiter::RateControl;
use feedguard::{AdaptiveRateLimiter, LimiterConfig};
use governor::{Quota, RateLimiter};
use support::{compare, repeat, subject};

fn main() {
    let fast = LimiterConfig::default()
        .control(RateControl::Fixed)
        .max_rate_per_sec(4e9)
        .initial_rate_per_sec(4e9)
        .burst(1_000_000);
    let ours = AdaptiveRateLimiter::new("bench", fast).unwrap();
    let adaptive = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
    let adaptive = AdaptiveRateLimiter::new("bench", adaptive).unwrap();
    let most = NonZeroU32::new(4_000_000_000).unwrap();
    let governor = RateLimiter::direct(Quota::per_second(most));
    let mutex = Mutex::new((1e9f64, Instant::now()));
    compare(
        "grant",
        &[1, 2],
        &[
            subject("governor", |_, n| repeat(n, |_| governor.check().is_ok())),
            subject("feedguard check", |_, n| repeat(n, |_| ours.check(1).is_ok())),
            subject("feedguard permit", |_, n| {
                repeat(n, |_| ours.try_acquire(1).map(|permit| permit.succeed()).is_ok())
            }),
            subject("feedguard permit, adaptive", |_, n| {
                repeat(n, |_| adaptive.try_acquire(1).map(|permit| permit.succeed()).is_ok())
            }),
            subject("Mutex<(f64, Instant)>", |_, n| {
                repeat(n, |_| {
                    let mut bucket = mutex.lock().unwrap();
                    let now = Instant::now();
                    bucket.0 += now.duration_since(bucket.1).as_secs_f64() * 4e9 - 1.0;
                    bucket.1 = now;
                })
            }),
        ],
    );
    let slow = LimiterConfig::default().control(RateControl::Fixed).min_rate_per_sec(0.001).initial_rate_per_sec(0.001);
    let ours = AdaptiveRateLimiter::new("bench", slow).unwrap();
    ours.try_acquire(1).unwrap().succeed();
    let governor = RateLimiter::direct(Quota::per_hour(NonZeroU32::MIN));
    governor.check().unwrap();
    compare(
        "rejection",
        &[1, 2],
        &[
            subject("governor", |_, n| repeat(n, |_| governor.check().is_err())),
            subject("feedguard", |_, n| repeat(n, |_| ours.try_acquire(1).is_err())),
        ],
    );
}
