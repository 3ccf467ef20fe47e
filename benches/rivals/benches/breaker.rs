//! Breaker: the healthy path and the rejection, beside recloser, failsafe and a plain mutex.

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::sync::Mutex;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use feedguard::{BreakerConfig, CircuitBreaker};
use support::{compare, repeat, subject};

fn main() {
    let ours = CircuitBreaker::new("bench", BreakerConfig::default()).unwrap();
    let recloser = recloser::Recloser::default();
    let policy =
        failsafe::failure_policy::consecutive_failures(5, failsafe::backoff::constant(Duration::from_secs(60)));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let mutex = Mutex::new((true, 0u32));
    compare(
        "closed and healthy: admit + success",
        &[1, 2],
        &[
            subject("feedguard permit", |_, n| repeat(n, |_| ours.try_acquire().unwrap().succeed())),
            subject("feedguard call", |_, n| repeat(n, |i| ours.call(|| Ok::<_, ()>(i)))),
            subject("recloser call", |_, n| repeat(n, |i| recloser.call(|| Ok::<_, ()>(i)))),
            subject("failsafe call", |_, n| repeat(n, |i| failsafe.call(|| Ok::<_, ()>(i)))),
            subject("Mutex<(bool, u32)>", |_, n| {
                repeat(n, |_| {
                    let open = mutex.lock().unwrap().0;
                    mutex.lock().unwrap().1 = 0;
                    open
                })
            }),
        ],
    );
    ours.force_open();
    for _ in 0..10 {
        drop(failsafe.call(|| Err::<(), _>(())));
    }
    for _ in 0..1000 {
        drop(recloser.call(|| Err::<(), _>(())));
    }
    compare(
        "open: rejection",
        &[1, 2],
        &[
            subject("feedguard", |_, n| repeat(n, |_| ours.try_acquire().is_err())),
            subject("recloser", |_, n| repeat(n, |i| recloser.call(|| Ok::<_, ()>(i)).is_err())),
            subject("failsafe", |_, n| repeat(n, |i| failsafe.call(|| Ok::<_, ()>(i)).is_err())),
        ],
    );
}
