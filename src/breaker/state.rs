//! The state machine, pure: (state, event, now) -> (state, answer). Knows no lock and no clock.

use std::time::Duration;

use super::window::{Running, Window, WindowCounts};
use super::{BreakerConfig, BreakerMode, BreakerState, OpenReason, Settled};
use crate::clock::Tick;
use crate::outcome::Outcome;

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) sequence: u64,
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    pub(super) reason: Option<OpenReason>,
}

/// The right to make one call: two plain words, which travel in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Grows with every transition; results of an older one change nothing.
    pub(super) generation: u64,
    /// Two bits of kind, and a number.
    tag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantKind {
    /// Judged by how it ends.
    Plain,
    /// Followed, because calls may be slow.
    Followed(u64),
    Probe(u64),
    /// Nothing is recorded: the breaker is off, or would have refused the call.
    Unrecorded,
}

impl Grant {
    #[inline]
    pub(super) fn plain(generation: u64) -> Self {
        Self { generation, tag: 0 }
    }

    #[inline]
    pub(super) fn unrecorded() -> Self {
        Self { generation: 0, tag: 3 }
    }

    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.tag == 0
    }

    #[inline]
    pub(super) fn is_unrecorded(self) -> bool {
        self.tag == 3
    }

    fn new(generation: u64, kind: GrantKind) -> Self {
        let tag = match kind {
            GrantKind::Plain => 0,
            GrantKind::Followed(number) => number << 2 | 1,
            GrantKind::Probe(number) => number << 2 | 2,
            GrantKind::Unrecorded => 3,
        };
        Self { generation, tag }
    }

    fn kind(self) -> GrantKind {
        match (self.tag & 3, self.tag >> 2) {
            (0, _) => GrantKind::Plain,
            (1, number) => GrantKind::Followed(number),
            (2, number) => GrantKind::Probe(number),
            _ => GrantKind::Unrecorded,
        }
    }
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
    started: Tick,
    expires: Tick,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) state: BreakerState,
    pub(super) mode: BreakerMode,
    pub(super) generation: u64,
    pub(super) failures: u32,
    pub(super) reason: OpenReason,
    pub(super) times_opened: u64,
    pub(super) stale: u64,
    pub(super) open_until: Tick,
    window: Option<Window>,
    running: Running,
    seed: u64,
    /// How long it was opened last, and how many probes have failed in a row.
    open_for: Duration,
    failed_probes: u32,
    probes: Vec<Probe>,
    next_probe: u64,
    succeeded: u32,
}

impl Core {
    /// `seed` decides the jitter of open times.
    pub(super) fn new(config: &BreakerConfig, seed: u64) -> Self {
        let mode = if !config.enabled {
            BreakerMode::Off
        } else if config.observe_only {
            BreakerMode::Observe
        } else {
            BreakerMode::On
        };
        Self {
            state: BreakerState::Closed,
            mode,
            generation: 0,
            failures: 0,
            reason: OpenReason::ConsecutiveFailures(0),
            times_opened: 0,
            stale: 0,
            open_until: Tick::default(),
            window: config.window.as_ref().map(Window::new),
            running: Running::default(),
            seed,
            open_for: config.open_for,
            failed_probes: 0,
            probes: Vec::new(),
            next_probe: 0,
            succeeded: 0,
        }
    }

    /// Asks for a call; may turn open into half-open, or closed into open when calls under way have
    /// become slow.
    pub(super) fn admit(&mut self, config: &BreakerConfig, now: Tick) -> (Result<Grant, Refused>, Option<Transition>) {
        if self.mode == BreakerMode::Off {
            return (Ok(self.grant(GrantKind::Unrecorded)), None);
        }
        match self.state {
            BreakerState::Closed => {
                if let Some(opened) = self.look(config, now) {
                    return (Err(self.refuse(self.open_for)), Some(opened));
                }
                let followed = config.slow_call_after().and_then(|_| self.running.start(now));
                (Ok(self.grant(followed.map_or(GrantKind::Plain, GrantKind::Followed))), None)
            }
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
        verdict: Outcome,
        now: Tick,
    ) -> (Settled, Option<Transition>) {
        let verdict = concerning(verdict);
        let is_current = grant.generation == self.generation;
        let Some(took) = is_current.then(|| self.give_back(grant, verdict, now)).flatten() else {
            self.stale += u64::from(verdict != Outcome::Ignored);
            return (Settled::Stale, None);
        };
        let is_slow = config.slow_call_after().is_some_and(|limit| took.time > limit);
        let transition = match (self.state, verdict) {
            (_, Outcome::Ignored) | (BreakerState::Open, _) => None,
            (BreakerState::Closed, verdict) => {
                let failed = verdict != Outcome::Success;
                self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
                if let Some(window) = self.window.as_mut().filter(|_| !took.is_recorded) {
                    window.record(failed, is_slow, now);
                }
                if self.failures >= config.threshold() {
                    let reason = OpenReason::ConsecutiveFailures(self.failures);
                    Some(self.open(config, reason, verdict.retry_after(), now))
                } else {
                    self.rates(config, verdict.retry_after(), now)
                }
            }
            (BreakerState::HalfOpen, Outcome::Success) if !is_slow => {
                self.succeeded += 1;
                (self.succeeded >= config.half_open_permits).then(|| {
                    self.failed_probes = 0;
                    self.enter(BreakerState::Closed, None)
                })
            }
            (BreakerState::HalfOpen, verdict) => {
                let is_success = verdict == Outcome::Success;
                let reason = if is_success { OpenReason::ProbeSlow } else { OpenReason::ProbeFailed };
                self.failed_probes = self.failed_probes.saturating_add(1);
                Some(self.open(config, reason, verdict.retry_after(), now))
            }
        };
        (Settled::Recorded, transition)
    }

    /// Opens until told otherwise.
    pub(super) fn force_open(&mut self) -> Transition {
        self.open_until(OpenReason::Forced, Tick::MAX)
    }

    /// Closes and forgets all failures.
    pub(super) fn reset(&mut self) -> Transition {
        self.failed_probes = 0;
        self.enter(BreakerState::Closed, None)
    }

    /// Changes the mode: the state starts again from closed, results of calls under way are stale.
    pub(super) fn set_mode(&mut self, mode: BreakerMode) -> Option<Transition> {
        if self.mode == mode {
            return None;
        }
        self.mode = mode;
        Some(self.reset())
    }

    pub(super) fn retry_after(&self, now: Tick) -> Option<Duration> {
        (self.state == BreakerState::Open).then(|| self.open_until.since(now))
    }

    pub(super) fn counts(&mut self, now: Tick) -> Option<WindowCounts> {
        self.window.as_mut().map(|window| window.counts(now))
    }

    /// Probes and followed calls under way.
    pub(super) fn in_flight(&self) -> usize {
        self.probes.len() + self.running.len()
    }

    /// Whether a success has to be recorded.
    pub(super) fn minds_successes(&self) -> bool {
        self.failures > 0 || self.window.is_some()
    }

    /// Counts calls that have become slow, and opens if they are too many.
    fn look(&mut self, config: &BreakerConfig, now: Tick) -> Option<Transition> {
        let (limit, lease) = (config.slow_call_after()?, config.lease(config.open_for));
        self.running.mark_overdue(self.window.as_mut()?, limit, lease, now);
        self.rates(config, None, now)
    }

    fn rates(&mut self, config: &BreakerConfig, retry_after: Option<Duration>, now: Tick) -> Option<Transition> {
        let rates = config.window.as_ref()?;
        let counts = self.window.as_mut()?.counts(now);
        let WindowCounts { calls, failed, slow } = counts;
        if calls < rates.minimum_calls {
            return None;
        }
        let reaches = |part: u32, rate: f64| f64::from(part) / f64::from(calls) >= rate;
        let reason = if reaches(failed, rates.failure_rate) {
            OpenReason::FailureRate { percent: counts.percent(failed), calls }
        } else if rates.slow_call_after.is_some() && reaches(slow, rates.slow_call_rate) {
            OpenReason::SlowCallRate { percent: counts.percent(slow), calls }
        } else {
            return None;
        };
        Some(self.open(config, reason, retry_after, now))
    }

    fn open(
        &mut self,
        config: &BreakerConfig,
        reason: OpenReason,
        retry_after: Option<Duration>,
        now: Tick,
    ) -> Transition {
        self.open_for = config.open_time(self.failed_probes, retry_after, dice(self.seed, self.times_opened));
        self.open_until(reason, now.after(self.open_for))
    }

    pub(super) fn open_until(&mut self, reason: OpenReason, until: Tick) -> Transition {
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
        self.running.clear();
        if let Some(window) = &mut self.window {
            window.clear();
        }
        Transition { sequence: self.generation, from, to, reason }
    }

    fn grant(&self, kind: GrantKind) -> Grant {
        Grant::new(self.generation, kind)
    }

    /// The refusal that [`admit`](Self::admit) would give, as far as it changes nothing.
    pub(super) fn would_refuse(&mut self, config: &BreakerConfig, now: Tick) -> Option<Refused> {
        if self.mode != BreakerMode::On || self.state != BreakerState::HalfOpen {
            return None;
        }
        self.probes.retain(|probe| now < probe.expires);
        let taken = u32::try_from(self.probes.len()).unwrap_or(u32::MAX).saturating_add(self.succeeded);
        let next = self.probes.iter().map(|probe| probe.expires).min().unwrap_or(now);
        (taken >= config.half_open_permits).then(|| self.refuse(next.since(now)))
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
        let expires = now.after(config.lease(self.open_for));
        self.probes.push(Probe { id: self.next_probe, started: now, expires });
        Ok(self.grant(GrantKind::Probe(self.next_probe)))
    }

    /// Takes a grant back; `None` if it has run out.
    fn give_back(&mut self, grant: Grant, verdict: Outcome, now: Tick) -> Option<Took> {
        match grant.kind() {
            GrantKind::Plain | GrantKind::Unrecorded => Some(Took { time: Duration::ZERO, is_recorded: false }),
            GrantKind::Followed(number) => {
                // Forgotten after its lease, it was slow and is recorded so.
                let Some((started, mark)) = self.running.end(number) else {
                    return Some(Took { time: Duration::ZERO, is_recorded: true });
                };
                if let (Some(mark), Some(window), true) = (mark, &mut self.window, verdict.is_failure()) {
                    window.add_failure(mark);
                }
                Some(Took { time: now.since(started), is_recorded: mark.is_some() })
            }
            GrantKind::Probe(id) => {
                let at = self.probes.iter().position(|probe| probe.id == id)?;
                let probe = self.probes.swap_remove(at);
                Some(Took { time: now.since(probe.started), is_recorded: false })
            }
        }
    }

    fn refuse(&self, retry_after: Duration) -> Refused {
        Refused { state: self.state, retry_after }
    }
}

struct Took {
    time: Duration,
    /// The window knows the call already.
    is_recorded: bool,
}

/// A number in 0..1, the same for the same seed and turn (splitmix64).
fn dice(seed: u64, turn: u64) -> f64 {
    let mut z = seed.wrapping_add(turn.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// What an outcome is to a breaker: a refusal by rate says nothing about health, a call given up is a
/// failure.
const fn concerning(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Limited { .. } => Outcome::Ignored,
        Outcome::TimedOut => Outcome::Failure,
        other => other,
    }
}
