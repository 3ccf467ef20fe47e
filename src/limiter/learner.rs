//! Learning from ended calls: the learner moves the bucket's rate and tells of its bounds.

use std::time::Duration;

use super::adaptive_rate_limiter::{AdaptiveRateLimiter, ENDED, LIMITED};
use super::controller::Controller;
use super::in_flight::InFlightGuard;
use super::permit::{Grant, Start};
use super::{LimiterEvent, RateBound, RateControl};
use crate::clock::Tick;
use crate::outcome::Outcome;
use crate::sync::atomic::Ordering;

/// A rate changed by less than this share is not worth reopening the lane.
const NOTABLE: f64 = 0.002;

pub(super) struct Learner {
    pub(super) controller: Controller,
    pub(super) guard: InFlightGuard,
    /// The rate the bucket has.
    pub(super) shown: f64,
    pub(super) bound: RateBound,
    pub(super) events: u64,
}

impl AdaptiveRateLimiter {
    /// A call has ended.
    #[inline]
    pub(super) fn finish(&self, grant: Grant, outcome: Outcome) {
        if matches!(grant.start, Start::Unrecorded) {
            return;
        }
        if self.config.guards_in_flight() {
            self.counts.add(ENDED, u64::from(grant.n));
        }
        if self.config.follows_outcomes() || matches!(outcome, Outcome::Limited { .. }) {
            let now = self.clock.now();
            self.learn(grant, outcome, now);
        }
        if self.config.guards_in_flight() {
            // After the cap has been set: it may be larger now.
            self.wake_waiting();
        }
    }

    /// A call has ended, or will be told of by nobody.
    pub(super) fn end(&self, grant: Grant) {
        if self.config.guards_in_flight() && grant.n > 0 {
            self.counts.add(ENDED, u64::from(grant.n));
            self.wake_waiting();
        }
    }

    /// Takes over what another limiter of the same source knows: the rate it has found, a pause, and the
    /// counts of its own quotas.
    pub(crate) fn take_over(&self, from: &Self) {
        if !(self.config.enabled && from.config.enabled) {
            return;
        }
        if !self.config.quotas.is_empty() && !from.config.quotas.is_empty() {
            // A limiter's own quota is its first.
            self.quotas[0].restore(&from.quotas[0].save());
        }
        let now = self.clock.now();
        let paused_for = from.lock().bucket.paused_for(now);
        let found = from.learner.lock().controller.rate;
        let mut learner = self.learner.lock();
        if [self.config.control, from.config.control].iter().all(|control| *control != RateControl::Fixed) {
            learner.controller.rate = found.clamp(self.config.min_rate_per_sec, self.config.max_rate_per_sec);
        }
        let event = self.show(&mut learner, (!paused_for.is_zero()).then_some(paused_for), now);
        drop(learner);
        self.announce(event);
    }

    pub(super) fn learn(&self, grant: Grant, outcome: Outcome, now: Tick) {
        let mut learner = self.learner.lock();
        let mut pause = None;
        match outcome {
            Outcome::Success => learner.controller.accepted(grant.at, now),
            Outcome::Limited { retry_after } => {
                self.counts.add(LIMITED, 1);
                self.metrics.limited.inc();
                let wish = retry_after.map(|wish| wish.min(self.config.max_pause));
                pause = Some(learner.controller.limited(grant.at, wish, now));
            }
            Outcome::TimedOut | Outcome::Failure | Outcome::FailureFor(_) | Outcome::Ignored => {
                learner.controller.failed();
            }
        }
        if self.config.guards_in_flight() && grant.n > 0 {
            match outcome {
                Outcome::Success => {
                    let bound = self.is_bound.swap(false, Ordering::Relaxed);
                    learner.guard.answered(grant.at, grant.alongside, bound, now);
                }
                Outcome::TimedOut => learner.guard.timed_out(grant.at, now),
                _ => {}
            }
            self.cap.store(learner.guard.cap(), Ordering::Relaxed);
        }
        let event = self.show(&mut learner, pause, now);
        drop(learner);
        self.announce(event);
    }

    /// The design's rule moves the rate at each grant.
    pub(super) fn note_grant(&self) {
        let now = self.clock.now();
        let mut learner = self.learner.lock();
        learner.controller.granted();
        let event = self.show(&mut learner, None, now);
        drop(learner);
        self.announce(event);
    }

    /// Gives the bucket the learner's rate and a pause, if there is anything new; what to tell.
    pub(super) fn show(&self, learner: &mut Learner, pause: Option<Duration>, now: Tick) -> Option<LimiterEvent> {
        let rate = learner.controller.rate;
        let (min, max) = (self.config.min_rate_per_sec, self.config.max_rate_per_sec);
        let is_at_bound = (rate <= min || rate >= max) && rate.to_bits() != learner.shown.to_bits();
        let is_notable = is_at_bound || (rate - learner.shown).abs() > NOTABLE * learner.shown;
        if !is_notable && pause.is_none() {
            return None;
        }
        learner.shown = rate;
        self.metrics.rate.set(rate);
        let mut held = self.lock();
        held.bucket.set_rate(rate, now);
        match pause {
            Some(Duration::ZERO) => held.bucket.drain(now),
            Some(pause) => held.bucket.pause(now.after(pause), now),
            None => {}
        }
        let someone_waits = !held.waiting.is_empty();
        drop(held);
        if someone_waits {
            self.changed.notify_all();
        }
        let from = learner.bound;
        learner.bound = from.next(rate, min, max);
        if learner.bound == from {
            return None;
        }
        self.metrics.bound.set(learner.bound.gauge());
        learner.events += 1;
        let (sequence, to) = (learner.events, learner.bound);
        Some(LimiterEvent { name: self.name.clone(), sequence, from, to, rate_per_sec: rate })
    }

    pub(super) fn announce(&self, event: Option<LimiterEvent>) {
        let Some(event) = event else { return };
        let rate = event.rate_per_sec;
        if event.to == RateBound::Floor {
            tracing::warn!(limiter = %self.name, rate, "the source accepts less than the lowest rate");
        } else {
            tracing::info!(limiter = %self.name, rate, from = ?event.from, to = ?event.to, "limiter rate bound");
        }
        self.listeners.tell(&self.name, &event);
    }
}
