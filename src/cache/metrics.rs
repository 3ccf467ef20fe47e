//! Handles of one cache. Lookups count under their shard's lock; a scrape passes the difference on.

use crate::metrics::{Counter, Gauge, Histogram, Metrics};
use crate::sync::Mutex;

use super::CacheSnapshot;

/// What grows: its handle, and its count in a snapshot.
type Passed = (Counter, fn(&CacheSnapshot) -> u64);

pub(super) struct CacheMetrics {
    counts: Vec<Passed>,
    entries: Gauge,
    holds: Gauge,
    refresh_queue: Gauge,
    pub(super) refresh_time: Histogram,
    passed_on: Mutex<CacheSnapshot>,
}

impl CacheMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        Self {
            counts: vec![
                (metrics.cache_hits(name), CacheSnapshot::hits),
                (metrics.cache_misses(name), |s| s.gets() - s.hits()),
                (metrics.cache_stale(name), |s| s.stale + s.stale_on_error),
                (metrics.cache_held(name), |s| s.negative + s.held_error),
                (metrics.cache_waits(name), |s| s.waits),
                (metrics.cache_loads(name, "ok"), |s| s.loads - s.load_failures),
                (metrics.cache_loads(name, "failed"), |s| s.load_failures),
                (metrics.cache_load_timeouts(name), |s| s.load_timeouts),
                (metrics.cache_refreshes(name, "ok"), |s| s.refreshes - s.refresh_failures),
                (metrics.cache_refreshes(name, "failed"), |s| s.refresh_failures),
                (metrics.cache_refreshes(name, "dropped"), |s| s.refreshes_dropped),
                (metrics.cache_evictions(name, "size"), |s| s.evicted),
                (metrics.cache_evictions(name, "expired"), |s| s.expired),
            ],
            entries: metrics.cache_entries(name),
            holds: metrics.cache_holds(name),
            refresh_queue: metrics.cache_refresh_queue(name),
            refresh_time: metrics.cache_refresh_time(name),
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
        for (counter, count) in &self.counts {
            counter.add(count(&now).saturating_sub(count(&last)));
        }
        self.entries.set(now.entries as f64);
        self.holds.set(now.holds as f64);
    }

    /// Out of use, whoever holds it.
    pub(super) fn end(&self) {
        [&self.entries, &self.holds, &self.refresh_queue].into_iter().for_each(Gauge::end);
    }

    pub(super) fn show_queue(&self, queued: usize) {
        self.refresh_queue.set(queued as f64);
    }
}
