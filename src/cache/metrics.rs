//! Handles of one cache. Lookups count under their shard's lock; a scrape passes the difference on.

use crate::metrics::{Counter, Gauge, Metrics};
use crate::sync::Mutex;

use super::CacheSnapshot;

pub(super) struct CacheMetrics {
    hits: Counter,
    misses: Counter,
    stale: Counter,
    refreshed: Counter,
    refresh_failed: Counter,
    refresh_dropped: Counter,
    evicted: Counter,
    expired: Counter,
    entries: Gauge,
    passed_on: Mutex<CacheSnapshot>,
}

impl CacheMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self {
            hits: metrics.cache_hits(name),
            misses: metrics.cache_misses(name),
            stale: metrics.cache_stale(name),
            refreshed: metrics.cache_refreshes(name, "ok"),
            refresh_failed: metrics.cache_refreshes(name, "failed"),
            refresh_dropped: metrics.cache_refreshes(name, "dropped"),
            evicted: metrics.cache_evictions(name, "size"),
            expired: metrics.cache_evictions(name, "expired"),
            entries: metrics.cache_entries(name),
            passed_on: Mutex::new(CacheSnapshot::default()),
        }
    }

    /// Passes on what has been counted since the last time. The counts are read under the lock: of two
    /// scrapes at a time, one would pass on again what the other already has.
    pub(super) fn pass_on(&self, counts: impl FnOnce() -> CacheSnapshot) {
        let mut passed_on = self.passed_on.lock();
        let (last, now) = (*passed_on, counts());
        *passed_on = now;
        // A miss that ends with a stale value is one no more: what was passed on cannot be taken back.
        passed_on.miss = now.miss.max(last.miss);
        drop(passed_on);
        let grown = |of: fn(&CacheSnapshot) -> u64| of(&now).saturating_sub(of(&last));
        self.hits.add(grown(CacheSnapshot::hits));
        self.misses.add(grown(|s| s.gets() - s.hits()));
        self.stale.add(grown(|s| s.stale + s.stale_on_error));
        self.refreshed.add(grown(|s| s.refreshes - s.refresh_failures));
        self.refresh_failed.add(grown(|s| s.refresh_failures));
        self.refresh_dropped.add(grown(|s| s.refreshes_dropped));
        self.evicted.add(grown(|s| s.evicted));
        self.expired.add(grown(|s| s.expired));
        self.entries.set(now.entries as f64);
    }
}
