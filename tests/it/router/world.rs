//! A host and its sources in made-up time: calls arrive at a pace, each takes as long and ends as its
//! source has it at that moment.

use std::collections::BinaryHeap;
use std::time::Duration;

use feedguard::Outcome;
use feedguard::clock::ManualClock;
use feedguard::router::InFlight;
use feedguard::{Clock, EndpointSpec, RouterConfig, SmartRouter};

/// How a source answers a call that begins at so many seconds: how long, and whether.
pub type Source = Box<dyn Fn(f64, &mut fastrand::Rng) -> (Duration, bool)>;

/// A call that was made.
#[derive(Debug, Clone, Copy)]
pub struct Called {
    pub at: f64,
    pub endpoint: usize,
    pub ok: bool,
}

pub struct World {
    pub router: SmartRouter,
    time: ManualClock,
    sources: Vec<Source>,
    rng: fastrand::Rng,
    now: f64,
}

/// Lognormal about a median.
pub fn around(median_ms: f64, spread: f64, rng: &mut fastrand::Rng) -> Duration {
    let gauss = (-2.0 * rng.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
    Duration::from_secs_f64(median_ms / 1000.0 * (spread * gauss).exp())
}

/// Answers in about this time, but fails within 5 ms in the given spans of seconds.
pub fn out_between(median_ms: f64, spans: Vec<(f64, f64)>) -> Source {
    Box::new(move |at, rng| {
        let is_out = spans.iter().any(|(from, to)| (*from..*to).contains(&at));
        if is_out { (Duration::from_millis(5), false) } else { (around(median_ms, 0.3, rng), true) }
    })
}

/// Answers in about this time, and fails this share of the calls.
pub fn failing(median_ms: f64, share: f64) -> Source {
    Box::new(move |_, rng| (around(median_ms, 0.3, rng), rng.f64() >= share))
}

impl World {
    pub fn new(config: RouterConfig, endpoints: Vec<EndpointSpec>, sources: Vec<Source>, seed: u64) -> Self {
        let (clock, time) = Clock::manual();
        let config = config.seed(seed);
        let router = SmartRouter::builder("world").config(config).endpoints(endpoints).clock(clock).build().unwrap();
        Self { router, time, sources, rng: fastrand::Rng::with_seed(seed), now: 0.0 }
    }

    /// Lets time pass for the router alone.
    pub fn rest(&self, seconds: f64) {
        self.time.advance(Duration::from_secs_f64(seconds));
    }

    /// Calls at this pace for so many seconds; all of them end.
    pub fn run(&mut self, a_second: f64, seconds: f64) -> Vec<Called> {
        /// Ends first comes first.
        struct Open<'a>(f64, InFlight<'a>, bool);
        impl PartialEq for Open<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }
        impl Eq for Open<'_> {}
        impl PartialOrd for Open<'_> {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for Open<'_> {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                other.0.total_cmp(&self.0)
            }
        }
        let until = self.now + seconds;
        let (mut open, mut calls) = (BinaryHeap::new(), Vec::new());
        let mut next = self.now;
        loop {
            let ends = open.peek().map_or(f64::INFINITY, |open: &Open<'_>| open.0);
            let at = if next < until { next.min(ends) } else { ends };
            if at.is_infinite() {
                break;
            }
            self.time.advance(Duration::from_secs_f64((at - self.now).max(0.0)));
            self.now = at;
            if ends <= at {
                let Some(Open(_, ticket, ok)) = open.pop() else { unreachable!() };
                ticket.finish(if ok { Outcome::Success } else { Outcome::Failure });
                continue;
            }
            next += 1.0 / a_second;
            if let Ok(ticket) = self.router.pick() {
                let endpoint = ticket.endpoint().0;
                let (took, ok) = (self.sources[endpoint])(at, &mut self.rng);
                calls.push(Called { at, endpoint, ok });
                open.push(Open(at + took.as_secs_f64(), ticket, ok));
            }
        }
        // The last end may lie behind the last moment asked for.
        self.now = self.now.max(until);
        calls
    }
}

/// Share of an endpoint in the calls of a span of seconds.
pub fn share(calls: &[Called], endpoint: usize, from: f64, to: f64) -> f64 {
    let within = calls.iter().filter(|call| (from..to).contains(&call.at));
    let (own, all) = within.fold((0, 0), |(own, all), call| (own + u32::from(call.endpoint == endpoint), all + 1));
    f64::from(own) / f64::from(all.max(1))
}

/// Share of the calls that are so.
pub fn ratio(calls: &[Called], is_so: impl Fn(&Called) -> bool) -> f64 {
    calls.iter().filter(|call| is_so(call)).count() as f64 / calls.len().max(1) as f64
}
