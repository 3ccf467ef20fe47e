//! The line under the lock: callers that wait start in the order in which they asked.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::adaptive_rate_limiter::AdaptiveRateLimiter;
use super::admission::{Blocked, IN_FLIGHT_RETRY, QuotaTaken, rate_or_pause};
use super::bucket::{Bucket, Place};
use super::permit::Start;
use super::{LimitReason, Limited, RateControl, RatePermit};
use crate::clock::{Deadline, Tick};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

pub(super) struct Core {
    /// Lent to the lane while that is open.
    pub(super) bucket: Bucket,
    /// The places of those who wait.
    pub(super) waiting: BTreeSet<Place>,
    pub(super) closed: bool,
}

/// How long a caller that waits for a quota sleeps at most before it looks again.
const QUOTA_LOOK: Duration = Duration::from_millis(250);

impl AdaptiveRateLimiter {
    #[cold]
    pub(super) fn try_under_lock(&self, n: u32) -> Result<RatePermit<'_>, Limited> {
        let mut held = self.lock();
        let now = self.clock.now();
        if held.closed {
            return Err(self.refuse_unlocked(held, LimitReason::Closed, None));
        }
        let mut wait = held.bucket.wait(n, now);
        if !held.waiting.is_empty() {
            // Whoever waits for a quota or for calls in flight comes first.
            wait = wait.max(Duration::from_millis(1));
        }
        if !wait.is_zero() {
            let reason = held.reason(now);
            return Err(self.refuse_unlocked(held, reason, Some(wait)));
        }
        if let Some(cap) = self.met_cap_locked(n) {
            return Err(self.refuse_unlocked(held, LimitReason::InFlight { cap }, Some(IN_FLIGHT_RETRY)));
        }
        held.bucket.take(n, now);
        // Cannot fail: the wait, zero, was for the start too.
        let start = held.bucket.start(n, now).map_or(Start::Unrecorded, Start::Queued);
        self.granted.fetch_add(u64::from(n), Ordering::Release);
        drop(held);
        self.grant(n, start, now)
    }

    /// Waits for the turn of `place`; without one there is nothing to wait for.
    pub(super) fn wait_turn(
        &self,
        n: u32,
        place: Option<Place>,
        deadline: Deadline,
    ) -> Result<RatePermit<'_>, Limited> {
        let Some(place) = place else { return Ok(self.unrecorded()) };
        let mut held = self.lock();
        let result = loop {
            let now = self.clock.now();
            if held.closed {
                break Err((LimitReason::Closed, None));
            }
            let turn = held.bucket.wait_for(place, now);
            let (reason, left) = if !turn.is_zero() {
                (held.reason(now), Some(turn))
            } else if held.waiting.first() == Some(&place) {
                match self.start(&mut held, n, now) {
                    Ok(started) => break Ok((started, now)),
                    // Asking again cannot help.
                    Err((reason @ LimitReason::Quota { .. }, None)) => break Err((reason, None)),
                    Err(held_back) => held_back,
                }
            } else {
                (LimitReason::Rate, None)
            };
            // A pause or a cut that came meanwhile has moved the turn past the deadline.
            if deadline.has_passed(now.after(left.unwrap_or_default())) {
                break Err((reason, Some(left.unwrap_or(Duration::from_millis(1)))));
            }
            let mut wake = left.map_or(deadline, |left| Deadline::at(now.after(left)).earlier(deadline));
            if matches!(reason, LimitReason::Quota { .. }) {
                // The wall clock may be set, and others may give calls back.
                wake = wake.earlier(Deadline::at(now.after(QUOTA_LOOK)));
            }
            self.clock.wait(&self.changed, &mut held.core, wake);
        };
        held.waiting.remove(&place);
        if result.is_err() {
            held.bucket.leave(n, place);
        }
        let others_wait = !held.waiting.is_empty();
        drop(held);
        if others_wait {
            self.changed.notify_all();
        }
        match result {
            Ok(((start, quotas), now)) => Ok(self.granted(n, start, now, quotas)),
            Err((reason, retry_after)) => Err(self.refuse(reason, retry_after)),
        }
    }

    /// Starts the head of the line, its turn having come.
    pub(super) fn start(&self, held: &mut Locked<'_>, n: u32, now: Tick) -> Result<(Start, QuotaTaken), Blocked> {
        if let Some(cap) = self.met_cap_locked(n) {
            return Err((LimitReason::InFlight { cap }, None));
        }
        self.quotas_free(n)?;
        let start = held.bucket.start(n, now).map_err(|wait| (LimitReason::Rate, Some(wait)))?;
        let quotas = self.take_quotas(n).inspect_err(|_| {
            // Its place stays its own: it is still in the line.
            held.bucket.refund(n, start, false);
        })?;
        self.granted.fetch_add(u64::from(n), Ordering::Release);
        Ok((Start::Queued(start), quotas))
    }

    pub(super) fn leave_queue(&self, n: u32, place: Place) {
        let mut held = self.lock();
        held.waiting.remove(&place);
        held.bucket.leave(n, place);
        drop(held);
        self.changed.notify_all();
    }

    pub(super) fn turn_of(&self, place: Place) -> Duration {
        let held = self.lock();
        held.bucket.wait_for(place, self.clock.now())
    }

    /// The core, the bucket taken back from the lane.
    pub(super) fn lock(&self) -> Locked<'_> {
        let mut core = self.core.lock();
        if let Some((place, granted)) = self.atomic.close() {
            core.bucket.fold(place);
            self.granted.fetch_add(granted, Ordering::Release);
        }
        Locked { limiter: self, core }
    }
}

impl Core {
    pub(super) fn reason(&self, now: Tick) -> LimitReason {
        rate_or_pause(!self.bucket.paused_for(now).is_zero())
    }
}

/// The locked core; opens the lane again at its end, if nobody waits.
pub(super) struct Locked<'a> {
    limiter: &'a AdaptiveRateLimiter,
    core: MutexGuard<'a, Core>,
}

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The design's rule wants to see each grant.
        let may_open = self.limiter.config.control != RateControl::ErrorRate;
        if may_open && self.core.waiting.is_empty() && !self.core.closed {
            let now = self.limiter.clock.now();
            self.limiter.atomic.open(self.core.bucket.share(now));
        }
    }
}
