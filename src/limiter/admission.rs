//! What a call has to pass besides the rate: places and quotas, all or nothing; and how a permit is booked,
//! refused, taken back.

use std::time::Duration;

use super::adaptive_rate_limiter::{AdaptiveRateLimiter, LIMITED, REJECTED};
use super::blocked::{Blocked, LOOK_AGAIN, rate_or_pause};
use super::learner::{EndedCall, Lesson, Told};
use super::permit::{Grant, QuotaTaken};
use super::quota::Taken;
use super::wait_queue::{Ended, Start, Started};
use super::{LimitReason, Limited, LimiterEvent, LimiterEventKind, RateBound, RateControl, RatePermit};
use crate::clock::{Deadline, Tick};
use crate::outcome::Outcome;

/// How long a caller that waits for a quota sleeps at most before it looks again: the wall clock may be set,
/// and others may give calls back.
const QUOTA_LOOK: Duration = Duration::from_millis(250);

/// What a call has taken besides its place in the line.
pub(super) struct Begun {
    /// Calls in flight already; `None`: it is not counted.
    alongside: Option<u64>,
    quotas: QuotaTaken,
}

impl AdaptiveRateLimiter {
    /// Whether places and quotas let a call ask the line at all; takes nothing.
    #[inline]
    pub(super) fn may_ask(&self, n: u32) -> Result<(), Limited> {
        if let Some(cap) = self.places.met(n, || self.clock.now()) {
            return Err(self.refuse(in_flight(cap)));
        }
        if !self.quotas.is_empty() {
            self.quotas_free(n).map_err(|blocked| self.refuse(blocked))?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_burst(&self, n: u32) -> Result<(), Limited> {
        let burst = self.config.burst;
        if n > burst {
            return Err(self.refuse(Blocked::until(LimitReason::ExceedsBurst { asked: n, burst }, None)));
        }
        Ok(())
    }

    /// Whether calls in flight are counted: a cap is set, or may be learned.
    #[inline]
    pub(super) fn counts_places(&self) -> bool {
        self.config.max_in_flight.is_some() || self.learns_cap()
    }

    #[inline]
    fn learns_cap(&self) -> bool {
        self.config.in_flight_guard && self.learner.control() == RateControl::Adaptive
    }

    /// Takes places and quotas for `n` calls that start now.
    #[inline]
    pub(super) fn begin(&self, n: u32, now: Tick) -> Result<Begun, Blocked> {
        let alongside = if self.counts_places() {
            Some(self.places.take(n, now).map_err(|cap| self.held_back(cap, now))?)
        } else {
            None
        };
        if self.quotas.is_empty() {
            return Ok(Begun { alongside, quotas: None });
        }
        match self.take_quotas(n) {
            Ok(quotas) => Ok(Begun { alongside, quotas }),
            Err(blocked) => {
                if alongside.is_some() {
                    self.places.give_back(n, now);
                }
                Err(blocked)
            }
        }
    }

    /// One who waits looks again when a call ends, and when the lease of one is over.
    fn held_back(&self, cap: u64, now: Tick) -> Blocked {
        Blocked { look: self.places.next_end(now), retry_after: None, ..in_flight(cap) }
    }

    /// A lane's start: takes what else the call needs, or the start back.
    #[inline]
    pub(super) fn complete(&self, n: u32, start: Start, at: Tick) -> Result<RatePermit<'_>, Blocked> {
        match self.begin(n, at) {
            Ok(with) => Ok(self.permit(n, Started { with, start, at })),
            Err(blocked) => {
                // Another caller was quicker. A start that cannot be taken back is lost, no call is made.
                self.queue.undo(n, start);
                self.queue.wake();
                Err(blocked)
            }
        }
    }

    #[inline]
    pub(super) fn permit(&self, n: u32, started: Started<Begun>) -> RatePermit<'_> {
        let Started { with: Begun { alongside, quotas }, start, at } = started;
        if self.learner.control() == RateControl::ErrorRate {
            // The design's rule moves the rate at each grant.
            self.teach(at, |state| {
                state.controller.granted();
                Lesson::default()
            });
        }
        RatePermit::new(self, Grant { n, start, at, alongside }, quotas)
    }

    pub(super) fn unrecorded(&self) -> RatePermit<'_> {
        let grant = Grant { n: 0, start: Start::Unrecorded, at: Tick::default(), alongside: None };
        RatePermit::new(self, grant, None)
    }

    /// Waits for the turn of a place; one that nobody had waited on for a lease is replaced by a new one.
    pub(super) fn wait_turn(
        &self,
        n: u32,
        place: super::bucket::Place,
        deadline: Deadline,
    ) -> Result<RatePermit<'_>, Limited> {
        let waiting = self.metrics.wait();
        let ended = self.queue.wait(n, place, deadline, |now| self.begin(n, now));
        drop(waiting);
        match ended {
            Ok(started) => Ok(self.permit(n, started)),
            Err(Ended::Blocked(blocked)) => Err(self.refuse(blocked)),
            Err(Ended::Expired) => self.reserve(n, deadline)?.wait(deadline),
        }
    }

    #[inline]
    pub(super) fn refuse_by_rate(&self, time: Duration, is_paused: bool) -> Limited {
        self.count_rejection();
        Limited { name: self.name.clone(), reason: rate_or_pause(is_paused), retry_after: Some(time) }
    }

    #[inline]
    fn count_rejection(&self) {
        self.counts.add(REJECTED, 1);
        self.metrics.rejected.inc();
    }

    #[cold]
    pub(super) fn refuse(&self, blocked: Blocked) -> Limited {
        self.count_rejection();
        let Blocked { reason, retry_after, by, .. } = blocked;
        // "Now" is no answer to one who was refused; where nobody knows, it is when to look again.
        let retry_after = match retry_after {
            None if !matches!(reason, LimitReason::Rate | LimitReason::InFlight { .. }) => None,
            after => Some(after.unwrap_or(LOOK_AGAIN)),
        };
        Limited { name: by.unwrap_or_else(|| self.name.clone()), reason, retry_after }
    }

    // ===== quotas =====

    pub(super) fn quotas_free(&self, n: u32) -> Result<(), Blocked> {
        let refused = self.quotas.iter().filter_map(|quota| quota.peek(n).err());
        let worst = refused.max_by_key(|limited| limited.retry_after.unwrap_or(Duration::MAX));
        worst.map_or(Ok(()), |limited| Err(by_quota(limited)))
    }

    fn take_quotas(&self, n: u32) -> Result<QuotaTaken, Blocked> {
        // Not by taking and giving back: one who waits looks again and again, and others would see it taken.
        self.quotas_free(n)?;
        let mut taken = Vec::with_capacity(self.quotas.len());
        for quota in &self.quotas {
            match quota.take(n) {
                Ok(one) => taken.push(one),
                Err(limited) => {
                    self.give_back(&taken);
                    return Err(by_quota(limited));
                }
            }
        }
        Ok(Some(taken.into()))
    }

    fn give_back(&self, taken: &[Taken]) {
        for (quota, taken) in self.quotas.iter().zip(taken) {
            quota.give_back(*taken);
        }
    }

    // ===== the end of a permit =====

    /// A call has ended.
    #[inline]
    pub(super) fn finish(&self, grant: Grant, outcome: Outcome) {
        if matches!(grant.start, Start::Unrecorded) {
            return;
        }
        self.free_place(grant);
        if self.learner.control() != RateControl::Fixed || matches!(outcome, Outcome::Limited { .. }) {
            self.learn(grant.at, grant.alongside, outcome, self.clock.now());
        }
        if grant.alongside.is_some() {
            // After the cap has been set: it may be larger now.
            self.queue.wake();
        }
    }

    /// A call counts as made, and nobody will say how it ended.
    pub(super) fn end(&self, grant: Grant) {
        self.free_place(grant);
        if grant.alongside.is_some() {
            self.queue.wake();
        }
    }

    #[inline]
    fn free_place(&self, grant: Grant) {
        if grant.alongside.is_some() {
            self.places.give_back(grant.n, grant.at);
        }
    }

    /// A permit was dropped without an outcome: while its thread panics the call counts as made and
    /// failed, otherwise it was not made.
    pub(super) fn drop_permit(&self, grant: Grant, quotas: &[Taken]) {
        if matches!(grant.start, Start::Unrecorded) {
            return;
        }
        if std::thread::panicking() {
            self.finish(grant, Outcome::Failure);
            return;
        }
        self.give_back(quotas);
        self.free_place(grant);
        self.queue.undo(grant.n, grant.start);
        self.queue.wake();
    }

    /// Another one is in its place: its gauges say nothing any more.
    pub(crate) fn retire(&self) {
        self.metrics.end();
    }

    // ===== learning =====

    pub(super) fn learn(&self, started: Tick, alongside: Option<u64>, outcome: Outcome, now: Tick) {
        if matches!(outcome, Outcome::Limited { .. }) {
            self.counts.add(LIMITED, 1);
            self.metrics.limited.inc();
        }
        if outcome == Outcome::Success && self.learner.only_counts(now) {
            return;
        }
        let call = EndedCall { started, alongside: alongside.filter(|_| self.learns_cap()) };
        self.teach(now, |state| {
            if outcome == Outcome::Success {
                state.count(self.learner.look(now));
            }
            state.learn(call, outcome, self.config.max_pause, &self.places, now)
        });
    }

    pub(super) fn teach(&self, now: Tick, change: impl FnOnce(&mut super::learner::State) -> Lesson) {
        let told = self.learner.teach(&self.queue, &self.metrics, now, change);
        for told in told {
            self.announce(told);
        }
    }

    fn announce(&self, Told { sequence, what }: Told) {
        match what {
            LimiterEventKind::Bound { to: RateBound::Floor, rate_per_sec: rate, .. } => {
                tracing::warn!(limiter = %self.name, rate, "the source accepts less than the lowest rate");
            }
            LimiterEventKind::Bound { from, to, rate_per_sec: rate } => {
                tracing::info!(limiter = %self.name, rate, ?from, ?to, "limiter rate bound");
            }
            LimiterEventKind::PauseCapped { asked, kept } => {
                tracing::warn!(
                    limiter = %self.name, ?asked, ?kept,
                    "the source asked for a longer pause than max_pause"
                );
            }
        }
        let event = LimiterEvent { name: self.name.clone(), sequence, kind: what };
        self.listeners.tell(&self.name, &event);
    }
}

fn in_flight(cap: u64) -> Blocked {
    Blocked::until(LimitReason::InFlight { cap }, Some(LOOK_AGAIN))
}

fn by_quota(limited: Limited) -> Blocked {
    let Limited { name, reason, retry_after } = limited;
    Blocked { reason, retry_after, by: Some(name), look: Some(QUOTA_LOOK) }
}
