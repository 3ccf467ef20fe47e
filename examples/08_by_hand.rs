//! `08_by_hand`: a host with a manager of its own takes the rooms one by one.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::sync::Arc;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::cache::LoadError;
use feedguard::{
    AdaptiveRateLimiter, BreakerConfig, CacheConfig, CircuitBreaker, Clock, Deadline, EndpointSpec, LimiterConfig,
    SmartCache, SmartRouter,
};

/// The host's own manager: its error type, its order of things, our rooms.
struct Desk {
    clock: Clock,
    router: SmartRouter,
    guards: Vec<(CircuitBreaker, AdaptiveRateLimiter)>,
}

impl Desk {
    fn call(&self, symbol: &str) -> Result<f64, String> {
        let decision = self.router.route(&[]);
        let mut why = String::from("nobody answered:");
        for endpoint in decision.candidates() {
            let (breaker, limiter) = &self.guards[endpoint.0];
            let attempt = || -> Result<f64, String> {
                let permit = breaker.try_acquire().map_err(|open| open.to_string())?;
                let patience = Deadline::after(&self.clock, Duration::from_millis(100));
                let token = limiter.acquire(1, patience).map_err(|limited| limited.to_string())?;
                let ticket = self.router.begin(endpoint);
                // Early returns above give everything back by drop.
                let result = vendor(breaker.name(), symbol);
                token.succeed();
                ticket.finish(if result.is_ok() { Outcome::Success } else { Outcome::Failure });
                if result.is_ok() {
                    permit.succeed()
                } else {
                    permit.fail()
                };
                result
            };
            match attempt() {
                Ok(price) => return Ok(price),
                Err(reason) => why = format!("{why} {reason};"),
            }
        }
        Err(why)
    }
}

fn vendor(name: &str, symbol: &str) -> Result<f64, String> {
    if name == "flaky" { Err(format!("{name}: 503")) } else { Ok(symbol.len() as f64) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = ["flaky", "steady"];
    let guard = |name: &str| {
        let breaker = CircuitBreaker::new(name, BreakerConfig::free())?;
        AdaptiveRateLimiter::new(name, LimiterConfig::default().burst(20)).map(|limiter| (breaker, limiter))
    };
    let desk = Arc::new(Desk {
        clock: Clock::system(),
        router: SmartRouter::builder("router").endpoints(names.map(EndpointSpec::named).into()).build()?,
        guards: names.into_iter().map(guard).collect::<Result<_, _>>()?,
    });
    let cache: SmartCache<String, f64, String> = SmartCache::new("cache", CacheConfig::minute())?;
    for symbol in ["600519", "AAPL", "600519", "IBM"] {
        let desk = Arc::clone(&desk);
        match cache.get_or_load(&symbol.to_owned(), move |symbol| desk.call(symbol)) {
            Ok(price) => println!("{symbol}: {} ({:?})", *price, price.status()),
            Err(LoadError::Failed { error, retry_after }) => println!("{symbol}: {error}, again in {retry_after:?}"),
            Err(other) => println!("{symbol}: {other}"),
        }
    }
    println!("{:?}", cache.snapshot());
    assert_eq!(cache.snapshot().fresh, 1);
    Ok(())
}
