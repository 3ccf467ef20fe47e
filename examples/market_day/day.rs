//! The day: who asks for what and when, and its replay.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use feedguard::batch::ItemError;
use feedguard::manager::ManagerSnapshot;
use feedguard::router::Decision;
use feedguard::{Clock, Deadline};
use indicatif::ProgressBar;

use crate::bars::SYMBOLS;
use crate::http_source::{BarsRequest, HttpSource};
use crate::servers::Market;
use crate::settings::Way;
use crate::tally::{Answer, Felt};

type Manager = feedguard::DataSourceManager<HttpSource>;

const DASHBOARDS: u64 = 12;
const ANALYSTS: u64 = 8;
/// Windows a symbol has for analysts and the nightly batch.
const WINDOWS: usize = 60;
const NIGHTLY: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Dashboard,
    Analyst,
    Nightly,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Dashboard, Self::Analyst, Self::Nightly];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Analyst => "analyst",
            Self::Nightly => "nightly",
        }
    }
}

/// A user's requests with the time at which each is due.
struct User {
    class: Class,
    requests: Vec<(Duration, BarsRequest)>,
}

pub(crate) struct Timetable {
    users: Vec<User>,
    nightly: Vec<BarsRequest>,
    length: Duration,
}

impl Timetable {
    pub(crate) fn total(&self) -> usize {
        self.users.iter().map(|user| user.requests.len()).sum::<usize>() + self.nightly.len()
    }
}

/// What a replay gave.
pub(crate) struct Run {
    pub(crate) way: Way,
    pub(crate) felt: Vec<(Class, Felt)>,
    pub(crate) calls: u64,
    pub(crate) nightly_seconds: f64,
    pub(crate) health: ManagerSnapshot,
    /// How one request was routed, in the middle of the flaky source's outage.
    pub(crate) explained: Option<Decision>,
    pub(crate) names: Vec<String>,
}

pub(crate) fn timetable(length: Duration, seed: u64) -> Timetable {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0xDA1);
    let dashboards = (0..DASHBOARDS).map(|_| {
        let watched: Vec<usize> = (0..2).map(|_| dice.usize(..6)).collect();
        let mut due = 0.0;
        let mut requests = Vec::new();
        while due < 1.0 {
            let series = watched[dice.usize(..watched.len())];
            let (symbol, end) = (series % SYMBOLS.len(), 3270 - series / SYMBOLS.len());
            requests.push((length.mul_f64(due), BarsRequest { symbol, end, category: "minute" }));
            // Twice as busy at the open and the close.
            let pause = if (0.1..0.9).contains(&due) { 0.10 } else { 0.05 };
            due += pause * (0.5 + dice.f64()) / length.as_secs_f64();
        }
        User { class: Class::Dashboard, requests }
    });
    let mut users: Vec<User> = dashboards.collect();
    users.extend((0..ANALYSTS).map(|_| {
        let mut due = 0.0;
        let mut requests = Vec::new();
        while due < 1.0 {
            requests.push((length.mul_f64(due), popular(&mut dice)));
            due += 0.25 * (0.5 + dice.f64()) / length.as_secs_f64();
        }
        User { class: Class::Analyst, requests }
    }));
    let nightly = (0..NIGHTLY).map(|nth| window(nth % SYMBOLS.len(), nth / SYMBOLS.len()));
    Timetable { users, nightly: nightly.collect(), length }
}

/// A few windows are asked for often, most seldom (Zipf with exponent 1, by inversion).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of windows")]
fn popular(dice: &mut fastrand::Rng) -> BarsRequest {
    let windows = (SYMBOLS.len() * WINDOWS) as f64;
    let rank = (windows.powf(dice.f64()) - 1.0) as usize;
    window(rank % SYMBOLS.len(), rank / SYMBOLS.len())
}

fn window(symbol: usize, nth: usize) -> BarsRequest {
    BarsRequest { symbol, end: 3270 - 40 * nth, category: "daily" }
}

pub(crate) fn replay(way: Way, manager: &Arc<Manager>, events: &Timetable, market: &Market, bar: &ProgressBar) -> Run {
    let mut explained = None;
    let mut felt: Vec<(Class, Felt)> = thread::scope(|scope| {
        let users: Vec<_> = events
            .users
            .iter()
            .map(|user| {
                let manager = Arc::clone(manager);
                scope.spawn(move || live(user, &manager, market.opened, events.length, bar))
            })
            .collect();
        sleep_until(market.opened + events.length.mul_f64(0.4));
        explained = Some(manager.explain(&events.nightly[0]));
        users.into_iter().flat_map(|user| user.join().unwrap_or_default()).collect()
    });
    let begun = Instant::now();
    let mut seen = 0;
    let report = manager.fetch_batch_with_progress(events.nightly.clone(), Deadline::never(), |done, _total| {
        bar.inc((done - seen) as u64);
        seen = done;
    });
    let nightly = begun.elapsed();
    felt.extend(report.results.into_iter().map(|result| {
        let answer = Answer::of(&result.map_err(|error: ItemError<_>| error));
        let latency = nightly / u32::try_from(events.nightly.len()).unwrap_or(1);
        (Class::Nightly, Felt { hour: 1.0, latency, wait: Duration::ZERO, answer })
    }));
    let health = manager.health();
    Run {
        way,
        felt,
        calls: manager.source().calls.load(Ordering::Relaxed),
        nightly_seconds: nightly.as_secs_f64(),
        names: health.endpoints.iter().map(|endpoint| endpoint.router.name.to_string()).collect(),
        health,
        explained,
    }
}

fn live(user: &User, manager: &Manager, opened: Instant, length: Duration, bar: &ProgressBar) -> Vec<(Class, Felt)> {
    let clock = Clock::system();
    let patience = Duration::from_secs(3);
    let ask = |(due, request): &(Duration, BarsRequest)| {
        sleep_until(opened + *due);
        let start = Instant::now();
        let result = manager.fetch_by(request, Deadline::after(&clock, patience));
        let felt = Felt {
            hour: due.as_secs_f64() / length.as_secs_f64(),
            latency: start.elapsed(),
            wait: start.duration_since(opened + *due),
            answer: Answer::of(&result),
        };
        bar.inc(1);
        (user.class, felt)
    };
    user.requests.iter().map(ask).collect()
}

fn sleep_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
