//! Freshness, pure: deadlines of an entry, and what they mean at a given time.

use std::time::Duration;

use super::{CacheConfig, ExpiryMode};
use crate::clock::{Tick, seconds};

/// The deadlines of one entry, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Times {
    pub(super) refresh_at: Tick,
    /// When its load began: age counts from here.
    pub(super) started: Tick,
    pub(super) soft_until: Tick,
    pub(super) stale_until: Tick,
    /// Past this the entry is of no use to anybody.
    pub(super) dead_at: Tick,
}

/// What an entry is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Fresh,
    /// Fresh, but a refresh should start.
    RefreshDue,
    /// Past its time to live, within its grace.
    Stale,
    /// Only an answer to a failed load.
    OnError,
    Dead,
}

impl Times {
    /// Deadlines count from the end of the load, age from its start. `jitter` in 0..1 moves the
    /// soft deadlines forward by up to the configured share.
    pub(super) fn new(config: &CacheConfig, ttl: Duration, started: Tick, completed: Tick, jitter: f64) -> Self {
        if !config.is_smart() {
            let until = completed.after(ttl);
            return Self { refresh_at: until, started, soft_until: until, stale_until: until, dead_at: until };
        }
        let jittered = |d: Duration| d.saturating_sub(seconds(d.as_secs_f64() * config.jitter * jitter));
        let soft_until = completed.after(jittered(ttl));
        let refresh_at = if config.refresh_ahead >= 1.0 {
            soft_until
        } else {
            completed.after(jittered(seconds(ttl.as_secs_f64() * config.refresh_ahead))).min(soft_until)
        };
        let stale_until = match config.expiry {
            ExpiryMode::Soft => soft_until.after(config.grace.unwrap_or(ttl)),
            ExpiryMode::Hard => soft_until,
        };
        let dead_at = stale_until.max(soft_until.after(config.stale_if_error));
        Self { refresh_at, started, soft_until, stale_until, dead_at }
    }

    /// The deadlines of a value whose load began at `started`, and whose time to live ends at `soft_until`.
    pub(super) fn restored(config: &CacheConfig, started: Tick, soft_until: Tick) -> Self {
        let ttl = soft_until.since(started);
        let times = Self::new(config, ttl, started, started, 0.0);
        // Not of the time to live of all, which may have been another.
        Self { soft_until, refresh_at: times.refresh_at.min(soft_until), ..times }
    }

    /// `can_refresh`: somebody can reload the entry; without, a soft expiry is a hard one.
    #[inline]
    pub(super) fn classify(&self, now: Tick, max_age: Option<Duration>, can_refresh: bool) -> Class {
        if now >= self.dead_at {
            return Class::Dead;
        }
        if max_age.is_some_and(|max| now.since(self.started) > max) {
            return Class::OnError;
        }
        if now < self.refresh_at || (now < self.soft_until && !can_refresh) {
            Class::Fresh
        } else if now < self.soft_until {
            Class::RefreshDue
        } else if now < self.stale_until && can_refresh {
            Class::Stale
        } else {
            Class::OnError
        }
    }

    /// Whether the entry may answer for a failed load.
    pub(super) fn serves_on_error(&self, config: &CacheConfig, now: Tick, max_age: Option<Duration>) -> bool {
        let is_young = max_age.is_none_or(|max| now.since(self.started) <= max);
        config.is_smart() && is_young && now < self.soft_until.after(config.stale_if_error)
    }
}

/// Backoff after the `failures`-th failure in a row: min, 2 x min, 4 x min ... max.
pub(super) fn backoff(config: &CacheConfig, failures: u32) -> Duration {
    let factor = 1u32 << failures.saturating_sub(1).min(30);
    config.backoff_min.saturating_mul(factor).min(config.backoff_max)
}
