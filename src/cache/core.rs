//! The inside of a cache: lookups, writes, upkeep, and what tells the policy and the host.

use std::borrow::Borrow;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::entry::{Cached, Entry};
use super::freshness::{Class, Times};
use super::host::Host;
use super::keeper::{Keeper, Kept};
use super::lookup::{Lookup, LookupMode};
use super::metrics::CacheMetrics;
use super::removed::{Gone, Removed};
use super::shard::Shard;
use super::shards::Shards;
use super::stats::{RefreshFailure, RefreshFailureKind};
use super::store::{TinyLfu, Written};
use super::{CacheConfig, CacheSnapshot, CacheStatus, Key, KeyTooLong};
use crate::clock::{Clock, Tick};
use crate::metrics::Scrape;
use crate::name::Name;
use crate::pool::LeasedPool;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Entries that one caller looks through, at most, to see which are over.
const UPKEEP_AT_ONCE: usize = 20_000;

pub(super) struct Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) name: Name,
    pub(super) config: CacheConfig,
    pub(super) clock: Clock,
    pub(super) hasher: ahash::RandomState,
    pub(super) shards: Arc<Shards<K, V, E>>,
    pub(super) policy: Option<TinyLfu>,
    pub(super) keeper: Arc<Keeper>,
    /// Runs refreshes.
    pub(super) pool: LeasedPool,
    /// Runs loads that callers wait for, if they are not to run them themselves.
    pub(super) loads: LeasedPool,
    pub(super) metrics: CacheMetrics,
    pub(super) host: Host<K, V, E>,
    pub(super) waiters: AtomicUsize,
    /// How often the source has recovered; holds put up before the last time are over.
    pub(super) recoveries: AtomicU64,
    pub(super) next_id: CachePadded<AtomicU64>,
    pub(super) seed: u64,
    pub(super) last_failure: Mutex<(Option<RefreshFailure>, Option<Arc<E>>)>,
}

impl<K, V, E> Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    #[inline]
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    pub(super) fn shard(&self, hash: u64) -> &Mutex<Shard<K, V, E>> {
        &self.shards.locks[self.shards.index(hash)]
    }

    /// The fresh value of a key: one lock, no allocation. `None` decides nothing.
    #[inline]
    pub(super) fn fresh(&self, hash: u64, key: &K) -> Option<Cached<V>> {
        let now = self.now();
        let (entry, has_many_untold) = self.shard(hash).lock().fresh(hash, key, now)?;
        self.wake_keeper(has_many_untold, now);
        Some(Cached::new(entry, CacheStatus::Fresh, now))
    }

    /// The value of a key within its time; loads and refreshes nothing.
    #[inline]
    pub(super) fn look<Q>(&self, hash: u64, key: &Q) -> Option<Cached<V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let now = self.now();
        let mut shard = self.shard(hash).lock();
        if let Some((entry, has_many_untold)) = shard.fresh(hash, key, now) {
            drop(shard);
            self.wake_keeper(has_many_untold, now);
            return Some(Cached::new(entry, CacheStatus::Fresh, now));
        }
        let found = shard.look(hash, key, now, self.epoch());
        let has_many_untold = shard.untold.reads.are_many();
        drop(shard);
        self.wake_keeper(has_many_untold, now);
        found
    }

    /// Decides a lookup that may load; see [`Shard::lookup`]. One lock.
    #[inline]
    pub(super) fn lookup(&self, hash: u64, key: &K, mode: LookupMode) -> Lookup<V, E> {
        let now = self.now();
        let mut shard = self.shard(hash).lock();
        if mode.takes_fresh() {
            if let Some((entry, has_many_untold)) = shard.fresh(hash, key, now) {
                drop(shard);
                self.wake_keeper(has_many_untold, now);
                return Lookup::Hit(Cached::new(entry, CacheStatus::Fresh, now));
            }
        }
        self.decide(shard, hash, key, now, mode)
    }

    /// The rest of a lookup, under the lock it has taken.
    #[cold]
    fn decide(
        &self,
        mut shard: MutexGuard<'_, Shard<K, V, E>>,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
    ) -> Lookup<V, E> {
        let lookup = shard.lookup(&self.config, hash, key, now, mode, || self.pool.has_room());
        let (has_many_untold, retired) = (shard.untold.reads.are_many(), shard.flights.take_retired());
        drop(shard);
        if !retired.is_empty() {
            // By the next caller: this one may have a flight in its hands that no guard holds yet, and what
            // follows may log.
            self.shards.upkeep.note_now(now);
        }
        if !matches!(lookup, Lookup::Lead(_) | Lookup::Refresh(..)) {
            self.wake_keeper(has_many_untold, now);
        }
        lookup
    }

    #[inline]
    fn wake_keeper(&self, has_many_untold: bool, now: Tick) {
        if has_many_untold {
            self.keeper.wake(now);
        }
    }

    /// Refuses keys that are too long to be kept in tables.
    #[inline]
    pub(super) fn check_key(&self, key: &K) -> Result<(), KeyTooLong> {
        let Some(key_size) = &self.host.key_size else { return Ok(()) };
        let (bytes, max) = (key_size(key), self.config.max_key_bytes);
        if bytes > max { Err(KeyTooLong { bytes, max }) } else { Ok(()) }
    }

    /// An entry for a value just got; weigher and tags are the host's and run without a lock.
    pub(super) fn entry(&self, key: &K, value: V, ttl: Duration, started: Tick) -> Arc<Entry<V>> {
        let id = self.next_id();
        let times = Times::new(&self.config, ttl, started, self.clock.now(), self.jitter(id));
        self.entry_of(id, times, key, value)
    }

    pub(super) fn entry_of(&self, id: u64, times: Times, key: &K, value: V) -> Arc<Entry<V>> {
        let weight = self.host.weigher.as_ref().map_or(1, |weigh| weigh(key, &value)).max(1);
        let tags = self.host.tags.as_ref().map_or_else(Box::default, |tags| tags(key, &value).into_boxed_slice());
        Entry::new(id, weight, times, tags, value)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// A number in 0..1 from seed and entry (splitmix64): equal runs jitter equally.
    pub(super) fn jitter(&self, id: u64) -> f64 {
        let mut x = self.seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Stores an entry and detaches the flight of its key, in one critical section.
    pub(super) fn store(&self, hash: u64, key: &K, entry: &Arc<Entry<V>>) {
        let mut shard = self.shard(hash).lock();
        let (left, leaving) = self.put(&mut shard, hash, key, entry);
        drop(shard);
        self.after_store(hash, left, leaving);
    }

    /// Stores an entry unless it is too heavy; keeps the shard within its share under LRU. What the window has
    /// spared for long enough comes back, for [`after_store`](Self::after_store).
    pub(super) fn put(
        &self,
        shard: &mut Shard<K, V, E>,
        hash: u64,
        key: &K,
        entry: &Arc<Entry<V>>,
    ) -> (Removed<K, V, E>, Option<Written>) {
        let share = match self.policy {
            Some(_) => self.config.max_capacity,
            None => self.shards.share(self.shards.index(hash), &self.config),
        };
        if u64::from(entry.weight) > share {
            shard.stats.too_heavy += 1;
            // What stood there is older than the value just served.
            return (shard.remove(hash, key), None);
        }
        // In the window before the policy can hear of it.
        let leaving = self.policy.as_ref().and_then(|policy| policy.window.note(hash, entry.id));
        let mut left = shard.store(hash, key, Arc::clone(entry));
        if self.policy.is_none() {
            shard.shrink(share, &mut left);
        }
        self.shards.upkeep.note(entry.times.dead_at);
        (left, leaving)
    }

    /// As [`after_change`](Self::after_change), after a store.
    pub(super) fn after_store(&self, hash: u64, left: Removed<K, V, E>, leaving: Option<Written>) {
        self.after_change(hash, left);
        if let Some(Written { hash, id, .. }) = leaving {
            let gone = self.shard(hash).lock().leave_window(hash, id);
            let left = Removed { entries: gone.into_iter().collect(), ..Removed::default() };
            self.after_change(hash, left);
        }
    }

    /// Removes a key with flight and hold; returns what was there.
    pub(super) fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<V>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let left = self.shard(hash).lock().remove(hash, key);
        let entry = left.entries.first().map(|gone| Arc::clone(&gone.entry));
        self.after_change(hash, left);
        entry
    }

    /// The number of the last recovery.
    pub(super) fn epoch(&self) -> u64 {
        self.recoveries.load(Ordering::Acquire)
    }

    /// Rest of the hold of a key, zero without one.
    pub(super) fn hold_remaining(&self, hash: u64, key: &K) -> Duration {
        let now = self.clock.now();
        self.shard(hash).lock().holds.get(hash, key).map_or(Duration::ZERO, |hold| hold.remaining(now))
    }

    /// After a load that gave nothing: the old value, if it may still answer.
    pub(super) fn stale_on_error(&self, hash: u64, key: &K, max_age: Option<Duration>) -> Option<Cached<V>> {
        let now = self.clock.now();
        let mut shard = self.shard(hash).lock();
        let entry = Arc::clone(shard.entries.peek(hash, key)?);
        // A write may have come meanwhile.
        let is_fresh = entry.times.classify(now, max_age, false) == Class::Fresh;
        if !is_fresh && !entry.times.serves_on_error(&self.config, now, max_age) {
            // Before the entry, should this be its last reference.
            drop(shard);
            return None;
        }
        // The lookup was counted as a miss when it went to load.
        shard.stats.miss -= 1;
        let status = if is_fresh { CacheStatus::Fresh } else { CacheStatus::StaleOnError };
        *shard.stats.count_of(status) += 1;
        drop(shard);
        Some(Cached::new(entry, status, now))
    }

    /// Removes what is of no use to anybody from all shards.
    pub(super) fn purge(&self) -> usize {
        let now = self.clock.now();
        let mut removed = 0;
        for index in 0..self.shards.locks.len() {
            let (left, _) = self.sweep(index, now);
            removed += left.entries.len();
            self.after_change_of(index, left);
        }
        removed
    }

    fn sweep(&self, index: usize, now: Tick) -> (Removed<K, V, E>, (usize, Tick)) {
        let mut shard = self.shards.locks[index].lock();
        let looked_at = if now >= shard.next_sweep(&self.config) { shard.entries.len() } else { 0 };
        let (mut left, holds) = shard.sweep(&self.config, now);
        let next = shard.next_sweep(&self.config);
        drop(shard);
        left.holds.push(holds);
        (left, (looked_at, next))
    }

    /// The time; does what is due by it.
    #[inline]
    pub(super) fn now(&self) -> Tick {
        let now = self.clock.now();
        if self.shards.upkeep.is_due(now) {
            self.keep_up(now);
        }
        now
    }

    /// Sweeps what is over and gives up what hangs: one caller at a time, and not all of it at once.
    #[cold]
    fn keep_up(&self, now: Tick) {
        let upkeep = &self.shards.upkeep;
        let Some(start) = upkeep.begin(now) else { return };
        let count = self.shards.locks.len();
        let mut swept = Vec::new();
        let (mut next, mut looked_at, mut pause) = (Tick::MAX, 0, None);
        for index in start..count {
            let (left, (looked, again)) = self.sweep(index, now);
            looked_at += looked;
            next = next.min(again);
            self.book(&left);
            swept.push((index, left));
            if looked_at > UPKEEP_AT_ONCE && index + 1 < count {
                pause = Some(index + 1);
                break;
            }
        }
        match pause {
            Some(cursor) => upkeep.pause(now, cursor),
            // Shards before the start were swept by the caller before, at an earlier time.
            None if start > 0 => upkeep.done(now, now),
            None => upkeep.done(now, next),
        }
        // The host's values last: whatever their drops do, the upkeep goes on.
        self.give_up_hung(now);
        for (index, left) in swept {
            self.release(index, left);
        }
    }

    /// Gives up refreshes and loads that run for longer than they may, so that others find a thread.
    pub(super) fn give_up_hung(&self, now: Tick) {
        let hung = self.pool.give_up(now);
        let hung_loads = self.loads.give_up(now);
        if hung > 0 {
            let failure = RefreshFailure { kind: RefreshFailureKind::TimedOut, key_hash: 0, at: self.clock.wall() };
            self.note_failure(failure, None);
        }
        if hung + hung_loads > 0 {
            tracing::warn!(cache = %self.name, hung, hung_loads, "gave up loads that run for longer than load_timeout");
        }
    }

    pub(super) fn note_failure(&self, failure: RefreshFailure, error: Option<Arc<E>>) {
        let old = std::mem::replace(&mut *self.last_failure.lock(), (Some(failure), error));
        drop(old);
    }

    pub(super) fn snapshot(&self) -> CacheSnapshot {
        let mut sum = CacheSnapshot::default();
        for (_, lock) in self.shards.all() {
            let shard = lock.lock();
            sum.add(&shard.stats, shard.entries.len(), shard.entries.weight());
            sum.holds += shard.holds.len();
        }
        sum.last_refresh_failure = self.last_failure.lock().0;
        sum
    }

    pub(super) fn after_change(&self, hash: u64, left: Removed<K, V, E>) {
        self.after_change_of(self.shards.index(hash), left);
    }

    /// Tells the policy, makes room, and lets go what left; takes no lock while the host's code runs.
    pub(super) fn after_change_of(&self, index: usize, left: Removed<K, V, E>) {
        self.book(&left);
        self.release(index, left);
    }

    /// What must be so before the host's code runs: it may take its time, or panic.
    pub(super) fn book(&self, left: &Removed<K, V, E>) {
        let holds = left.hold_count();
        if holds > 0 {
            self.shards.holds.fetch_sub(holds, Ordering::Relaxed);
        }
        left.cancel_queued();
    }

    /// The rest of [`after_change_of`](Self::after_change_of).
    pub(super) fn release(&self, index: usize, left: Removed<K, V, E>) {
        let mut victims = Vec::new();
        if let Some(policy) = &self.policy {
            self.pass_on(policy, index);
            victims = self.shards.take_victims();
        }
        self.let_go(left.entries);
        self.let_go(victims);
        drop((left.flights, left.hold, left.holds));
    }

    /// Drops on a thread of the cache what takes long to drop; here if it has none.
    pub(super) fn drop_later(&self, thing: impl Send + 'static) {
        drop(self.pool.submit(Box::new(move || drop(thing))));
    }

    fn pass_on(&self, policy: &TinyLfu, index: usize) -> bool {
        policy.pass_on(index, |untold| std::mem::swap(untold, &mut self.shards.locks[index].lock().untold))
    }

    /// Tells the host what left, and drops it.
    pub(super) fn let_go(&self, gone: Vec<Gone<K, V>>) {
        if let Some(on_evict) = &self.host.on_evict {
            for Gone { key, entry, cause } in &gone {
                let Some(key) = key else { continue };
                if catch_unwind(AssertUnwindSafe(|| on_evict(key, &entry.value, *cause))).is_err() {
                    tracing::error!(cache = %self.name, "the listener of evictions panicked");
                }
            }
        }
        drop(gone);
    }
}

impl<K, V, E> Kept for Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn pass_reads_on(&self) -> bool {
        let Some(policy) = &self.policy else { return false };
        let mut had_some = false;
        for (index, _) in self.shards.all() {
            had_some |= self.pass_on(policy, index);
        }
        let victims = self.shards.take_victims();
        let let_go = catch_unwind(AssertUnwindSafe(|| self.let_go(victims)));
        if let_go.is_err() {
            // A logger that panics too must not take the thread with it.
            let log = || tracing::error!(cache = %self.name, "dropping an evicted value panicked");
            drop(catch_unwind(AssertUnwindSafe(log)));
        }
        had_some
    }
}

impl<K, V, E> Scrape for Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn scrape(&self) {
        self.metrics.pass_on(|| self.snapshot());
        self.metrics.show_queue(self.pool.queued());
    }
}
