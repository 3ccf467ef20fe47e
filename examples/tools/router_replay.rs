//! Answers a simulator of data sources on stdin and stdout with the real router, on a clock that the
//! simulator moves.
//!
//! The first line is a JSON list of endpoints (`name`, `slots`, `price`, `quota`, `rl`: calls a second
//! or 0, `local`). `P t ban` asks for an endpoint at `t` seconds, other than `ban` (-1: any); the answer
//! is its position. `D e t latency ok` reports the end of the call that started at `t - latency`. The
//! environment may turn the price dial: `PRICE_WEIGHT_MS`.
#![allow(clippy::print_stdout, reason = "the protocol is spoken on stdout")]

use std::error::Error;
use std::io::{BufRead, Lines, StdinLock, Write, stdin, stdout};
use std::time::Duration;

use feedguard::Outcome;
use feedguard::router::{EndpointIndex, InFlight};
use feedguard::{Clock, EndpointSpec, RouterConfig, SmartRouter};

fn main() -> Result<(), Box<dyn Error>> {
    play(stdin().lock().lines())
}

fn play(mut lines: Lines<StdinLock<'_>>) -> Result<(), Box<dyn Error>> {
    let first = lines.next().ok_or("no endpoints")??;
    let endpoints = endpoints(&first)?;
    let count = endpoints.len();
    let mut config = RouterConfig::default();
    if let Ok(dial) = std::env::var("PRICE_WEIGHT_MS") {
        config = config.price_weight(Duration::from_secs_f64(dial.parse::<f64>()? / 1000.0));
    }
    let (clock, time) = Clock::manual();
    let router = SmartRouter::builder("router").config(config).endpoints(endpoints).clock(clock).build()?;
    let mut in_flight: Vec<Vec<(f64, InFlight<'_>)>> = (0..count).map(|_| Vec::new()).collect();
    let mut now = 0.0;
    let mut move_to = |at: f64| {
        time.advance(Duration::from_secs_f64((at - now).max(0.0)));
        now = now.max(at);
        now
    };
    for line in lines {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["P", at, ban] => {
                let now = move_to(at.parse()?);
                let ban = ban.parse::<usize>().ok();
                let picked = ban.map_or_else(|| router.pick(), |ban| router.pick_other(EndpointIndex(ban)));
                // The protocol knows no refusal: over all limits, the first one but the banned is asked.
                let ticket = picked.unwrap_or_else(|_| router.begin(EndpointIndex(usize::from(ban == Some(0)))));
                let index = ticket.endpoint().0;
                in_flight.get_mut(index).ok_or("no such endpoint")?.push((now, ticket));
                let mut out = stdout().lock();
                writeln!(out, "{index}")?;
                out.flush()?;
            }
            ["D", endpoint, at, latency, ok] => {
                let started = move_to(at.parse()?) - latency.parse::<f64>()?;
                let calls = in_flight.get_mut(endpoint.parse::<usize>()?).ok_or("no such endpoint")?;
                let distance = |call: &(f64, InFlight<'_>)| (call.0 - started).abs();
                let nearest = (0..calls.len())
                    .min_by(|a, b| distance(&calls[*a]).total_cmp(&distance(&calls[*b])))
                    .ok_or("a result without a call")?;
                let outcome = if *ok == "1" { Outcome::Success } else { Outcome::Failure };
                calls.swap_remove(nearest).1.finish(outcome);
            }
            _ => break,
        }
    }
    Ok(())
}

fn endpoints(json: &str) -> Result<Vec<EndpointSpec>, Box<dyn Error>> {
    let list: Vec<serde_json::Value> = serde_json::from_str(json)?;
    let endpoint = |facts: &serde_json::Value| {
        let number = |key: &str| facts[key].as_f64().unwrap_or_default();
        let name = facts["name"].as_str().ok_or("an endpoint without a name")?;
        let rate_limit = Some(number("rl")).filter(|limit| *limit > 0.0);
        Ok(EndpointSpec::named(name)
            .price(number("price"))
            .free_quota(facts["quota"].as_u64().unwrap_or_default())
            .concurrency(facts["slots"].as_u64().and_then(|slots| slots.try_into().ok()).unwrap_or(16))
            .rate_limit(rate_limit)
            .local(facts["local"].as_bool().unwrap_or_default()))
    };
    list.iter().map(endpoint).collect()
}
