//! `07_manager`: all rooms around one endpoint call; the first source dies, nobody notices.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use feedguard::manager::Call;
use feedguard::{
    BreakerConfig, DataSourceManager, Deadline, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Source,
};

struct Quotes {
    free_is_down: AtomicBool,
}

impl Source for Quotes {
    type Request = u32;
    type Response = f64;
    type Error = io::Error;

    fn call(&self, call: &Call<'_>, symbol: &u32) -> Result<f64, io::Error> {
        if &*call.endpoint().name == "free" && self.free_is_down.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(f64::from(*symbol) / 100.0)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limiter = LimiterConfig::default().burst(50);
    let endpoints = vec![
        EndpointConfig::new(EndpointSpec::named("free")).breaker(BreakerConfig::free()).limiter(limiter.clone()),
        EndpointConfig::new(EndpointSpec::named("paid").price(1.0)).breaker(BreakerConfig::paid()).limiter(limiter),
    ];
    let manager = DataSourceManager::builder(Quotes { free_is_down: AtomicBool::new(false) })
        .config(ManagerConfig::default().endpoints(endpoints))
        .build()?;

    let quote = manager.fetch(&981)?;
    println!("{} from {} ({:?})", *quote, quote.endpoint(), quote.status());
    let quote = manager.fetch(&981)?;
    println!("{} again ({:?})", *quote, quote.status());

    manager.source().free_is_down.store(true, Ordering::Relaxed);
    let report = manager.fetch_batch((100..120).collect(), Deadline::never());
    println!("free source down: {} of {} fetched", report.succeeded(), report.results.len());
    assert_eq!(report.failed(), 0);
    for endpoint in manager.health().endpoints {
        let (router, breaker) = (&endpoint.router, &endpoint.breaker);
        println!(
            "{:<5} {} calls, {} good, cost {}, breaker {}",
            router.name, router.calls, router.successes, router.cost, breaker.state
        );
    }
    Ok(())
}
