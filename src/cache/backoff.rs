//! A hold: a key whose last load failed or found nothing, and how long that is believed.

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
    /// The recovery of the source that was the last when it was put up; a later one ends it.
    epoch: u64,
    /// The line of flights that put it up, for a late answer of one of them.
    pub(super) by: u64,
}

pub(super) enum BackoffKind<E> {
    Failed(Arc<E>),
    /// A background load panicked.
    Panicked,
    Missing,
}

impl<E> Backoff<E> {
    /// The hold after a failed load; `last` is the hold it follows, if any.
    pub(super) fn failed(
        kind: BackoffKind<E>,
        last: Option<&Self>,
        (by, epoch): (u64, u64),
        config: &CacheConfig,
        now: Tick,
    ) -> Self {
        let last = last.filter(|hold| !hold.is_forgotten(config, now));
        let failures = last.map_or(0, |hold| hold.failures).saturating_add(1);
        Self { kind, since: now, until: now.after(backoff(config, failures)), failures, epoch, by }
    }

    pub(super) fn missing(config: &CacheConfig, now: Tick) -> Self {
        Self {
            kind: BackoffKind::Missing,
            since: now,
            until: now.after(config.negative_ttl),
            failures: 0,
            epoch: 0,
            by: 0,
        }
    }

    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.kind, BackoffKind::Missing)
    }

    /// Whether it keeps the loader from being called. What is missing stays so, whoever recovers.
    pub(super) fn is_active(&self, now: Tick, epoch: u64) -> bool {
        now < self.until && (self.epoch == epoch || self.is_missing())
    }

    /// Whether a refresh found nothing before, long enough ago to believe it the second time.
    pub(super) fn confirms_missing(&self, config: &CacheConfig, now: Tick) -> bool {
        self.is_missing() && now >= self.until && !self.is_forgotten(config, now)
    }

    /// From when on it no longer matters, not even for the length of the next hold.
    pub(super) fn forgotten_at(&self, config: &CacheConfig) -> Tick {
        self.until.after(config.backoff_max)
    }

    fn is_forgotten(&self, config: &CacheConfig, now: Tick) -> bool {
        now >= self.forgotten_at(config)
    }

    pub(super) fn remaining(&self, now: Tick) -> Duration {
        self.until.since(now)
    }
}
