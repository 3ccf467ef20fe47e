//! Holds: keys whose last load failed or found nothing, and how long that is believed.

use std::sync::Arc;
use std::time::Duration;

use super::CacheConfig;
use super::freshness::backoff;
use crate::clock::Tick;

pub(super) struct Backoff<E> {
    pub(super) kind: BackoffKind<E>,
    pub(super) since: Tick,
    pub(super) until: Tick,
    failures: u32,
}

pub(super) enum BackoffKind<E> {
    Failed(Arc<E>),
    /// A background load panicked.
    Panicked,
    Missing,
}

impl<E> Backoff<E> {
    /// The hold after a failed load; `last` is the hold it follows, if any.
    pub(super) fn failed(kind: BackoffKind<E>, last: Option<&Self>, config: &CacheConfig, now: Tick) -> Self {
        let last = last.filter(|hold| !hold.is_forgotten(config, now));
        let failures = last.map_or(0, |hold| hold.failures).saturating_add(1);
        Self { kind, since: now, until: now.after(backoff(config, failures)), failures }
    }

    pub(super) fn missing(config: &CacheConfig, now: Tick) -> Self {
        Self { kind: BackoffKind::Missing, since: now, until: now.after(config.negative_ttl), failures: 0 }
    }

    pub(super) fn is_active(&self, now: Tick) -> bool {
        now < self.until
    }

    /// Whether it no longer matters, not even for the length of the next hold.
    pub(super) fn is_forgotten(&self, config: &CacheConfig, now: Tick) -> bool {
        now >= self.until.after(config.backoff_max)
    }

    pub(super) fn remaining(&self, now: Tick) -> Duration {
        self.until.since(now)
    }
}
