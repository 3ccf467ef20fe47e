//! The state machine, pure: (state, event, now) -> (state, answer). Knows no lock and no clock.

use std::time::Duration;

use super::{BreakerConfig, BreakerState, OpenReason, Settled};
use crate::clock::Tick;

/// How a call ended, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure,
    /// Says nothing about the source; the permit goes back.
    Ignore,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) sequence: u64,
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    pub(super) reason: Option<OpenReason>,
}

/// The right to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Grows with every transition; results of an older one change nothing.
    pub(super) generation: u64,
    /// Set for a probe.
    pub(super) probe: Option<u64>,
}

/// The facts of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) state: BreakerState,
    pub(super) retry_after: Duration,
}

#[derive(Debug)]
struct Probe {
    id: u64,
    expires: Tick,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) state: BreakerState,
    pub(super) generation: u64,
    pub(super) failures: u32,
    pub(super) reason: OpenReason,
    pub(super) times_opened: u64,
    pub(super) stale: u64,
    pub(super) rejected: u64,
    open_until: Tick,
    probes: Vec<Probe>,
    next_probe: u64,
    succeeded: u32,
}

impl Core {
    pub(super) fn new() -> Self {
        Self {
            state: BreakerState::Closed,
            generation: 0,
            failures: 0,
            reason: OpenReason::ConsecutiveFailures(0),
            times_opened: 0,
            stale: 0,
            rejected: 0,
            open_until: Tick::default(),
            probes: Vec::new(),
            next_probe: 0,
            succeeded: 0,
        }
    }

    /// Asks for a call; may turn open into half-open.
    pub(super) fn admit(&mut self, config: &BreakerConfig, now: Tick) -> (Result<Grant, Refused>, Option<Transition>) {
        match self.state {
            BreakerState::Closed => (Ok(Grant { generation: self.generation, probe: None }), None),
            BreakerState::Open if now < self.open_until || self.open_until == Tick::MAX => {
                (Err(self.refuse(self.open_until.since(now))), None)
            }
            BreakerState::Open => {
                let transition = self.enter(BreakerState::HalfOpen, None);
                (self.probe(config, now), Some(transition))
            }
            BreakerState::HalfOpen => (self.probe(config, now), None),
        }
    }

    /// Books the result of a granted call; stale if the grant belongs to an older generation.
    pub(super) fn settle(
        &mut self,
        config: &BreakerConfig,
        grant: Grant,
        verdict: Verdict,
        now: Tick,
    ) -> (Settled, Option<Transition>) {
        if grant.generation != self.generation || !self.give_back(grant) {
            self.stale += u64::from(verdict != Verdict::Ignore);
            return (Settled::Stale, None);
        }
        let transition = match (self.state, verdict) {
            (_, Verdict::Ignore) | (BreakerState::Open, _) => None,
            (BreakerState::Closed, Verdict::Success) => {
                self.failures = 0;
                None
            }
            (BreakerState::Closed, Verdict::Failure) => {
                self.failures = self.failures.saturating_add(1);
                let reached = self.failures >= config.failure_threshold;
                reached.then(|| self.open(OpenReason::ConsecutiveFailures(self.failures), now.after(config.open_for)))
            }
            (BreakerState::HalfOpen, Verdict::Success) => {
                self.succeeded += 1;
                (self.succeeded >= config.half_open_permits).then(|| self.enter(BreakerState::Closed, None))
            }
            (BreakerState::HalfOpen, Verdict::Failure) => {
                Some(self.open(OpenReason::ProbeFailed, now.after(config.open_for)))
            }
        };
        (Settled::Recorded, transition)
    }

    /// Opens until told otherwise.
    pub(super) fn force_open(&mut self) -> Transition {
        self.open(OpenReason::Forced, Tick::MAX)
    }

    /// Closes and forgets all failures.
    pub(super) fn reset(&mut self) -> Transition {
        self.enter(BreakerState::Closed, None)
    }

    pub(super) fn retry_after(&self, now: Tick) -> Option<Duration> {
        (self.state == BreakerState::Open).then(|| self.open_until.since(now))
    }

    fn open(&mut self, reason: OpenReason, until: Tick) -> Transition {
        self.times_opened += 1;
        self.reason = reason;
        self.open_until = until;
        self.enter(BreakerState::Open, Some(reason))
    }

    fn enter(&mut self, to: BreakerState, reason: Option<OpenReason>) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        self.generation += 1;
        self.failures = 0;
        self.succeeded = 0;
        self.probes.clear();
        Transition { sequence: self.generation, from, to, reason }
    }

    fn probe(&mut self, config: &BreakerConfig, now: Tick) -> Result<Grant, Refused> {
        // A probe that outlived its lease hangs; its place is free again and its result stale.
        self.probes.retain(|probe| now < probe.expires);
        let taken = u32::try_from(self.probes.len()).unwrap_or(u32::MAX).saturating_add(self.succeeded);
        if taken >= config.half_open_permits {
            let next = self.probes.iter().map(|probe| probe.expires).min().unwrap_or(now);
            return Err(self.refuse(next.since(now)));
        }
        self.next_probe += 1;
        self.probes.push(Probe { id: self.next_probe, expires: now.after(config.lease()) });
        Ok(Grant { generation: self.generation, probe: Some(self.next_probe) })
    }

    fn give_back(&mut self, grant: Grant) -> bool {
        let Some(id) = grant.probe else { return true };
        let place = self.probes.iter().position(|probe| probe.id == id);
        place.map(|at| self.probes.swap_remove(at)).is_some()
    }

    fn refuse(&mut self, retry_after: Duration) -> Refused {
        self.rejected += 1;
        Refused { state: self.state, retry_after }
    }
}
