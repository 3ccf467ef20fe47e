//! Counts that add up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::CacheStatus;

/// Counts of one shard, kept under its lock: a hit costs no shared word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ShardStats {
    pub(super) fresh: u64,
    pub(super) refreshing: u64,
    pub(super) stale: u64,
    pub(super) stale_on_error: u64,
    pub(super) negative: u64,
    pub(super) held: u64,
    pub(super) miss: u64,
    pub(super) loads: u64,
    pub(super) load_failures: u64,
    pub(super) refreshes: u64,
    pub(super) refresh_failures: u64,
    pub(super) refreshes_dropped: u64,
    pub(super) evicted: u64,
    pub(super) expired: u64,
    pub(super) unpublished: u64,
    pub(super) too_heavy: u64,
    pub(super) holds_refused: u64,
    pub(super) waits: u64,
    pub(super) updates: u64,
    pub(super) update_failures: u64,
    pub(super) load_panics: u64,
    pub(super) load_timeouts: u64,
    pub(super) load_time: Duration,
    pub(super) slowest_load: Duration,
}

impl ShardStats {
    /// The count of lookups answered from the cache so.
    pub(super) const fn count_of(&mut self, status: CacheStatus) -> &mut u64 {
        match status {
            CacheStatus::Refreshing => &mut self.refreshing,
            CacheStatus::Stale => &mut self.stale,
            CacheStatus::StaleOnError => &mut self.stale_on_error,
            CacheStatus::Fresh | CacheStatus::Loaded => &mut self.fresh,
        }
    }
}

/// Why a background refresh gave no value.
///
/// # Examples
/// ```
/// use feedguard::cache::RefreshFailureKind;
/// assert_eq!(serde_json::to_string(&RefreshFailureKind::Panicked)?, "\"panicked\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RefreshFailureKind {
    /// The loader gave an error.
    Failed,
    /// The loader, the weigher or another closure of the host panicked.
    Panicked,
    /// It ran for longer than `load_timeout`.
    TimedOut,
}

/// A background refresh that gave no value.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<u32, u32> = SmartCache::new("numbers", CacheConfig::default())?;
/// assert!(cache.snapshot().last_refresh_failure.is_none());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RefreshFailure {
    /// Why.
    pub kind: RefreshFailureKind,
    /// The key, as logs name it.
    pub key_hash: u64,
    /// When.
    pub at: DateTime<Utc>,
}

/// Counts of a cache at one moment; each shard's are consistent, the shards are read in turn.
///
/// `fresh + refreshing + stale + stale_on_error + negative + held_error + miss` is the number of
/// lookups.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<u32, u32> = SmartCache::new("numbers", CacheConfig::default())?;
/// (0..3).for_each(|_| drop(cache.get_or_load(&7, |n| Ok(*n))));
/// let counts = cache.snapshot();
/// assert_eq!((counts.gets(), counts.hits(), counts.miss, counts.loads), (3, 2, 1, 1));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// Entries stored.
    pub entries: usize,
    /// Sum of their weights.
    pub weight: u64,
    /// Lookups answered from the cache, within its time.
    pub fresh: u64,
    /// The same, with a refresh on its way.
    pub refreshing: u64,
    /// Lookups answered past the time to live.
    pub stale: u64,
    /// Lookups answered past the time to live because the source cannot be reached.
    pub stale_on_error: u64,
    /// Lookups answered "no such entry" without asking the source.
    pub negative: u64,
    /// Lookups refused because an earlier load failed.
    pub held_error: u64,
    /// Lookups that loaded, waited for a load, or found nothing.
    pub miss: u64,
    /// Loads run on a caller's thread.
    pub loads: u64,
    /// Those that failed or panicked.
    pub load_failures: u64,
    /// Loads run in the background.
    pub refreshes: u64,
    /// Those that failed or panicked.
    pub refresh_failures: u64,
    /// Refreshes not started because the queue was full.
    pub refreshes_dropped: u64,
    /// Entries removed to make room.
    pub evicted: u64,
    /// Entries removed because they were of no use to anybody.
    pub expired: u64,
    /// Loads not published because a newer write or an invalidation came first.
    pub unpublished: u64,
    /// Values heavier than the whole cache: served, not stored.
    pub too_heavy: u64,
    /// Failed or missing keys not remembered, or forgotten early, because the table was full.
    pub holds_refused: u64,
    /// Failed and missing keys remembered now.
    pub holds: usize,
    /// Lookups that waited for the load of another caller.
    pub waits: u64,
    /// Loads, in the foreground or the background, in which the host's code panicked.
    pub load_panics: u64,
    /// Loads that ran for longer than `load_timeout` and were taken over from.
    pub load_timeouts: u64,
    /// Time spent in loads that have ended, foreground and background; by their number, the mean.
    pub load_time: Duration,
    /// The longest of them.
    pub slowest_load: Duration,
    /// Values changed by `update`.
    pub updates: u64,
    /// The last background refresh that gave no value.
    pub last_refresh_failure: Option<RefreshFailure>,
}

impl CacheSnapshot {
    pub(super) fn add(&mut self, stats: &ShardStats, entries: usize, weight: u64) {
        self.entries += entries;
        self.weight += weight;
        self.fresh += stats.fresh;
        self.refreshing += stats.refreshing;
        self.stale += stats.stale;
        self.stale_on_error += stats.stale_on_error;
        self.negative += stats.negative;
        self.held_error += stats.held;
        self.miss += stats.miss;
        self.loads += stats.loads;
        self.load_failures += stats.load_failures;
        self.refreshes += stats.refreshes;
        self.refresh_failures += stats.refresh_failures;
        self.refreshes_dropped += stats.refreshes_dropped;
        self.evicted += stats.evicted;
        self.expired += stats.expired;
        self.unpublished += stats.unpublished;
        self.too_heavy += stats.too_heavy;
        self.holds_refused += stats.holds_refused;
        self.waits += stats.waits;
        self.updates += stats.updates - stats.update_failures;
        self.load_panics += stats.load_panics;
        self.load_timeouts += stats.load_timeouts;
        self.load_time = self.load_time.saturating_add(stats.load_time);
        self.slowest_load = self.slowest_load.max(stats.slowest_load);
    }

    /// Number of lookups.
    pub const fn gets(&self) -> u64 {
        self.hits() + self.negative + self.held_error + self.miss
    }

    /// Lookups answered with a value from the cache.
    pub const fn hits(&self) -> u64 {
        self.fresh + self.refreshing + self.stale + self.stale_on_error
    }
}
