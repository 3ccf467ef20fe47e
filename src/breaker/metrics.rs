//! Handles of one breaker.

use std::sync::{Arc, Weak};

use super::BreakerState;
use crate::clock::{Clock, Tick};
use crate::metrics::{Amount, Counter, Gauge, Metrics, Scrape};
use crate::sync::Mutex;

pub(super) struct BreakerMetrics {
    state: Gauge,
    to: [Counter; 3],
    pub(super) rejected: Counter,
    pub(super) would_reject: Counter,
    open_time: Arc<OpenTime>,
}

impl BreakerMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str, clock: &Clock) -> Self {
        let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
        let state = metrics.breaker_state(name);
        state.set(f64::from(BreakerState::Closed as u8));
        let open_time = Arc::new(OpenTime {
            clock: clock.clone(),
            phase: Mutex::new(Phase::Shut),
            seconds: metrics.breaker_open_time(name),
        });
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&open_time) as Arc<dyn Scrape>));
        metrics.on_scrape(scrape);
        Self {
            state,
            to: states.map(|to| metrics.breaker_transitions(name, to.as_str())),
            rejected: metrics.rejected(name, "breaker_open"),
            would_reject: metrics.rejected(name, "breaker_observed"),
            open_time,
        }
    }

    pub(super) fn entered(&self, to: BreakerState) {
        self.state.set(f64::from(to as u8));
        self.to[to as usize].inc();
        self.open_time.pass_on(|_, now| if to == BreakerState::Open { Phase::Open(now) } else { Phase::Shut });
    }

    /// Out of use, whoever holds it.
    pub(super) fn end(&self) {
        self.state.end();
        self.open_time.pass_on(|_, _| Phase::Over);
    }
}

impl Drop for BreakerMetrics {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long it is open: scrapes that come too seldom to see it open see how long it was.
struct OpenTime {
    clock: Clock,
    phase: Mutex<Phase>,
    seconds: Amount,
}

#[derive(Clone, Copy)]
enum Phase {
    Shut,
    /// Passed on until then.
    Open(Tick),
    /// Nothing is passed on any more.
    Over,
}

impl OpenTime {
    /// Passes on what has not been passed on, once; what comes next.
    fn pass_on(&self, next: impl FnOnce(Phase, Tick) -> Phase) {
        let now = self.clock.now();
        let mut phase = self.phase.lock();
        let was = *phase;
        if !matches!(was, Phase::Over) {
            *phase = next(was, now);
        }
        drop(phase);
        if let Phase::Open(since) = was {
            self.seconds.add(now.since(since).as_secs_f64());
        }
    }
}

impl Scrape for OpenTime {
    fn scrape(&self) {
        self.pass_on(|phase, now| if matches!(phase, Phase::Open(_)) { Phase::Open(now) } else { phase });
    }
}
