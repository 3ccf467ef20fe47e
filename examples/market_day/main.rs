//! `market_day`: a trading day in miniature, three ways side by side.
//!
//! Four loopback HTTP sources serve real daily bars, with latency, limits, an outage, hangs, half
//! answers and bad rows on a seeded timetable. Dashboards, analysts and the nightly batch ask for
//! them straight from the first source, the old way (a small LRU, a health flag, own code in
//! `ways.rs`), and through `feedguard`. The tables at the end, the goals met or missed, and
//! `market_day.html` come from this run. `--seconds N` sets the length of the day, `--seeds A,B,C`
//! runs one day a seed and gives ranges; `--serve` serves `/metrics` from the first request on and leaves it up.
//! `--pace real` serves too, and goes on, day after day of ten minutes, through `feedguard` alone, until Ctrl-C.

mod bars;
mod chart;
mod day;
mod goals;
mod http_source;
mod page;
mod servers;
mod settings;
mod ways;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use feedguard::manager::FetchRecord;
use feedguard::{DataSourceManager, Metrics};
use indicatif::{ProgressBar, ProgressStyle};

use crate::goals::Goal;
use crate::http_source::HttpSource;
use crate::settings::Unit;
use crate::ways::{Host, OldWay, Way};

type BoxError = Box<dyn Error + Send + Sync>;

/// What the command line may change.
struct Options {
    seconds: u64,
    seeds: Vec<u64>,
    serve: bool,
    goes_on: bool,
}

/// The request with the most turns so far.
type Interesting = Arc<Mutex<Option<FetchRecord>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let server = options.serve.then(|| serve(&registry)).transpose()?;
    let length = Duration::from_secs(options.seconds);
    if options.goes_on {
        return go_on(length, &options.seeds, &metrics);
    }
    let mut by_seed: Vec<(u64, Vec<Goal>)> = Vec::new();
    let mut last = None;
    for seed in &options.seeds {
        println!("a trading day of {} s, seed {seed}: 4 sources, 3 classes of users, 3 ways", options.seconds);
        let record = Interesting::default();
        let runs = play(&Way::ALL, length, *seed, &metrics, &record).map_err(|error| error.to_string())?;
        println!("{}\n", page::tables(&runs));
        by_seed.push((*seed, goals::goals(&runs)));
        last = Some((runs, record));
    }
    println!("{}", page::goal_table(&by_seed));
    if let (Some((runs, record)), Some((_, goals))) = (&last, by_seed.last()) {
        let path = std::env::current_dir()?.join("market_day.html");
        let record = record.lock().map(|record| record.clone()).unwrap_or_default();
        std::fs::write(&path, page::html(runs, goals, &by_seed, record.as_ref(), length)?)?;
        println!("report: {}", path.display());
    }
    if let Some(server) = server {
        println!("metrics stay at {ADDRESS} (Ctrl-C ends)");
        drop(server.join());
    }
    Ok(())
}

/// Day after day; each has a market and a manager of its own, on the same registry.
fn go_on(length: Duration, seeds: &[u64], metrics: &Metrics) -> Result<(), Box<dyn Error>> {
    for (day, seed) in (1..).zip(seeds.iter().cycle()) {
        println!("day {day} of {} s, seed {seed} (Ctrl-C ends)", length.as_secs());
        let runs = play(&[Way::Guarded], length, *seed, metrics, &Interesting::default());
        println!("{}\n", page::tables(&runs.map_err(|error| error.to_string())?));
    }
    Ok(())
}

/// These ways through one day, at once; each has a market of its own.
fn play(
    ways: &[Way],
    length: Duration,
    seed: u64,
    metrics: &Metrics,
    record: &Interesting,
) -> Result<Vec<day::Run>, BoxError> {
    let events = day::timetable(length, seed);
    let bar = ProgressBar::new((ways.len() * events.total()) as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} requests {msg}")?);
    let runs = std::thread::scope(|scope| {
        let start = |way: Way| {
            let (events, bar) = (&events, &bar);
            let start = move || -> Result<day::Run, BoxError> {
                let market = servers::Market::open(length, seed)?;
                let host = host(way, &market, length, metrics, record)?;
                Ok(day::replay(way, &host, events, &market, bar))
            };
            scope.spawn(start)
        };
        let ways: Vec<_> = ways.iter().map(|way| start(*way)).collect();
        ways.into_iter().map(|way| way.join().map_err(|_| "a replay panicked")?).collect::<Result<Vec<_>, BoxError>>()
    });
    bar.finish_and_clear();
    runs
}

fn host(
    way: Way,
    market: &servers::Market,
    length: Duration,
    metrics: &Metrics,
    record: &Interesting,
) -> Result<Host, BoxError> {
    let (source, unit) = (HttpSource::new(market.addresses(), market.opened), Unit::of(length));
    Ok(match way {
        Way::Direct => Host::Direct(source, unit),
        Way::Old => Host::Old(OldWay::new(source, unit)),
        Way::Guarded => {
            let record = Arc::clone(record);
            let turns = |record: &FetchRecord| record.attempts.len();
            let manager = DataSourceManager::builder(source)
                .name("market")
                .config(settings::guarded(unit))
                .metrics(metrics)
                .on_fetch(move |seen| {
                    if let Ok(mut most) = record.lock() {
                        if seen.endpoint.is_some() && most.as_ref().is_none_or(|most| turns(most) < turns(seen)) {
                            *most = Some(seen.clone());
                        }
                    }
                })
                .build()?;
            Host::Guarded(Arc::new(manager))
        }
    })
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { seconds: 40, seeds: vec![7], serve: false, goes_on: false };
    let mut seconds = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seconds" => seconds = Some(value()?.parse::<u64>()?.clamp(2, 3600)),
            "--seeds" | "--seed" => {
                options.seeds = value()?.split(',').map(|seed| seed.trim().parse()).collect::<Result<_, _>>()?;
            }
            "--serve" => options.serve = true,
            "--pace" => match value()?.as_str() {
                "real" => options.goes_on = true,
                "fast" => options.goes_on = false,
                other => return Err(format!("unknown pace {other}; known: fast, real").into()),
            },
            other => {
                let known = "--seconds N, --seeds A,B, --serve, --pace fast|real";
                return Err(format!("unknown argument {other}; known: {known}").into());
            }
        }
    }
    options.serve |= options.goes_on;
    options.seconds = seconds.unwrap_or(if options.goes_on { 600 } else { 40 });
    Ok(options)
}

const ADDRESS: &str = "http://127.0.0.1:9184/metrics";

/// Serves what the registry has; each scrape on the thread that is returned.
fn serve(registry: &prometheus::Registry) -> Result<JoinHandle<()>, Box<dyn Error>> {
    let server = tiny_http::Server::http("127.0.0.1:9184").map_err(|error| error.to_string())?;
    println!("metrics: {ADDRESS}");
    let registry = registry.clone();
    Ok(std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let page = prometheus::TextEncoder::new().encode_to_string(&registry.gather());
            let (page, status) = page.map_or_else(|error| (error.to_string(), 500), |page| (page, 200));
            // A scraper that has gone is no fault of ours.
            drop(request.respond(tiny_http::Response::from_string(page).with_status_code(status)));
        }
    }))
}
