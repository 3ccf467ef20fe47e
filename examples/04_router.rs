//! `04_router`: the best endpoint by latency, failures and price in one unit, and why.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::time::Duration;

use feedguard::Outcome;
use feedguard::router::EndpointIndex;
use feedguard::{Clock, EndpointSpec, SmartRouter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, time) = Clock::manual();
    let names = ["free_slow", "free_flaky", "paid_fast"];
    let endpoints = vec![
        EndpointSpec::named(names[0]),
        EndpointSpec::named(names[1]),
        EndpointSpec::named(names[2]).price(0.5).local(true),
    ];
    let router = SmartRouter::builder("router").endpoints(endpoints).clock(clock).build()?;
    let call = |endpoint: usize, latency: u64, outcome: Outcome| {
        let ticket = router.begin(EndpointIndex(endpoint));
        time.advance(Duration::from_millis(latency));
        ticket.finish(outcome);
    };
    for n in 0..20 {
        call(0, 180, Outcome::Success);
        call(1, 90, if n % 4 == 0 { Outcome::Failure } else { Outcome::Success });
        call(2, 30, Outcome::Success);
    }
    let decision = router.route(&[]);
    println!("{:<11} {:>8} {:>8} {:>8} {:>8}", "endpoint", "latency", "failure", "price", "total");
    for candidate in decision.explain() {
        let (name, terms) = (names[candidate.endpoint.0], candidate.terms);
        println!(
            "{name:<11} {:>7.3}s {:>7.3}s {:>7.3}s {:>7.3}s",
            terms.latency, terms.failure, terms.price, terms.total
        );
    }
    assert_eq!(decision.best()?, EndpointIndex(2));
    Ok(())
}
