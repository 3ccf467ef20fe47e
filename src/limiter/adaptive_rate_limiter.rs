//! The shell: composes the line, the places, the quotas and the learner.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::atomic_bucket::TakeResult;
use super::in_flight_cap::InFlightCap;
use super::learner::Learner;
use super::metrics::LimiterMetrics;
use super::quota::CalendarQuota;
use super::wait_queue::{Start, WaitQueue, comes_too_late};
use super::{Limited, LimiterConfig, LimiterEvent, LimiterSnapshot, OwnedRatePermit, RatePermit, Reservation};
use crate::clock::{Clock, Deadline};
use crate::listeners::Listeners;
use crate::name::Name;
use crate::outcome::Outcome;
use crate::tally::Tally;

pub(super) const REJECTED: usize = 0;
pub(super) const LIMITED: usize = 1;

/// A rate limiter for one source that follows the limit the source shows.
///
/// # Concurrency
/// Thread-safe. While nobody waits, grants and refusals take no lock and allocate nothing. Waiting
/// callers hold a reservation and start in the order in which they asked, each woken when its turn comes
/// and not before; [`close`](Self::close) wakes them all. Listeners run outside every lock, on the thread that
/// ended a call; their panics are caught and logged.
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
    pub(super) queue: WaitQueue,
    pub(super) places: InFlightCap,
    pub(super) learner: Learner,
    pub(super) counts: Tally<2>,
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
        self.check_burst(n)?;
        let is_plain = self.is_plain();
        if !is_plain {
            self.may_ask(n)?;
        }
        match self.queue.try_take(n) {
            TakeResult::Granted(start, at) if is_plain => Ok(RatePermit::plain(self, n, Start::Atomic(start), at)),
            TakeResult::Granted(start, at) => {
                self.complete(n, Start::Atomic(start), at).map_err(|blocked| self.refuse(blocked))
            }
            TakeResult::Wait { time, is_paused } => Err(self.refuse_by_rate(time, is_paused)),
            TakeResult::Ask => self.try_under_lock(n),
        }
    }

    /// Whether the rate is all that a call has to pass. (The design's rule keeps the lane closed.)
    #[inline]
    fn is_plain(&self) -> bool {
        self.quotas.is_empty() && !self.counts_places()
    }

    #[cold]
    fn try_under_lock(&self, n: u32) -> Result<RatePermit<'_>, Limited> {
        match self.queue.try_start(n, |now| self.begin(n, now)) {
            Ok(started) => Ok(self.permit(n, started)),
            Err(blocked) => Err(self.refuse(blocked)),
        }
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that moves into threads.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: &Arc<Self>, n: u32) -> Result<OwnedRatePermit, Limited> {
        let (grant, quotas) = self.try_acquire(n)?.into_parts();
        Ok(OwnedRatePermit::new(Arc::clone(self), grant, quotas))
    }

    /// Takes `n` permits if they are free now, for callers that will not say how their calls end.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn check(&self, n: u32) -> Result<(), Limited> {
        if self.config.enabled && self.is_plain() && n <= self.config.burst && n > 0 {
            match self.queue.try_take(n) {
                TakeResult::Granted(..) => return Ok(()),
                TakeResult::Wait { time, is_paused } => return Err(self.refuse_by_rate(time, is_paused)),
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
        let is_free = || n <= self.config.burst && self.places.met(n, || self.clock.now()).is_none();
        if self.config.enabled && n > 0 && is_free() && self.quotas_free(n).is_ok() {
            if let TakeResult::Granted(start, at) = self.queue.try_take(n) {
                // Another caller may have been quicker with place or quota: stands in line then.
                if let Ok(permit) = self.complete(n, Start::Atomic(start), at) {
                    return Ok(permit);
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

    /// Takes a place in the line, if its turn comes by `deadline` as things are now.
    ///
    /// # Errors
    /// [`Limited`] at once if not; nothing is consumed then.
    pub fn reserve(&self, n: u32, deadline: Deadline) -> Result<Reservation<'_>, Limited> {
        if !self.config.enabled || n == 0 {
            return Ok(Reservation { limiter: self, n: 0, place: None });
        }
        self.check_burst(n)?;
        if let Err(blocked) = self.quotas_free(n) {
            let now = self.clock.now();
            let is_late = blocked.retry_after.is_some_and(|wait| comes_too_late(wait, deadline, now));
            if blocked.is_final() || is_late {
                return Err(self.refuse(blocked));
            }
        }
        let place = self.queue.reserve(n, deadline).map_err(|blocked| self.refuse(blocked))?;
        Ok(Reservation { limiter: self, n, place: Some(place) })
    }

    /// Tells the controller how a call ended, for hosts that hold no permit any more.
    pub fn record(&self, outcome: Outcome) {
        if self.config.enabled {
            let now = self.clock.now();
            self.learn(now, None, outcome, now);
        }
    }

    /// Permits per second now.
    pub fn rate(&self) -> f64 {
        self.learner.rate().0
    }

    /// The time until one permit is free, without taking it; zero if one is free, [`Duration::MAX`] if none
    /// ever will be.
    pub fn peek(&self) -> Duration {
        if !self.config.enabled {
            return Duration::ZERO;
        }
        let quota = self.quotas_free(1).err().map(|blocked| blocked.retry_after.unwrap_or(Duration::MAX));
        self.queue.peek().max(quota.unwrap_or_default())
    }

    /// Rate and counts at this moment.
    pub fn snapshot(&self) -> LimiterSnapshot {
        let (rate_per_sec, bound) = self.learner.rate();
        let view = self.queue.view();
        let in_flight = if self.counts_places() { self.places.taken(self.clock.now()) } else { 0 };
        LimiterSnapshot {
            name: self.name.clone(),
            rate_per_sec,
            bound,
            paused_for: view.paused_for,
            waiting: view.waiting,
            in_flight,
            in_flight_cap: self.places.cap(),
            granted: view.granted,
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
