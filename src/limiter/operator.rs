//! What an operator, or a host that knows better, may change while it runs.

use std::time::Duration;

use super::learner::Lesson;
use super::{AdaptiveRateLimiter, LimiterConfig, LimiterEvent, RateControl};
use crate::clock::Tick;
use crate::config::Faults;
use crate::error::ConfigError;

impl AdaptiveRateLimiter {
    /// Sets the rate, within its bounds; under adaptive control learning goes on from there. Those who wait
    /// keep their places.
    ///
    /// # Errors
    /// [`ConfigError`] if it is out of bounds or no number; nothing changes then.
    pub fn set_rate(&self, rate_per_sec: f64) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        self.teach(self.clock.now(), |state| {
            let (min, max) = state.controller.bounds();
            faults.range("rate_per_sec", rate_per_sec, min..=max);
            if (min..=max).contains(&rate_per_sec) {
                state.controller.rate = rate_per_sec;
            }
            Lesson::default()
        });
        faults.finish()
    }

    /// Sets the lowest and the highest rate; the rate is moved between them.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults; nothing changes then.
    pub fn set_bounds(&self, min_per_sec: f64, max_per_sec: f64) -> Result<(), ConfigError> {
        let config = LimiterConfig::default().min_rate_per_sec(min_per_sec).max_rate_per_sec(max_per_sec);
        config.initial_rate_per_sec(min_per_sec).validate()?;
        self.teach(self.clock.now(), |state| {
            state.controller.set_bounds(min_per_sec, max_per_sec);
            Lesson::default()
        });
        Ok(())
    }

    /// Changes what moves the rate; it stays where it is.
    pub fn set_control(&self, control: RateControl) {
        self.teach(self.clock.now(), |state| {
            state.controller.set_control(control);
            Lesson::default()
        });
        if control != RateControl::Adaptive {
            self.places.learn(None);
        }
        self.queue.set_watched(control == RateControl::ErrorRate);
        self.queue.wake();
    }

    /// Nobody starts before `until`, or before the end of a longer pause.
    /// [`max_pause`](LimiterConfig::max_pause) is for what sources ask, not for this.
    pub fn pause_until(&self, until: Tick) {
        let now = self.clock.now();
        self.pause_for(until.since(now));
    }

    /// As [`pause_until`](Self::pause_until), for this time from now.
    pub fn pause_for(&self, time: Duration) {
        if !time.is_zero() {
            self.teach(self.clock.now(), |_| Lesson { pause: Some(time), ..Lesson::default() });
        }
    }

    /// Ends a pause, and forgets what was learned: the rate is the initial one again, or the bound next to it.
    /// Quotas and calls under way stay counted.
    pub fn reset(&self) {
        let now = self.clock.now();
        self.teach(now, |state| {
            state.reset(self.config.initial_rate_per_sec, now);
            Lesson::default()
        });
        self.places.learn(None);
        self.queue.resume(now);
    }

    /// Whether a new limiter in its place would grant no more than this one.
    pub(super) fn is_at_rest(&self) -> bool {
        let now = self.clock.now();
        let is_quiet = self.places.taken(now) == 0 && !self.quotas.iter().any(|quota| quota.is_used());
        is_quiet && self.queue.is_at_rest(now)
    }

    /// Refuses all later callers and wakes the waiting ones.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Adds a listener from now on.
    ///
    /// # Errors
    /// [`ConfigError`] if there are 16 already.
    pub fn subscribe(&self, listener: impl Fn(&LimiterEvent) + Send + Sync + 'static) -> Result<(), ConfigError> {
        self.listeners.subscribe(listener)
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
        let paused_for = from.queue.paused_for(now);
        let (found, is_found) = (from.rate(), from.learner.control() != RateControl::Fixed);
        self.teach(now, |state| {
            if is_found && state.controller.control() != RateControl::Fixed {
                let (min, max) = state.controller.bounds();
                state.controller.rate = found.clamp(min, max);
            }
            Lesson { pause: (!paused_for.is_zero()).then_some(paused_for), ..Lesson::default() }
        });
    }
}
