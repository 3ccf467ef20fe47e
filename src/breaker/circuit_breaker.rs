//! The locked shell around [`Core`]: fast path on one word, listeners after the lock.
//!
//! The word mirrors `core`: bits 0-1 state, bit 2 "has failures", the rest generation. It is
//! written under the lock only, so a reader that finds *closed, no failures* may admit a call, and
//! book its success, without taking the lock.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::metrics::BreakerMetrics;
use super::state::{Core, Grant, Transition, Verdict};
use super::{BreakerConfig, BreakerEvent, BreakerState, CallPermit, Open, OpenReason, Settled};
use crate::clock::Clock;
use crate::error::{CallError, ConfigError};
use crate::metrics::Metrics;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

const HAS_FAILURES: u64 = 0b100;
const GENERATION_SHIFT: u32 = 3;

type Listener = Arc<dyn Fn(&BreakerEvent) + Send + Sync>;

/// A circuit breaker for one source.
///
/// # Concurrency
/// Thread-safe. A closed breaker without recent failures is read by one atomic load; everything
/// else takes one short lock. Listeners run after the lock, on the thread that caused the
/// transition; their panics are caught and logged.
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
/// time.advance(open.retry_after);
/// assert!(breaker.try_acquire().is_ok());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct CircuitBreaker {
    name: Arc<str>,
    config: BreakerConfig,
    clock: Clock,
    metrics: BreakerMetrics,
    listeners: Vec<Listener>,
    word: AtomicU64,
    core: Mutex<Core>,
}

impl CircuitBreaker {
    /// A breaker with the given settings, without metrics and listeners.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Arc<str>>, config: BreakerConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a breaker; `name` stands in errors, logs and labels.
    pub fn builder(name: impl Into<Arc<str>>) -> BreakerBuilder {
        BreakerBuilder {
            name: name.into(),
            config: BreakerConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            listeners: Vec::new(),
        }
    }

    /// Asks for the right to make one call; never waits.
    ///
    /// # Errors
    /// [`Open`] with the time after which to ask again.
    #[inline]
    pub fn try_acquire(&self) -> Result<CallPermit<'_>, Open> {
        let word = self.word.load(Ordering::Acquire);
        if word & 0b11 == BreakerState::Closed as u64 {
            return Ok(CallPermit::new(self, Grant { generation: word >> GENERATION_SHIFT, probe: None }));
        }
        self.acquire_slow()
    }

    /// Runs `call` if the breaker admits it; `Ok` is a success, `Err` a failure.
    ///
    /// # Errors
    /// [`CallError::Rejected`] if refused, [`CallError::Failed`] with the call's own error.
    ///
    /// # Panics
    /// A panic of `call` counts as a failure and goes on.
    pub fn call<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<Open, E>> {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        match call() {
            Ok(value) => {
                permit.succeed();
                Ok(value)
            }
            Err(error) => {
                permit.fail();
                Err(CallError::Failed(error))
            }
        }
    }

    /// The state now; an open breaker whose time is over stays open until a call asks.
    pub fn state(&self) -> BreakerState {
        self.core.lock().state
    }

    /// The refusal a call would get from an open breaker now, without asking for a permit or
    /// counting a rejection.
    pub fn peek(&self) -> Option<Open> {
        if !self.config.enabled || self.word.load(Ordering::Acquire) & 0b11 != BreakerState::Open as u64 {
            return None;
        }
        let now = self.clock.now();
        let core = self.core.lock();
        let retry_after = core.retry_after(now).filter(|left| !left.is_zero())?;
        let (state, reason, times_opened) = (core.state, core.reason, core.times_opened);
        drop(core);
        Some(Open { name: Arc::clone(&self.name), state, retry_after, reason, times_opened })
    }

    /// Opens the breaker until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.transition(|core| ((), Some(core.force_open())));
    }

    /// Closes the breaker and forgets all failures.
    pub fn reset(&self) {
        self.transition(|core| ((), Some(core.reset())));
    }

    /// State and counts at this moment.
    pub fn snapshot(&self) -> BreakerSnapshot {
        let now = self.clock.now();
        let core = self.core.lock();
        BreakerSnapshot {
            name: Arc::clone(&self.name),
            state: core.state,
            consecutive_failures: core.failures,
            retry_after: core.retry_after(now),
            reason: (core.times_opened > 0).then_some(core.reason),
            times_opened: core.times_opened,
            rejected: core.rejected,
            stale_results: core.stale,
        }
    }

    /// The name given at the start.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    #[cold]
    fn acquire_slow(&self) -> Result<CallPermit<'_>, Open> {
        if !self.config.enabled {
            return Ok(CallPermit::new(self, Grant { generation: 0, probe: None }));
        }
        let now = self.clock.now();
        let answer = self.transition(|core| {
            let (answer, transition) = core.admit(&self.config, now);
            (answer.map_err(|refused| (refused, core.reason, core.times_opened)), transition)
        });
        match answer {
            Ok(grant) => Ok(CallPermit::new(self, grant)),
            Err((refused, reason, times_opened)) => {
                self.metrics.rejected.inc();
                let name = Arc::clone(&self.name);
                Err(Open { name, state: refused.state, retry_after: refused.retry_after, reason, times_opened })
            }
        }
    }

    #[inline]
    pub(super) fn settle(&self, grant: Grant, verdict: Verdict) -> Settled {
        let healthy = (grant.generation << GENERATION_SHIFT) | BreakerState::Closed as u64;
        let nothing_to_book = verdict != Verdict::Failure && grant.probe.is_none();
        if !self.config.enabled || (nothing_to_book && self.word.load(Ordering::Acquire) == healthy) {
            return Settled::Recorded;
        }
        self.settle_slow(grant, verdict)
    }

    #[cold]
    fn settle_slow(&self, grant: Grant, verdict: Verdict) -> Settled {
        let now = self.clock.now();
        self.transition(|core| core.settle(&self.config, grant, verdict, now))
    }

    /// Changes the core, mirrors it into the word, and tells the world after the lock.
    fn transition<T>(&self, change: impl FnOnce(&mut Core) -> (T, Option<Transition>)) -> T {
        let mut core = self.core.lock();
        let (answer, transition) = change(&mut core);
        let failures = if core.failures > 0 { HAS_FAILURES } else { 0 };
        let word = (core.generation << GENERATION_SHIFT) | failures | core.state as u64;
        self.word.store(word, Ordering::Release);
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
        let event = BreakerEvent { name: Arc::clone(&self.name), sequence, from, to, reason };
        if let Some(reason) = reason {
            tracing::warn!(breaker = %self.name, %from, %to, %reason, "circuit breaker transition");
        } else {
            tracing::info!(breaker = %self.name, %from, %to, "circuit breaker transition");
        }
        for listener in &self.listeners {
            if catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
                tracing::error!(breaker = %self.name, "a breaker listener panicked");
            }
        }
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("name", &self.name).finish_non_exhaustive()
    }
}

/// State and counts of a breaker at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// Name of the breaker.
    pub name: Arc<str>,
    /// State.
    pub state: BreakerState,
    /// Failures in a row while closed.
    pub consecutive_failures: u32,
    /// Time until a probe is admitted, while open.
    pub retry_after: Option<Duration>,
    /// Why it opened last.
    pub reason: Option<OpenReason>,
    /// How often it opened.
    pub times_opened: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Results that came after the breaker had moved on.
    pub stale_results: u64,
}

/// Collects what a [`CircuitBreaker`] works with.
#[must_use]
pub struct BreakerBuilder {
    name: Arc<str>,
    config: BreakerConfig,
    clock: Clock,
    metrics: Metrics,
    listeners: Vec<Listener>,
}

impl BreakerBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: BreakerConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock; the system clock otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Counts into these metrics; otherwise into none.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Adds a listener for transitions.
    pub fn on_event(mut self, listener: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Makes the breaker.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<CircuitBreaker, ConfigError> {
        self.config.validate()?;
        Ok(CircuitBreaker {
            metrics: BreakerMetrics::new(&self.metrics, &self.name),
            name: self.name,
            config: self.config,
            clock: self.clock,
            listeners: self.listeners,
            word: AtomicU64::new(0),
            core: Mutex::new(Core::new()),
        })
    }
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
