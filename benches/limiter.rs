//! What do a grant and a rejection cost? `benches/rivals` has the same beside governor.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::limiter::RateControl;
use feedguard::{AdaptiveRateLimiter, Deadline, LimiterConfig};
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
    line();
}

/// What does a grant cost in processor time, by the number of callers that wait in the line?
fn line() {
    println!("\nline at 500/s            us of processor a grant");
    for waiters in [1, 20, 100, 400] {
        let limiter = AdaptiveRateLimiter::new("bench", LimiterConfig::fixed(500.0)).unwrap();
        let (grants, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let cost = thread::scope(|scope| {
            for _ in 0..waiters {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        if let Ok(permit) = limiter.acquire(1, Deadline::never()) {
                            permit.succeed();
                            grants.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            thread::sleep(Duration::from_millis(1500));
            let (cpu, count) = (processor_time(), grants.load(Ordering::Relaxed));
            thread::sleep(Duration::from_secs(3));
            let (cpu, count) = (processor_time() - cpu, grants.load(Ordering::Relaxed) - count);
            stop.store(true, Ordering::Relaxed);
            limiter.close();
            cpu.as_secs_f64() * 1e6 / count.max(1) as f64
        });
        println!("{waiters:>5} waiters            {cost:>8.1}");
    }
}

/// Of all threads of this process; zero where the system does not tell.
fn processor_time() -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let texts = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    let nanos = texts.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum();
    Duration::from_nanos(nanos)
}
