//! What does a breaker add to a call? `benches/rivals` has the same beside other breakers.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use feedguard::{BreakerConfig, CircuitBreaker};
use support::{compare, repeat, subject};

fn main() {
    let breaker = CircuitBreaker::new("bench", BreakerConfig::default()).unwrap();
    compare(
        "closed and healthy",
        &[1, 2],
        &[
            subject("permit", |_, n| repeat(n, |_| breaker.try_acquire().unwrap().succeed())),
            subject("call", |_, n| repeat(n, |i| breaker.call(|| Ok::<_, ()>(i)))),
        ],
    );
    breaker.force_open();
    compare("open", &[1, 2], &[subject("rejection", |_, n| repeat(n, |_| breaker.try_acquire().is_err()))]);
}
