//! Counts that add up.

use serde::Serialize;

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
    /// Failed or missing keys not remembered because the table was full.
    pub holds_refused: u64,
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
