//! The locked shell around bucket and controller; waiting in order of reservation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bucket::{Bucket, Place};
use super::controller::Controller;
use super::metrics::LimiterMetrics;
use super::{LimitReason, Limited, LimiterConfig, RateOutcome, RatePermit};
use crate::clock::{Clock, Deadline, Tick};
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::sync::{Condvar, Mutex};

/// A rate limiter for one source that follows the limit the source shows.
///
/// # Concurrency
/// Thread-safe. Waiting callers hold a reservation, so permits are granted in the order in which
/// callers asked; [`close`](Self::close) wakes them all.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, Clock, LimiterConfig, RateOutcome};
/// use std::time::Duration;
/// let (clock, time) = Clock::manual();
/// let limiter = AdaptiveRateLimiter::builder("tushare").config(LimiterConfig::default()).clock(clock).build()?;
/// limiter.try_acquire(1)?.succeed();
/// let refused = limiter.try_acquire(1).unwrap_err();
/// time.advance(refused.retry_after.unwrap());
/// limiter.try_acquire(1)?.finish(RateOutcome::Limited { retry_after: Some(Duration::from_secs(2)) });
/// assert_eq!(limiter.rate(), 7.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdaptiveRateLimiter {
    name: Arc<str>,
    config: LimiterConfig,
    clock: Clock,
    metrics: LimiterMetrics,
    core: Mutex<Core>,
    changed: Condvar,
}

struct Core {
    bucket: Bucket,
    controller: Controller,
    closed: bool,
    waiting: usize,
    granted: u64,
    rejected: u64,
    limited: u64,
}

impl Core {
    /// How long `n` permits are away, and why.
    fn wait(&self, n: u32, now: Tick) -> (Duration, LimitReason) {
        (self.bucket.wait(n, now), self.reason(now))
    }

    fn reason(&self, now: Tick) -> LimitReason {
        if self.bucket.paused_for(now).is_zero() { LimitReason::Rate } else { LimitReason::Paused }
    }
}

impl AdaptiveRateLimiter {
    /// A limiter with the given settings, without metrics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Arc<str>>, config: LimiterConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a limiter; `name` stands in errors, logs and labels.
    pub fn builder(name: impl Into<Arc<str>>) -> LimiterBuilder {
        LimiterBuilder {
            name: name.into(),
            config: LimiterConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
        }
    }

    /// Takes `n` permits if they are free now.
    ///
    /// # Errors
    /// [`Limited`] with the time after which they will be; nothing is consumed then.
    pub fn try_acquire(&self, n: u32) -> Result<RatePermit<'_>, Limited> {
        if !self.config.enabled {
            return Ok(RatePermit::new(self, 0, None));
        }
        let now = self.clock.now();
        let mut core = self.core.lock();
        self.check(&mut core, n)?;
        let (wait, reason) = core.wait(n, now);
        if !wait.is_zero() {
            return Err(self.refuse(&mut core, reason, Some(wait)));
        }
        core.bucket.take(n, now);
        // Cannot fail: the wait, zero, was for the start too.
        let start = core.bucket.start(n, now).ok();
        core.granted += u64::from(n);
        drop(core);
        Ok(RatePermit::new(self, n, start))
    }

    /// Takes `n` permits, waiting for them until `deadline`.
    ///
    /// # Errors
    /// [`Limited`] at once if the deadline cannot be met, or when a pause or a close comes in
    /// between; nothing is consumed then.
    pub fn acquire(&self, n: u32, deadline: Deadline) -> Result<RatePermit<'_>, Limited> {
        if !self.config.enabled {
            return Ok(RatePermit::new(self, 0, None));
        }
        let now = self.clock.now();
        let mut core = self.core.lock();
        self.check(&mut core, n)?;
        let (wait, reason) = core.wait(n, now);
        if wait > Duration::ZERO && deadline.has_passed(now.after(wait)) {
            return Err(self.refuse(&mut core, reason, Some(wait)));
        }
        let place = core.bucket.take(n, now);
        core.waiting += 1;
        let started = loop {
            let now = self.clock.now();
            if core.closed {
                break Err((LimitReason::Closed, None));
            }
            let mut left = core.bucket.wait_for(place, now);
            if left.is_zero() {
                match core.bucket.start(n, now) {
                    Ok(start) => break Ok(start),
                    Err(wait) => left = wait,
                }
            }
            // A pause or a cut that came meanwhile has moved the turn past the deadline.
            if deadline.has_passed(now.after(left)) {
                break Err((core.reason(now), Some(left)));
            }
            self.clock.wait(&self.changed, &mut core, Deadline::at(now.after(left)));
        };
        core.waiting -= 1;
        match started {
            Ok(start) => {
                core.granted += u64::from(n);
                drop(core);
                Ok(RatePermit::new(self, n, Some(start)))
            }
            Err((reason, retry_after)) => {
                core.bucket.leave(n, place);
                let refusal = self.refuse(&mut core, reason, retry_after);
                drop(core);
                Err(refusal)
            }
        }
    }

    /// Tells the controller how a call ended, for hosts that hold no permit any more.
    pub fn record(&self, outcome: RateOutcome) {
        if !self.config.enabled || outcome == RateOutcome::Failed {
            return;
        }
        let now = self.clock.now();
        let mut core = self.core.lock();
        let before = core.controller.rate;
        match outcome {
            RateOutcome::Accepted => core.controller.accepted(now),
            RateOutcome::Limited { retry_after } => {
                core.limited += 1;
                core.controller.limited(now);
                let pause = retry_after.unwrap_or_default().min(self.config.max_pause);
                core.bucket.pause(now.after(pause), now);
            }
            RateOutcome::Failed => {}
        }
        let rate = core.controller.rate;
        let has_changed = rate.to_bits() != before.to_bits();
        if has_changed {
            core.bucket.set_rate(rate, now);
        }
        let is_limit = matches!(outcome, RateOutcome::Limited { .. });
        let moves_turns = core.waiting > 0 && (has_changed || is_limit);
        drop(core);
        if has_changed {
            self.metrics.rate.set(rate);
        }
        if is_limit {
            self.metrics.limited.inc();
        }
        if moves_turns {
            self.changed.notify_all();
        }
    }

    /// Permits per second now.
    pub fn rate(&self) -> f64 {
        self.core.lock().controller.rate
    }

    /// The time until one permit is free, without taking it; zero if one is free.
    pub fn peek(&self) -> Duration {
        if !self.config.enabled {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        self.core.lock().wait(1, now).0
    }

    /// Refuses all later callers and wakes the waiting ones.
    pub fn close(&self) {
        self.core.lock().closed = true;
        self.changed.notify_all();
    }

    /// Rate and counts at this moment.
    pub fn snapshot(&self) -> LimiterSnapshot {
        let now = self.clock.now();
        let core = self.core.lock();
        LimiterSnapshot {
            name: Arc::clone(&self.name),
            rate_per_sec: core.controller.rate,
            paused_for: core.bucket.paused_for(now),
            waiting: core.waiting,
            granted: core.granted,
            rejected: core.rejected,
            limited: core.limited,
        }
    }

    pub(super) fn refund(&self, n: u32, start: Place) {
        let mut core = self.core.lock();
        if core.bucket.refund(n, start) {
            core.granted -= u64::from(n);
        }
    }

    fn check(&self, core: &mut Core, n: u32) -> Result<(), Limited> {
        let burst = self.config.burst;
        if core.closed {
            return Err(self.refuse(core, LimitReason::Closed, None));
        }
        if n > burst {
            return Err(self.refuse(core, LimitReason::ExceedsBurst { asked: n, burst }, None));
        }
        Ok(())
    }

    fn refuse(&self, core: &mut Core, reason: LimitReason, retry_after: Option<Duration>) -> Limited {
        core.rejected += 1;
        self.metrics.rejected.inc();
        Limited { name: Arc::clone(&self.name), reason, retry_after }
    }
}

impl fmt::Debug for AdaptiveRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveRateLimiter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Rate and counts of a limiter at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimiterSnapshot {
    /// Name of the limiter.
    pub name: Arc<str>,
    /// Permits per second.
    pub rate_per_sec: f64,
    /// Rest of a pause the source asked for.
    pub paused_for: Duration,
    /// Callers waiting with a reservation.
    pub waiting: usize,
    /// Permits granted and not given back.
    pub granted: u64,
    /// Requests refused.
    pub rejected: u64,
    /// "Too many requests" answers of the source.
    pub limited: u64,
}

/// Collects what an [`AdaptiveRateLimiter`] works with.
#[must_use]
#[derive(Debug)]
pub struct LimiterBuilder {
    name: Arc<str>,
    config: LimiterConfig,
    clock: Clock,
    metrics: Metrics,
}

impl LimiterBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: LimiterConfig) -> Self {
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

    /// Makes the limiter.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<AdaptiveRateLimiter, ConfigError> {
        self.config.validate()?;
        let now = self.clock.now();
        let controller = Controller::new(&self.config, now);
        let metrics = LimiterMetrics::new(&self.metrics, &self.name);
        metrics.rate.set(controller.rate);
        Ok(AdaptiveRateLimiter {
            core: Mutex::new(Core {
                bucket: Bucket::new(controller.rate, self.config.burst, now),
                controller,
                closed: false,
                waiting: 0,
                granted: 0,
                rejected: 0,
                limited: 0,
            }),
            name: self.name,
            config: self.config,
            clock: self.clock,
            metrics,
            changed: Condvar::new(),
        })
    }
}
