//! What do a grant and a rejection cost? `benches/rivals` has the same beside governor.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use feedguard::limiter::RateControl;
use feedguard::{AdaptiveRateLimiter, LimiterConfig};
use support::{compare, repeat, subject};

fn main() {
    let fast = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
    let fixed = AdaptiveRateLimiter::new("bench", fast.clone().control(RateControl::Fixed)).unwrap();
    let adaptive = AdaptiveRateLimiter::new("bench", fast).unwrap();
    compare(
        "grant",
        &[1, 2],
        &[
            subject("check", |_, n| repeat(n, |_| fixed.check(1).is_ok())),
            subject("permit", |_, n| repeat(n, |_| fixed.try_acquire(1).map(|permit| permit.succeed()).is_ok())),
            subject("permit, adaptive", |_, n| {
                repeat(n, |_| adaptive.try_acquire(1).map(|permit| permit.succeed()).is_ok())
            }),
        ],
    );
    let slow = LimiterConfig::default().control(RateControl::Fixed).min_rate_per_sec(0.001).initial_rate_per_sec(0.001);
    let spent = AdaptiveRateLimiter::new("bench", slow).unwrap();
    spent.try_acquire(1).unwrap().succeed();
    compare("spent", &[1, 2], &[subject("rejection", |_, n| repeat(n, |_| spent.try_acquire(1).is_err()))]);
}
