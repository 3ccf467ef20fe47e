//! The day: who asks for what and when, and its replay. Open loop: a request comes when it is due, whether or
//! not earlier ones have been answered, and its latency counts from then.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use feedguard::breaker::BreakerState;
use feedguard::manager::ManagerSnapshot;
use indicatif::ProgressBar;

use crate::bars::SYMBOLS;
use crate::http_source::BarsRequest;
use crate::servers::Market;
use crate::settings::Unit;
use crate::ways::{Answer, Host, Way};

const DASHBOARDS: u64 = 12;
const ANALYSTS: u64 = 8;
/// Windows a symbol has for analysts and the nightly batch.
const WINDOWS: usize = 60;
const NIGHTLY: usize = 120;
/// Requests of one way under way at once; enough that none waits for another.
const USERS_AT_ONCE: usize = 96;

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
            Self::Dashboard => "dashboards",
            Self::Analyst => "analysts",
            Self::Nightly => "nightly",
        }
    }
}

struct Due {
    at: Duration,
    class: Class,
    request: BarsRequest,
}

pub(crate) struct Timetable {
    /// In order of time.
    requests: Vec<Due>,
    nightly: Vec<BarsRequest>,
    pub(crate) length: Duration,
}

impl Timetable {
    pub(crate) fn total(&self) -> usize {
        self.requests.len() + self.nightly.len()
    }
}

/// One request as its user felt it.
pub(crate) struct Felt {
    pub(crate) class: Class,
    /// When it was due, as a share of the day.
    pub(crate) hour: f64,
    /// From when it was due.
    pub(crate) latency: Duration,
    pub(crate) answer: Answer,
}

/// The guards at one moment.
pub(crate) struct Moment {
    pub(crate) hour: f64,
    pub(crate) states: Vec<BreakerState>,
    pub(crate) rates: Vec<f64>,
    pub(crate) cost: f64,
}

/// What a replay gave.
pub(crate) struct Run {
    pub(crate) way: Way,
    pub(crate) felt: Vec<Felt>,
    /// Calls by source, when; as a share of the day.
    pub(crate) calls: Vec<(f64, usize)>,
    pub(crate) nightly: Duration,
    pub(crate) moments: Vec<Moment>,
    pub(crate) health: Option<ManagerSnapshot>,
}

pub(crate) fn timetable(length: Duration, seed: u64) -> Timetable {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0xDA1);
    let mut requests = Vec::new();
    for _ in 0..DASHBOARDS {
        let watched: Vec<usize> = (0..2).map(|_| dice.usize(..6)).collect();
        let mut due = 0.0;
        while due < 1.0 {
            let series = watched[dice.usize(..watched.len())];
            let (symbol, end) = (series % SYMBOLS.len(), 3270 - series / SYMBOLS.len());
            let request = BarsRequest { symbol, end, category: "minute" };
            requests.push(Due { at: length.mul_f64(due), class: Class::Dashboard, request });
            // Twice as busy at the open and the close.
            let pause = if (0.1..0.9).contains(&due) { 0.10 } else { 0.05 };
            due += pause * (0.5 + dice.f64()) / length.as_secs_f64();
        }
    }
    for _ in 0..ANALYSTS {
        let mut due = 0.0;
        while due < 1.0 {
            requests.push(Due { at: length.mul_f64(due), class: Class::Analyst, request: popular(&mut dice) });
            due += 0.25 * (0.5 + dice.f64()) / length.as_secs_f64();
        }
    }
    requests.sort_by_key(|due| due.at);
    let nightly = (0..NIGHTLY).map(|nth| window(nth % SYMBOLS.len(), nth / SYMBOLS.len()));
    Timetable { requests, nightly: nightly.collect(), length }
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

pub(crate) fn replay(way: Way, host: &Host, events: &Timetable, market: &Market, bar: &ProgressBar) -> Run {
    let patience = Unit::of(events.length).patience();
    let (felt, next, is_over) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicBool::new(false));
    let share = |at: Duration| at.as_secs_f64() / events.length.as_secs_f64();
    let mut moments = Vec::new();
    thread::scope(|scope| {
        let watch = scope.spawn(|| watch(host, events, market, &is_over));
        let users: Vec<_> = (0..USERS_AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(due) = events.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let at = market.opened + due.at;
                        thread::sleep(at.saturating_duration_since(Instant::now()));
                        let answer = host.fetch(&due.request, patience);
                        let (class, latency) = (due.class, at.elapsed());
                        if let Ok(mut felt) = felt.lock() {
                            felt.push(Felt { class, hour: share(due.at), latency, answer });
                        }
                        bar.inc(1);
                    }
                })
            })
            .collect();
        users.into_iter().for_each(|user| drop(user.join()));
        is_over.store(true, Ordering::Relaxed);
        moments = watch.join().unwrap_or_default();
    });
    let (answers, nightly) = host.nightly(&events.nightly, patience);
    bar.inc(events.nightly.len() as u64);
    let mut felt = felt.into_inner().unwrap_or_default();
    let latency = nightly / u32::try_from(events.nightly.len()).unwrap_or(1);
    felt.extend(answers.into_iter().map(|answer| Felt { class: Class::Nightly, hour: 1.0, latency, answer }));
    let calls = host.source().calls.lock().map(|calls| calls.clone()).unwrap_or_default();
    Run {
        way,
        felt,
        calls: calls.into_iter().map(|(at, source)| (share(at), source)).collect(),
        nightly,
        moments,
        health: if let Host::Guarded(manager) = host { Some(manager.health()) } else { None },
    }
}

/// Looks at the guards two hundred times a day.
fn watch(host: &Host, events: &Timetable, market: &Market, is_over: &AtomicBool) -> Vec<Moment> {
    let Host::Guarded(manager) = host else { return Vec::new() };
    let mut moments = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let endpoints = manager.health().endpoints;
        moments.push(Moment {
            hour: market.opened.elapsed().as_secs_f64() / events.length.as_secs_f64(),
            states: endpoints.iter().map(|endpoint| endpoint.breaker.state).collect(),
            rates: endpoints.iter().map(|endpoint| endpoint.limiter.rate_per_sec).collect(),
            cost: endpoints.iter().map(|endpoint| endpoint.router.cost).sum(),
        });
        thread::sleep(events.length / 200);
    }
    moments
}
