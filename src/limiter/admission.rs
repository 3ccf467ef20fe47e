//! What a call has to pass besides the rate, and how it is granted, refused, taken back.

use std::time::Duration;

use super::adaptive_rate_limiter::{AdaptiveRateLimiter, ENDED, REJECTED};
use super::permit::{Grant, Start};
use super::quota::Taken;
use super::wait_queue::Locked;
use super::{LimitReason, Limited, RateControl, RatePermit};
use crate::clock::Tick;
use crate::outcome::Outcome;
use crate::sync::atomic::Ordering;

/// When to ask again after [`LimitReason::InFlight`]: nobody knows when a call ends.
pub(super) const IN_FLIGHT_RETRY: Duration = Duration::from_millis(20);

pub(super) type QuotaTaken = Option<Box<[Taken]>>;

/// Why a caller at the head of the line cannot start, and for how long; `None` until it is told.
pub(super) type Blocked = (LimitReason, Option<Duration>);

impl AdaptiveRateLimiter {
    #[inline]
    pub(super) fn admit(&self, n: u32) -> Result<(), Limited> {
        self.check_burst(n)?;
        if let Some(cap) = self.met_cap(n) {
            return Err(self.refuse(LimitReason::InFlight { cap }, Some(IN_FLIGHT_RETRY)));
        }
        if !self.quotas.is_empty() {
            self.quotas_free(n).map_err(|(reason, wait)| self.refuse(reason, wait))?;
        }
        Ok(())
    }

    pub(super) fn is_free(&self, n: u32) -> bool {
        n <= self.config.burst && self.met_cap(n).is_none() && self.quotas_free(n).is_ok()
    }

    #[inline]
    pub(super) fn check_burst(&self, n: u32) -> Result<(), Limited> {
        let burst = self.config.burst;
        if n > burst {
            return Err(self.refuse(LimitReason::ExceedsBurst { asked: n, burst }, None));
        }
        Ok(())
    }

    /// The in-flight cap, if `n` more calls would pass it, as far as can be seen without the lock.
    #[inline]
    pub(super) fn met_cap(&self, n: u32) -> Option<u64> {
        let cap = self.cap.load(Ordering::Relaxed);
        if cap == u64::MAX { None } else { self.compare_cap(n, cap, self.in_flight()?) }
    }

    /// The same with the core's lock held: exact.
    pub(super) fn met_cap_locked(&self, n: u32) -> Option<u64> {
        self.compare_cap(n, self.cap.load(Ordering::Relaxed), self.in_flight_locked())
    }

    /// One call may always run.
    pub(super) fn compare_cap(&self, n: u32, cap: u64, in_flight: u64) -> Option<u64> {
        let is_met = in_flight > 0 && in_flight.saturating_add(u64::from(n)) > cap;
        if is_met {
            self.is_bound.store(true, Ordering::Relaxed);
        }
        is_met.then_some(cap)
    }

    /// Calls in flight, the core's lock being held.
    pub(super) fn in_flight_locked(&self) -> u64 {
        let ended = self.counts.sum(ENDED);
        self.granted.load(Ordering::Acquire).saturating_sub(ended)
    }

    /// Calls in flight; `None` while the lane is closed or moves: ask under the lock.
    #[inline]
    pub(super) fn in_flight(&self) -> Option<u64> {
        // Ended first: a call that starts in between makes the number too large, never too small.
        let ended = self.counts.sum(ENDED);
        let (count, epoch) = self.atomic.count()?;
        let granted = self.granted.load(Ordering::Acquire) + count;
        let is_one = self.atomic.count().is_some_and(|(_, now)| now == epoch);
        is_one.then_some(granted.saturating_sub(ended))
    }

    pub(super) fn quotas_free(&self, n: u32) -> Result<(), Blocked> {
        let refused = self.quotas.iter().filter_map(|quota| quota.peek(n).err());
        let worst = refused.max_by_key(|limited| limited.retry_after.unwrap_or(Duration::MAX));
        worst.map_or(Ok(()), |limited| Err((limited.reason, limited.retry_after)))
    }

    pub(super) fn take_quotas(&self, n: u32) -> Result<QuotaTaken, Blocked> {
        if self.quotas.is_empty() {
            return Ok(None);
        }
        let mut taken = Vec::with_capacity(self.quotas.len());
        for quota in &self.quotas {
            match quota.take(n) {
                Ok(one) => taken.push(one),
                Err(limited) => {
                    self.give_back(&taken);
                    return Err((limited.reason, limited.retry_after));
                }
            }
        }
        Ok(Some(taken.into()))
    }

    pub(super) fn give_back(&self, taken: &[Taken]) {
        for (quota, taken) in self.quotas.iter().zip(taken) {
            quota.give_back(*taken);
        }
    }

    #[inline]
    pub(super) fn grant(&self, n: u32, start: Start, at: Tick) -> Result<RatePermit<'_>, Limited> {
        let quotas = if self.quotas.is_empty() { None } else { self.quotas_or_undo(n, start)? };
        Ok(self.granted(n, start, at, quotas))
    }

    /// Takes the quotas, or the start back: another caller was quicker.
    pub(super) fn quotas_or_undo(&self, n: u32, start: Start) -> Result<QuotaTaken, Limited> {
        self.take_quotas(n).map_err(|(reason, wait)| {
            if !self.undo(n, start) {
                // The token is lost, the call is not made.
                self.counts.add(ENDED, u64::from(n));
                self.wake_waiting();
            }
            self.refuse(reason, wait)
        })
    }

    /// Calls in flight beside the `n` just granted.
    #[inline]
    fn alongside(&self, n: u32, start: Start) -> u64 {
        if !self.config.guards_in_flight() {
            return 0;
        }
        let all = match start {
            Start::Atomic(_) => self.in_flight(),
            // Granted under the lock: nothing is counted in the lane yet, or very little.
            _ => None,
        };
        all.unwrap_or_else(|| self.in_flight_locked()).saturating_sub(u64::from(n))
    }

    #[inline]
    pub(super) fn granted(&self, n: u32, start: Start, at: Tick, quotas: QuotaTaken) -> RatePermit<'_> {
        let alongside = self.alongside(n, start);
        if self.config.control == RateControl::ErrorRate {
            self.note_grant();
        }
        RatePermit::new(self, Grant { n, start, at, alongside }, quotas)
    }

    pub(super) fn unrecorded(&self) -> RatePermit<'_> {
        let grant = Grant { n: 0, start: Start::Unrecorded, at: Tick::default(), alongside: 0 };
        RatePermit::new(self, grant, None)
    }

    pub(super) fn refuse_unlocked(
        &self,
        held: Locked<'_>,
        reason: LimitReason,
        retry_after: Option<Duration>,
    ) -> Limited {
        drop(held);
        self.refuse(reason, retry_after)
    }

    #[inline]
    pub(super) fn refuse(&self, reason: LimitReason, retry_after: Option<Duration>) -> Limited {
        self.counts.add(REJECTED, 1);
        self.metrics.rejected.inc();
        Limited { name: self.name.clone(), reason, retry_after }
    }

    /// A permit was dropped without an outcome: while its thread panics the call counts as made and
    /// failed, otherwise it was not made.
    pub(super) fn drop_permit(&self, grant: Grant, quotas: &[Taken]) {
        if matches!(grant.start, Start::Unrecorded) {
            return;
        }
        if std::thread::panicking() {
            self.finish(grant, Outcome::Failure);
        } else {
            self.refund(grant, quotas);
        }
    }

    /// A permit was dropped unused.
    pub(super) fn refund(&self, grant: Grant, quotas: &[Taken]) {
        self.give_back(quotas);
        if !self.undo(grant.n, grant.start) {
            self.counts.add(ENDED, u64::from(grant.n));
        }
        self.wake_waiting();
    }

    /// Takes a start back, if nobody has started since.
    pub(super) fn undo(&self, n: u32, start: Start) -> bool {
        match start {
            Start::Atomic(start) => self.atomic.undo(n, start),
            Start::Queued(start) => {
                let mut held = self.lock();
                let is_last = held.waiting.last().is_none_or(|last| *last < start);
                let is_undone = held.bucket.refund(n, start, is_last);
                drop(held);
                if is_undone {
                    self.granted.fetch_sub(u64::from(n), Ordering::Release);
                }
                is_undone
            }
            Start::Unrecorded => true,
        }
    }

    /// Wakes those who may wait for calls in flight.
    #[inline]
    pub(super) fn wake_waiting(&self) {
        if self.atomic.is_closed() {
            // Whoever has looked at the counts under the lock is waiting by now.
            drop(self.core.lock());
            self.changed.notify_all();
        }
    }
}

pub(super) fn rate_or_pause(is_paused: bool) -> LimitReason {
    if is_paused { LimitReason::Paused } else { LimitReason::Rate }
}
