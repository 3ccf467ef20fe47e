//! The locked shell around [`Core`]: fast paths on the [`Word`], listeners after the lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::grant::Grant;
use super::metrics::BreakerMetrics;
use super::state::{Core, Transition};
use super::word::{Glance, Word};
use super::{
    BreakerConfig, BreakerEvent, BreakerMode, BreakerSnapshot, BreakerState, CallPermit, Open, OwnedCallPermit,
    SavedBreaker, SavedOpening, Settled,
};
use crate::clock::{Clock, Tick};
use crate::error::{CallError, ConfigError};
use crate::listeners::Listeners;
use crate::name::Name;
use crate::outcome::Outcome;
use crate::sync::Mutex;
use crate::tally::Tally;

const REJECTED: usize = 0;
const WOULD_REJECT: usize = 1;

/// A circuit breaker for one source.
///
/// # Concurrency
/// Thread-safe. A closed breaker without recent failures is read by one atomic load, a refusal of an
/// open one by a few, and neither allocates; everything else takes one short lock. Listeners run
/// after the lock, on the thread that caused the transition; their panics are caught and logged.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CallError, CircuitBreaker, Clock};
/// let (clock, time) = Clock::manual();
/// let breaker = CircuitBreaker::builder("sina.daily").config(BreakerConfig::free()).clock(clock).build()?;
/// for _ in 0..3 {
///     let failed: Result<(), _> = breaker.call(|| Err("connection refused"));
///     assert!(matches!(failed, Err(CallError::Failed(_))));
/// }
/// let Err(open) = breaker.try_acquire() else { panic!("must be open") };
/// time.advance(open.retry_after().unwrap());
/// assert!(breaker.try_acquire().is_ok());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct CircuitBreaker {
    pub(super) name: Name,
    pub(super) config: BreakerConfig,
    pub(super) clock: Clock,
    pub(super) metrics: BreakerMetrics,
    pub(super) listeners: Listeners<BreakerEvent>,
    pub(super) counts: Tally<2>,
    pub(super) word: Word,
    pub(super) core: Mutex<Core>,
}

impl CircuitBreaker {
    /// Asks for the right to make one call; never waits.
    ///
    /// # Errors
    /// [`Open`] with the time after which to ask again.
    #[inline]
    pub fn try_acquire(&self) -> Result<CallPermit<'_>, Open> {
        match self.word.look(|| self.clock.now()) {
            Glance::Pass(generation) => Ok(CallPermit::new(self, Grant::plain(generation))),
            Glance::PassUnrecorded => Ok(CallPermit::new(self, Grant::unrecorded())),
            Glance::Refuse { retry_after, reason, times_opened } => {
                self.count_rejection();
                Err(Open { name: self.name.clone(), state: BreakerState::Open, retry_after, reason, times_opened })
            }
            Glance::Ask => self.ask(),
        }
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that moves into threads.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedCallPermit, Open> {
        let grant = self.try_acquire()?.into_grant();
        Ok(OwnedCallPermit::new(Arc::clone(self), grant))
    }

    /// Runs `call` if the breaker admits it; `Ok` is a success, `Err` a failure.
    ///
    /// # Errors
    /// [`CallError::Rejected`] if refused, [`CallError::Failed`] with the call's own error.
    ///
    /// # Panics
    /// A panic of `call` counts as a failure and propagates.
    #[inline]
    pub fn call<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<Open, E>> {
        let judge = |result: &Result<T, E>| if result.is_ok() { Outcome::Success } else { Outcome::Failure };
        self.call_judged(judge, call)
    }

    /// Runs `call` if the breaker admits it; `judge` says what its result means for the source's
    /// health: an unknown symbol is an error of the caller, not of the source.
    ///
    /// # Errors
    /// As [`call`](Self::call), whatever the verdict.
    ///
    /// # Panics
    /// A panic of `call` or `judge` counts as a failure and propagates.
    ///
    /// # Examples
    /// ```
    /// use feedguard::{BreakerConfig, CircuitBreaker};
    /// use feedguard::breaker::BreakerState;
    /// use feedguard::Outcome;
    /// let breaker = CircuitBreaker::new("tushare", BreakerConfig::free())?;
    /// let judge = |result: &Result<f64, u16>| match result {
    ///     Ok(_) => Outcome::Success,
    ///     Err(404) => Outcome::Ignored,
    ///     Err(_) => Outcome::Failure,
    /// };
    /// for _ in 0..100 {
    ///     assert!(breaker.call_judged(judge, || Err(404)).is_err());
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Closed);
    /// # Ok::<(), feedguard::ConfigError>(())
    /// ```
    #[inline]
    pub fn call_judged<T, E>(
        &self,
        judge: impl FnOnce(&Result<T, E>) -> Outcome,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CallError<Open, E>> {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        let result = call();
        permit.finish(judge(&result));
        result.map_err(CallError::Failed)
    }

    /// The state now; an open breaker whose time is over stays open until a call asks.
    pub fn state(&self) -> BreakerState {
        self.core.lock().state
    }

    /// The refusal a call would get now, without asking for a permit or counting a rejection: from an
    /// open breaker, or a half-open one whose probes are all taken.
    pub fn peek(&self) -> Option<Open> {
        match self.word.look(|| self.clock.now()) {
            Glance::Refuse { retry_after, reason, times_opened } => {
                Some(Open { name: self.name.clone(), state: BreakerState::Open, retry_after, reason, times_opened })
            }
            Glance::Pass(_) | Glance::PassUnrecorded => None,
            Glance::Ask => {
                let now = self.clock.now();
                let mut core = self.core.lock();
                let refused = core.would_refuse(&self.config, now)?;
                let (reason, times_opened) = (core.reason, core.times_opened);
                drop(core);
                let (state, retry_after) = (refused.state, refused.retry_after);
                Some(Open { name: self.name.clone(), state, retry_after, reason, times_opened })
            }
        }
    }

    /// Opens the breaker until [`reset`](Self::reset), in every mode; refusals know no time to ask again.
    /// Of one that is forced open already nothing changes.
    pub fn force_open(&self) {
        self.change(|core| ((), core.force_open(Tick::MAX)));
    }

    /// Opens the breaker for this time, in every mode, or until [`reset`](Self::reset); it admits probes
    /// then. Of one that is forced open already only the end changes.
    pub fn force_open_for(&self, time: Duration) {
        let until = self.clock.now().after(time);
        self.change(|core| ((), core.force_open(until)));
    }

    /// Closes the breaker and forgets all failures; no transition if it was closed.
    pub fn reset(&self) {
        self.change(|core| ((), core.reset()));
    }

    /// Changes how it treats calls from now on. It starts again, closed, and results of calls under way
    /// are stale; one that is forced open stays so.
    pub fn set_mode(&self, mode: BreakerMode) {
        self.change(|core| ((), core.set_mode(mode)));
    }

    /// Adds a listener for transitions from now on.
    ///
    /// # Errors
    /// [`ConfigError`] if there are 16 already.
    pub fn subscribe(&self, listener: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Result<(), ConfigError> {
        self.listeners.subscribe(listener)
    }

    /// Where it stands, to be restored after a restart.
    pub fn save(&self) -> SavedBreaker {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let position = self.core.lock().position();
        SavedBreaker { open: position.map(|position| SavedOpening::of(position, now, wall)) }
    }

    /// Goes on from where a saved one stood: one that was open stays open until then, and probes are due if
    /// that time is over. Nothing changes if the saved one was closed, or this one is forced open.
    pub fn restore(&self, saved: &SavedBreaker) {
        let Some(opening) = &saved.open else { return };
        let position = opening.position(self.config.max_open_for, self.clock.now(), self.clock.wall());
        self.change(|core| ((), core.resume(position)));
    }

    /// Goes on from where another breaker of the same source stands.
    pub(crate) fn take_over(&self, from: &Self) {
        let position = from.core.lock().position();
        if let Some(position) = position {
            self.change(|core| ((), core.resume(position)));
        }
    }

    /// Another one is in its place: its gauges say nothing any more.
    pub(crate) fn retire(&self) {
        self.metrics.end();
    }

    /// State and counts at this moment.
    pub fn snapshot(&self) -> BreakerSnapshot {
        let now = self.clock.now();
        let mut core = self.core.lock();
        BreakerSnapshot {
            name: self.name.clone(),
            state: core.state,
            mode: core.mode,
            consecutive_failures: core.failures,
            window: core.counts(now),
            in_flight: core.in_flight(),
            retry_after: core.retry_after(now),
            reason: (core.times_opened > 0).then_some(core.reason),
            times_opened: core.times_opened,
            rejected: self.counts.sum(REJECTED),
            would_have_rejected: self.counts.sum(WOULD_REJECT),
            stale_results: core.stale,
        }
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }

    #[cold]
    fn ask(&self) -> Result<CallPermit<'_>, Open> {
        let now = self.clock.now();
        let answer = self.change(|core| {
            let (answer, transition) = core.admit(&self.config, now);
            let observed = Grant::unrecorded();
            let is_observing = core.mode == BreakerMode::Observe && !core.is_forced;
            let answer =
                answer.map_err(|refused| (is_observing.then_some(observed), refused, core.reason, core.times_opened));
            (answer, transition)
        });
        match answer {
            Ok(grant) => Ok(CallPermit::new(self, grant)),
            Err((Some(observed), ..)) => {
                self.counts.add(WOULD_REJECT, 1);
                self.metrics.would_reject.inc();
                Ok(CallPermit::new(self, observed))
            }
            Err((None, refused, reason, times_opened)) => {
                self.count_rejection();
                let (state, retry_after) = (refused.state, refused.retry_after);
                Err(Open { name: self.name.clone(), state, retry_after, reason, times_opened })
            }
        }
    }

    #[inline]
    fn count_rejection(&self) {
        self.counts.add(REJECTED, 1);
        self.metrics.rejected.inc();
    }

    #[inline]
    pub(super) fn settle(&self, grant: Grant, verdict: Outcome) -> Settled {
        let is_plain = grant.is_plain() && !verdict.is_failure();
        if grant.is_unrecorded() || (is_plain && self.word.is_healthy(grant.generation)) {
            return Settled::Recorded;
        }
        self.settle_slow(grant, verdict)
    }

    #[cold]
    fn settle_slow(&self, grant: Grant, verdict: Outcome) -> Settled {
        let now = self.clock.now();
        self.change(|core| core.settle(&self.config, grant, verdict, now))
    }

    /// Changes the core, shows it in the word, and tells the world after the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Core) -> (T, Option<Transition>)) -> T {
        let mut core = self.core.lock();
        let (answer, transition) = change(&mut core);
        self.word.show(&core, &self.config);
        if let Some(transition) = &transition {
            // Under the lock: the gauge must not show an older state last.
            self.metrics.entered(transition.to);
        }
        drop(core);
        if let Some(transition) = transition {
            self.announce(transition);
        }
        answer
    }

    fn announce(&self, Transition { sequence, from, to, reason }: Transition) {
        let event = BreakerEvent { name: self.name.clone(), sequence, from, to, reason };
        if let Some(reason) = reason {
            tracing::warn!(breaker = %self.name, %from, %to, %reason, "circuit breaker transition");
        } else {
            tracing::info!(breaker = %self.name, %from, %to, "circuit breaker transition");
        }
        self.listeners.tell(&self.name, &event);
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("name", &self.name).finish_non_exhaustive()
    }
}
