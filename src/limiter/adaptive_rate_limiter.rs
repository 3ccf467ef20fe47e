//! The shell: a lane without a lock while nobody waits, a line under the lock when somebody does, and
//! the learner that learns from ended calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::admission::rate_or_pause;
use super::atomic_bucket::{AtomicBucket, TakeResult};
use super::learner::Learner;
use super::metrics::LimiterMetrics;
use super::permit::{Grant, Start};
use super::quota::CalendarQuota;
use super::wait_queue::Core;
use super::{
    LimitReason, Limited, LimiterConfig, LimiterEvent, LimiterSnapshot, OwnedRatePermit, RatePermit, Reservation,
};
use crate::clock::{Clock, Deadline};
use crate::listeners::Listeners;
use crate::name::Name;
use crate::outcome::Outcome;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;

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
/// use feedguard::{AdaptiveRateLimiter, Clock, LimiterConfig};
/// use feedguard::Outcome;
/// use std::time::Duration;
/// let (clock, time) = Clock::manual();
/// let limiter = AdaptiveRateLimiter::builder("tushare").config(LimiterConfig::default()).clock(clock).build()?;
/// limiter.try_acquire(1)?.succeed();
/// let refused = limiter.try_acquire(1).unwrap_err();
/// time.advance(refused.retry_after.unwrap());
/// limiter.try_acquire(1)?.finish(Outcome::Limited { retry_after: Some(Duration::from_secs(2)) });
/// assert_eq!(limiter.rate(), 6.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdaptiveRateLimiter {
    pub(super) name: Name,
    pub(super) config: LimiterConfig,
    pub(super) clock: Clock,
    pub(super) metrics: LimiterMetrics,
    pub(super) listeners: Listeners<LimiterEvent>,
    pub(super) quotas: Vec<Arc<CalendarQuota>>,
    /// The rate is all that a call has to pass.
    pub(super) is_plain: bool,
    pub(super) atomic: AtomicBucket,
    pub(super) counts: Tally<3>,
    /// Permits granted before the lane opened; the lane counts the others.
    pub(super) granted: AtomicU64,
    /// Calls that may be in flight, and whether a caller has met that bound.
    pub(super) cap: AtomicU64,
    pub(super) is_bound: AtomicBool,
    pub(super) learner: Mutex<Learner>,
    pub(super) core: Mutex<Core>,
    pub(super) changed: Condvar,
}

impl AdaptiveRateLimiter {
    /// Takes `n` permits if they are free now; none for `n` = 0.
    ///
    /// # Errors
    /// [`Limited`] with the time after which they will be; nothing is consumed then.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<RatePermit<'_>, Limited> {
        if !self.config.enabled || n == 0 {
            return Ok(self.unrecorded());
        }
        self.admit(n)?;
        match self.atomic.try_take(n, || self.clock.now()) {
            TakeResult::Granted(start, at) => self.grant(n, Start::Atomic(start), at),
            TakeResult::Wait { time, is_paused } => Err(self.refuse(rate_or_pause(is_paused), Some(time))),
            TakeResult::Ask => self.try_under_lock(n),
        }
    }

    /// Takes `n` permits if they are free now, for callers that will not say how their calls end.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn check(&self, n: u32) -> Result<(), Limited> {
        if self.is_plain && n <= self.config.burst && n > 0 {
            match self.atomic.try_take(n, || self.clock.now()) {
                TakeResult::Granted(..) => return Ok(()),
                TakeResult::Wait { time, is_paused } => return Err(self.refuse(rate_or_pause(is_paused), Some(time))),
                TakeResult::Ask => {}
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
            if let TakeResult::Granted(start, at) = self.atomic.try_take(n, || self.clock.now()) {
                match self.grant(n, Start::Atomic(start), at) {
                    // Another caller was quicker with the quota; its next window may come in time.
                    Err(Limited { reason: LimitReason::Quota { .. }, retry_after: Some(_), .. }) => {}
                    answer => return answer,
                }
            }
        }
        self.reserve(n, deadline)?.wait(deadline)
    }

    /// As [`acquire`](Self::acquire), with a permit that moves into threads.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_owned(self: &Arc<Self>, n: u32, deadline: Deadline) -> Result<OwnedRatePermit, Limited> {
        let (grant, quotas) = self.acquire(n, deadline)?.into_parts();
        Ok(OwnedRatePermit::new(Arc::clone(self), grant, quotas))
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
        held.waiting.insert(place);
        drop(held);
        Ok(Reservation { limiter: self, n, place: Some(place) })
    }

    /// Tells the controller how a call ended, for hosts that hold no permit any more.
    pub fn record(&self, outcome: Outcome) {
        if self.config.enabled {
            let now = self.clock.now();
            self.learn(Grant { n: 0, start: Start::Unrecorded, at: now, alongside: u64::MAX }, outcome, now);
        }
    }

    /// Permits per second now.
    pub fn rate(&self) -> f64 {
        self.learner.lock().shown
    }

    /// The time until one permit is free, without taking it; zero if one is free.
    pub fn peek(&self) -> Duration {
        if !self.config.enabled {
            return Duration::ZERO;
        }
        let seen = self.atomic.peek(1, || self.clock.now());
        let wait = seen.map_or_else(|| self.lock().bucket.wait(1, self.clock.now()), |(wait, _paused)| wait);
        // Whoever waits for a quota or for calls in flight comes first.
        let is_blocked = wait.is_zero() && self.atomic.is_closed() && !self.core.lock().waiting.is_empty();
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
        let learner = self.learner.lock();
        let (rate_per_sec, bound) = (learner.shown, learner.bound);
        drop(learner);
        let held = self.lock();
        let (paused_for, waiting) = (held.bucket.paused_for(self.clock.now()), held.waiting.len());
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
