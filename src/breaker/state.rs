//! The state machine, pure: (state, event, now) -> (state, answer). Knows no lock and no clock.

use std::time::Duration;

use super::grant::{Grant, GrantKind};
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

/// The facts of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) state: BreakerState,
    /// `None`: until an operator says otherwise.
    pub(super) retry_after: Option<Duration>,
}

/// When to ask again while all probes are under way: any of them may end, nobody knows when.
const PROBE_LOOK: Duration = Duration::from_millis(50);

/// Where a breaker stands that is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) reason: OpenReason,
    pub(super) open_until: Tick,
    pub(super) is_forced: bool,
    pub(super) openings: u32,
    pub(super) open_for: Duration,
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
    /// [`Tick::MAX`]: until an operator says otherwise.
    pub(super) open_until: Tick,
    /// An operator has opened it; holds in every mode.
    pub(super) is_forced: bool,
    sequence: u64,
    window: Option<Window>,
    running: Running,
    seed: u64,
    /// How long it was opened last, and how often in a row without a stable time between.
    open_for: Duration,
    openings: u32,
    closed_at: Tick,
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
            is_forced: false,
            sequence: 0,
            window: config.window.as_ref().map(Window::new),
            running: Running::default(),
            seed,
            open_for: config.open_for,
            openings: 0,
            closed_at: Tick::default(),
            probes: Vec::new(),
            next_probe: 0,
            succeeded: 0,
        }
    }

    /// Asks for a call; may turn open into half-open, or closed into open when calls under way have
    /// become slow.
    pub(super) fn admit(&mut self, config: &BreakerConfig, now: Tick) -> (Result<Grant, Refused>, Option<Transition>) {
        if self.state == BreakerState::Open && !self.is_over(now) {
            return (Err(self.refuse(self.retry_after(now))), None);
        }
        let was_forced = std::mem::take(&mut self.is_forced);
        if self.mode == BreakerMode::Off {
            let released = was_forced.then(|| self.enter(BreakerState::Closed, None));
            return (Ok(Grant::unrecorded()), released);
        }
        match self.state {
            BreakerState::Closed => {
                if let Some(opened) = self.look(config, now) {
                    return (Err(self.refuse(self.retry_after(now))), Some(opened));
                }
                let followed = config.slow_call_after().and_then(|_| self.running.start(now));
                (Ok(self.grant(followed.map_or(GrantKind::Plain, GrantKind::Followed))), None)
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
                    self.closed_at = now;
                    self.enter(BreakerState::Closed, None)
                })
            }
            (BreakerState::HalfOpen, verdict) => {
                let is_success = verdict == Outcome::Success;
                let reason = if is_success { OpenReason::ProbeSlow } else { OpenReason::ProbeFailed };
                Some(self.open(config, reason, verdict.retry_after(), now))
            }
        };
        (Settled::Recorded, transition)
    }

    /// Opens until then, whatever the mode. Of one that is forced open already only the end moves.
    pub(super) fn force_open(&mut self, until: Tick) -> Option<Transition> {
        if !std::mem::replace(&mut self.is_forced, true) {
            return Some(self.open_until(OpenReason::Forced, until));
        }
        self.open_until = until;
        // Readers without the lock know by it that there is something new.
        self.generation += 1;
        None
    }

    /// Closes and forgets all failures; no transition if it was closed.
    pub(super) fn reset(&mut self) -> Option<Transition> {
        self.is_forced = false;
        self.openings = 0;
        if self.state == BreakerState::Closed {
            self.start_again();
            return None;
        }
        Some(self.enter(BreakerState::Closed, None))
    }

    /// Changes the mode: the state starts again from closed, results of calls under way are stale. What
    /// an operator has forced open stays so.
    pub(super) fn set_mode(&mut self, mode: BreakerMode) -> Option<Transition> {
        if std::mem::replace(&mut self.mode, mode) == mode || self.is_forced {
            return None;
        }
        self.reset()
    }

    pub(super) fn retry_after(&self, now: Tick) -> Option<Duration> {
        let is_timed = self.state == BreakerState::Open && self.open_until != Tick::MAX;
        is_timed.then(|| self.open_until.since(now))
    }

    fn is_over(&self, now: Tick) -> bool {
        self.open_until != Tick::MAX && now >= self.open_until
    }

    /// What another breaker of the same source should know.
    pub(super) fn position(&self) -> Option<Position> {
        let Self { reason, open_until, is_forced, openings, open_for, .. } = *self;
        // A half-open one has had its time: the other begins with probes too.
        (self.state != BreakerState::Closed).then_some(Position { reason, open_until, is_forced, openings, open_for })
    }

    /// Goes on from where another breaker stood.
    pub(super) fn resume(&mut self, from: Position) -> Option<Transition> {
        if self.is_forced {
            return None;
        }
        (self.is_forced, self.openings, self.open_for) = (from.is_forced, from.openings, from.open_for);
        Some(self.open_until(from.reason, from.open_until))
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
        let is_stable = self.state == BreakerState::Closed
            && now.since(self.closed_at) >= config.stable_after.unwrap_or(self.open_for);
        if is_stable {
            self.openings = 0;
        }
        self.open_for = config.open_time(self.openings, retry_after, dice(self.seed, self.times_opened));
        self.openings = self.openings.saturating_add(1);
        self.open_until(reason, now.after(self.open_for))
    }

    fn open_until(&mut self, reason: OpenReason, until: Tick) -> Transition {
        self.times_opened += u64::from(self.state != BreakerState::Open);
        self.reason = reason;
        self.open_until = until;
        self.enter(BreakerState::Open, Some(reason))
    }

    fn enter(&mut self, to: BreakerState, reason: Option<OpenReason>) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        self.start_again();
        self.sequence += 1;
        Transition { sequence: self.sequence, from, to, reason }
    }

    /// Forgets what it has seen; results of calls under way are stale.
    fn start_again(&mut self) {
        self.generation += 1;
        self.failures = 0;
        self.succeeded = 0;
        self.probes.clear();
        self.running.clear();
        if let Some(window) = &mut self.window {
            window.clear();
        }
    }

    fn grant(&self, kind: GrantKind) -> Grant {
        Grant::new(self.generation, kind)
    }

    /// The refusal that [`admit`](Self::admit) would give, as far as it changes nothing.
    pub(super) fn would_refuse(&mut self, config: &BreakerConfig, now: Tick) -> Option<Refused> {
        match self.state {
            BreakerState::Open if self.is_forced && !self.is_over(now) => Some(self.refuse(self.retry_after(now))),
            BreakerState::HalfOpen if self.mode == BreakerMode::On => self.probes_taken(config, now),
            _ => None,
        }
    }

    /// The refusal, if all probes are under way or done.
    fn probes_taken(&mut self, config: &BreakerConfig, now: Tick) -> Option<Refused> {
        // A probe that outlived its lease hangs; its place is free again and its result stale.
        self.probes.retain(|probe| now < probe.expires);
        let taken = u32::try_from(self.probes.len()).unwrap_or(u32::MAX).saturating_add(self.succeeded);
        let lease = self.probes.iter().map(|probe| probe.expires.since(now)).min().unwrap_or_default();
        (taken >= config.half_open_permits).then(|| self.refuse(Some(lease.min(PROBE_LOOK))))
    }

    fn probe(&mut self, config: &BreakerConfig, now: Tick) -> Result<Grant, Refused> {
        if let Some(refused) = self.probes_taken(config, now) {
            return Err(refused);
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
                if let (Some(mark), Some(window)) = (mark, &mut self.window) {
                    match verdict {
                        Outcome::Ignored => window.remove(mark),
                        verdict if verdict.is_failure() => window.add_failure(mark),
                        _ => {}
                    }
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

    fn refuse(&self, retry_after: Option<Duration>) -> Refused {
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
