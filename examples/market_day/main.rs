//! `market_day`: a trading day in miniature, three ways side by side.
//!
//! Four loopback HTTP sources serve real daily bars, with latency, limits, an outage, hangs, half
//! answers and bad rows on a seeded timetable. Dashboards, analysts and the nightly batch ask for
//! them straight from the first source, the old way (a small LRU, a health flag, own code in
//! `ways.rs`), and through `feedguard`. The tables at the end, the goals met or missed, and
//! `market_day.html` come from this run. `--seconds N` sets the length of the day, `--seeds A,B,C`
//! runs one day a seed and gives ranges; `--serve` leaves `/metrics` up.

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
}

/// The request with the most turns so far.
type Interesting = Arc<Mutex<Option<FetchRecord>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let length = Duration::from_secs(options.seconds);
    let mut by_seed: Vec<(u64, Vec<Goal>)> = Vec::new();
    let mut last = None;
    for seed in &options.seeds {
        println!("a trading day of {} s, seed {seed}: 4 sources, 3 classes of users, 3 ways", options.seconds);
        let record = Interesting::default();
        let runs = play(length, *seed, &metrics, &record).map_err(|error| error.to_string())?;
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
    if options.serve {
        serve(&registry)?;
    }
    Ok(())
}

/// All ways through one day, at once; each has a market of its own.
fn play(length: Duration, seed: u64, metrics: &Metrics, record: &Interesting) -> Result<Vec<day::Run>, BoxError> {
    let events = day::timetable(length, seed);
    let bar = ProgressBar::new(3 * events.total() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} requests {msg}")?);
    let runs = std::thread::scope(|scope| {
        let ways = Way::ALL.map(|way| {
            let (events, bar) = (&events, &bar);
            let start = move || -> Result<day::Run, BoxError> {
                let market = servers::Market::open(length, seed)?;
                let host = host(way, &market, length, metrics, record)?;
                Ok(day::replay(way, &host, events, &market, bar))
            };
            scope.spawn(start)
        });
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
    let mut options = Options { seconds: 40, seeds: vec![7], serve: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seconds" => options.seconds = value()?.parse::<u64>()?.clamp(2, 3600),
            "--seeds" | "--seed" => {
                options.seeds = value()?.split(',').map(|seed| seed.trim().parse()).collect::<Result<_, _>>()?;
            }
            "--serve" => options.serve = true,
            other => return Err(format!("unknown argument {other}; known: --seconds N, --seeds A,B, --serve").into()),
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
