//! `02_breaker`: a free feed fails three times, the circuit opens, and says when to come back.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use feedguard::breaker::BreakerState;
use feedguard::{BreakerConfig, CallError, CircuitBreaker, Clock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, time) = Clock::manual();
    let breaker = CircuitBreaker::builder("sina.daily")
        .config(BreakerConfig::free())
        .clock(clock)
        .on_event(|event| println!("  event {}: {} -> {}", event.sequence, event.from, event.to))
        .build()?;
    let down = || Err::<u32, _>("connection refused");

    for n in 1..=3 {
        let failed = breaker.call(down);
        println!("call {n}: {}", failed.as_ref().unwrap_err());
        assert!(matches!(failed, Err(CallError::Failed(_))));
    }
    let Err(CallError::Rejected(open)) = breaker.call(down) else { unreachable!() };
    println!("call 4 never reaches the feed: {open}");

    time.advance(open.retry_after().ok_or("forced open")?);
    for _ in 0..3 {
        breaker.call(|| Ok::<_, &str>(42))?;
    }
    println!("three good probes later it is {}", breaker.state());
    assert_eq!(breaker.state(), BreakerState::Closed);
    Ok(())
}
