//! `market_day`: a trading day in miniature, the old way and the `feedguard` way side by side.
//!
//! Four loopback HTTP sources serve real daily bars, with latency, limits, an outage, hangs, half
//! answers and bad rows on a seeded timetable. Dashboards, analysts and the nightly batch ask for
//! them through two managers that differ in configuration only: one with every switch on the old
//! way (plain LRU, serial batch, round robin, no guards), one with the new. The table at the end,
//! and `market_day.html`, come from this run. `--serve` leaves `/metrics` up; `--seconds N` sets
//! the length of the day; `--seed N` the timetable.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "an example plays the outside world")]
#![allow(clippy::disallowed_types, reason = "its servers are no part of the crate")]

mod bars;
mod day;
mod http_source;
mod report;
mod servers;
mod settings;
mod tally;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use feedguard::{DataSourceManager, Metrics};
use indicatif::{ProgressBar, ProgressStyle};

use crate::http_source::HttpSource;
use crate::settings::Way;

/// What the command line may change.
struct Options {
    seconds: u64,
    seed: u64,
    serve: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let length = Duration::from_secs(options.seconds);
    println!("a trading day of {} s, seed {}: 4 sources, 3 classes of users, 2 ways", options.seconds, options.seed);

    let events = day::timetable(length, options.seed);
    let bar = ProgressBar::new(2 * events.total() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} requests {msg}")?);
    let runs: Vec<day::Run> = std::thread::scope(|scope| {
        let ways = Way::ALL.map(|way| {
            let (events, bar, metrics) = (&events, &bar, &metrics);
            let start = move || -> Result<day::Run, Box<dyn Error + Send + Sync>> {
                let market = servers::Market::open(length, options.seed)?;
                let source = HttpSource::new(market.addresses());
                // Only the new way is shown on /metrics: one registry, one set of names.
                let metrics = if way == Way::Guarded { metrics.clone() } else { Metrics::unregistered() };
                let manager = DataSourceManager::builder(source)
                    .name(way.name())
                    .config(settings::config(way))
                    .metrics(&metrics)
                    .build()?;
                Ok(day::replay(way, &Arc::new(manager), events, &market, bar))
            };
            scope.spawn(start)
        });
        ways.into_iter().map(|way| way.join().map_err(|_| "a replay panicked")?).collect::<Result<_, _>>()
    })
    .map_err(|error: Box<dyn Error + Send + Sync>| error.to_string())?;
    bar.finish_and_clear();

    println!("{}", report::table(&runs));
    println!("{}", report::sources(&runs));
    let path = std::env::current_dir()?.join("market_day.html");
    std::fs::write(&path, report::html(&runs, length)?)?;
    println!("report: {}", path.display());
    if options.serve {
        serve(&registry)?;
    }
    Ok(())
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { seconds: 40, seed: 7, serve: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--seconds" => options.seconds = number()?.parse::<u64>()?.clamp(2, 3600),
            "--seed" => options.seed = number()?.parse()?,
            "--serve" => options.serve = true,
            other => return Err(format!("unknown argument {other}; known: --seconds N, --seed N, --serve").into()),
        }
    }
    Ok(options)
}

fn serve(registry: &prometheus::Registry) -> Result<(), Box<dyn Error>> {
    let server = tiny_http::Server::http("127.0.0.1:9184").map_err(|error| error.to_string())?;
    println!("metrics: http://127.0.0.1:9184/metrics (Ctrl-C ends)");
    for request in server.incoming_requests() {
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather())?;
        request.respond(tiny_http::Response::from_string(text))?;
    }
    Ok(())
}
