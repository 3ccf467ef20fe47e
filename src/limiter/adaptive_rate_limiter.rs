//! The shell: a lane without a lock while nobody waits, a line under the lock when somebody does, and
//! the mind that learns from ended calls.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::admission::rate_or_pause;
use super::bucket::Bucket;
use super::builder::LimiterBuilder;
use super::controller::Controller;
use super::in_flight::InFlightGuard;
use super::lane::{Answer, Lane};
use super::line::Core;
use super::metrics::LimiterMetrics;
use super::mind::Mind;
use super::permit::{Grant, Start};
use super::quota::CalendarQuota;
use super::{
    LimitReason, Limited, LimiterConfig, LimiterEvent, LimiterSnapshot, RateBound, RateOutcome, RatePermit, Reservation,
};
use crate::clock::{Clock, Deadline};
use crate::error::ConfigError;
use crate::name::Name;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;

pub(super) type Listener = Arc<dyn Fn(&LimiterEvent) + Send + Sync>;

pub(super) const ENDED: usize = 0;
pub(super) const REJECTED: usize = 1;
pub(super) const LIMITED: usize = 2;

/// A rate limiter for one source that follows the limit the source shows.
///
/// # Concurrency
/// Thread-safe. While nobody waits, grants and refusals take no lock and allocate nothing. Waiting
/// callers hold a reservation and start in the order in which they asked; [`close`](Self::close)
/// wakes them all. Listeners run outside every lock, on the thread that ended a call; their panics
/// are caught and logged.
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
/// assert_eq!(limiter.rate(), 6.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdaptiveRateLimiter {
    pub(super) name: Name,
    pub(super) config: LimiterConfig,
    pub(super) clock: Clock,
    pub(super) metrics: LimiterMetrics,
    pub(super) listeners: Vec<Listener>,
    pub(super) quotas: Vec<Arc<CalendarQuota>>,
    /// The rate is all that a call has to pass.
    pub(super) is_plain: bool,
    pub(super) lane: Lane,
    pub(super) counts: Tally<3>,
    /// Permits granted before the lane opened; the lane counts the others.
    pub(super) granted: AtomicU64,
    /// Calls that may be in flight, and whether a caller has met that bound.
    pub(super) cap: AtomicU64,
    pub(super) is_bound: AtomicBool,
    pub(super) mind: Mutex<Mind>,
    pub(super) core: Mutex<Core>,
    pub(super) changed: Condvar,
}

impl AdaptiveRateLimiter {
    /// A limiter with the given settings, without metrics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: LimiterConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a limiter; `name` stands in errors, logs and labels.
    pub fn builder(name: impl Into<Name>) -> LimiterBuilder {
        LimiterBuilder::new(name.into())
    }

    pub(super) fn from_builder(parts: LimiterBuilder) -> Self {
        let now = parts.clock.now();
        let config = parts.config;
        let controller = Controller::new(&config, now);
        let rate = controller.rate;
        let bound = RateBound::Between.next(rate, config.min_rate_per_sec, config.max_rate_per_sec);
        let metrics = LimiterMetrics::new(&parts.metrics, &parts.name);
        metrics.rate.set(rate);
        metrics.bound.set(bound.gauge());
        let limiter = Self {
            name: parts.name,
            clock: parts.clock,
            metrics,
            listeners: parts.listeners,
            is_plain: config.enabled && !config.guards_in_flight() && parts.quotas.is_empty(),
            quotas: parts.quotas,
            lane: Lane::new(config.burst),
            counts: Tally::new(),
            granted: AtomicU64::new(0),
            cap: AtomicU64::new(u64::MAX),
            is_bound: AtomicBool::new(false),
            mind: Mutex::new(Mind { controller, guard: InFlightGuard::new(now), shown: rate, bound, events: 0 }),
            core: Mutex::new(Core {
                bucket: Bucket::new(rate, config.burst, now),
                line: BTreeSet::new(),
                closed: false,
            }),
            changed: Condvar::new(),
            config,
        };
        drop(limiter.lock());
        limiter
    }

    /// Takes `n` permits if they are free now; none for `n` = 0.
    ///
    /// # Errors
    /// [`Limited`] with the time after which they will be; nothing is consumed then.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<RatePermit<'_>, Limited> {
        if !self.config.enabled || n == 0 {
            return Ok(self.untold());
        }
        self.admit(n)?;
        match self.lane.try_take(n, || self.clock.now()) {
            Answer::Granted(start, at) => self.grant(n, Start::Lane(start), at),
            Answer::Wait { time, is_paused } => Err(self.refuse(rate_or_pause(is_paused), Some(time))),
            Answer::Ask => self.try_under_lock(n),
        }
    }

    /// Takes `n` permits if they are free now, for callers that will not say how their calls end.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn check(&self, n: u32) -> Result<(), Limited> {
        if self.is_plain && n <= self.config.burst && n > 0 {
            match self.lane.try_take(n, || self.clock.now()) {
                Answer::Granted(..) => return Ok(()),
                Answer::Wait { time, is_paused } => return Err(self.refuse(rate_or_pause(is_paused), Some(time))),
                Answer::Ask => {}
            }
        }
        self.try_acquire(n).map(RatePermit::forget)
    }

    /// Takes `n` permits, waiting for them until `deadline`.
    ///
    /// # Errors
    /// [`Limited`] at once if the deadline cannot be met; nothing is consumed then. Also when a pause
    /// or a close comes in between: a place in the middle of the line is lost then, since handing it
    /// on could let two callers start at one moment.
    pub fn acquire(&self, n: u32, deadline: Deadline) -> Result<RatePermit<'_>, Limited> {
        if self.config.enabled && n > 0 && self.is_free(n) {
            if let Answer::Granted(start, at) = self.lane.try_take(n, || self.clock.now()) {
                match self.grant(n, Start::Lane(start), at) {
                    // Another caller was quicker with the quota; its next window may come in time.
                    Err(Limited { reason: LimitReason::Quota { .. }, retry_after: Some(_), .. }) => {}
                    answer => return answer,
                }
            }
        }
        self.reserve(n, deadline)?.wait(deadline)
    }

    /// Takes a place in the line, if its turn comes before `deadline` as things are now.
    ///
    /// # Errors
    /// [`Limited`] at once if not; nothing is consumed then.
    pub fn reserve(&self, n: u32, deadline: Deadline) -> Result<Reservation<'_>, Limited> {
        if !self.config.enabled || n == 0 {
            return Ok(Reservation { limiter: self, n: 0, place: None });
        }
        self.check_burst(n)?;
        let mut held = self.lock();
        let now = self.clock.now();
        if held.closed {
            return Err(self.refuse_unlocked(held, LimitReason::Closed, None));
        }
        let wait = held.bucket.wait(n, now);
        if wait > Duration::ZERO && deadline.has_passed(now.after(wait)) {
            let reason = held.reason(now);
            return Err(self.refuse_unlocked(held, reason, Some(wait)));
        }
        if let Err((reason, wait)) = self.quotas_free(n) {
            if wait.is_none_or(|wait| deadline.has_passed(now.after(wait))) {
                return Err(self.refuse_unlocked(held, reason, wait));
            }
        }
        let place = held.bucket.take(n, now);
        held.line.insert(place);
        drop(held);
        Ok(Reservation { limiter: self, n, place: Some(place) })
    }

    /// Tells the controller how a call ended, for hosts that hold no permit any more.
    pub fn record(&self, outcome: RateOutcome) {
        if self.config.enabled {
            let now = self.clock.now();
            self.learn(Grant { n: 0, start: Start::Untold, at: now, alongside: u64::MAX }, outcome, now);
        }
    }

    /// Permits per second now.
    pub fn rate(&self) -> f64 {
        self.mind.lock().shown
    }

    /// The time until one permit is free, without taking it; zero if one is free.
    pub fn peek(&self) -> Duration {
        if !self.config.enabled {
            return Duration::ZERO;
        }
        let seen = self.lane.peek(1, || self.clock.now());
        let wait = seen.map_or_else(|| self.lock().bucket.wait(1, self.clock.now()), |(wait, _paused)| wait);
        // Whoever waits for a quota or for calls in flight comes first.
        let is_blocked = wait.is_zero() && self.lane.is_closed() && !self.core.lock().line.is_empty();
        let wait = if is_blocked { Duration::from_millis(1) } else { wait };
        let quota = self.quotas_free(1).err().map(|(_, wait)| wait.unwrap_or(Duration::MAX));
        wait.max(quota.unwrap_or_default())
    }

    /// Refuses all later callers and wakes the waiting ones.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Rate and counts at this moment.
    pub fn snapshot(&self) -> LimiterSnapshot {
        let mind = self.mind.lock();
        let (rate_per_sec, bound) = (mind.shown, mind.bound);
        drop(mind);
        let held = self.lock();
        let (paused_for, waiting) = (held.bucket.paused_for(self.clock.now()), held.line.len());
        let in_flight = if self.config.guards_in_flight() { self.in_flight_locked() } else { 0 };
        let granted = self.granted.load(Ordering::Acquire);
        drop(held);
        let cap = self.cap.load(Ordering::Relaxed);
        LimiterSnapshot {
            name: self.name.clone(),
            rate_per_sec,
            bound,
            paused_for,
            waiting,
            in_flight,
            in_flight_cap: (cap < u64::MAX).then_some(cap),
            granted,
            rejected: self.counts.sum(REJECTED),
            limited: self.counts.sum(LIMITED),
        }
    }

    /// The calendar quotas it draws on: its own, if it has one, then the shared ones.
    pub fn quotas(&self) -> &[Arc<CalendarQuota>] {
        &self.quotas
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Debug for AdaptiveRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveRateLimiter").field("name", &self.name).finish_non_exhaustive()
    }
}
