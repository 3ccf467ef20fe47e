//! The inside of a cache: shards, policy, pool, and the one way in which a load is booked.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::{Backoff, BackoffKind};
use super::entry::{Cached, Entry};
use super::flight::{Flight, FlightResult};
use super::freshness::{Class, Times};
use super::metrics::CacheMetrics;
use super::shard::{Lookup, LookupMode, Removed, Shard};
use super::store::TinyLfu;
use super::{CacheConfig, CacheMode, CacheSnapshot, CacheStatus, Key, KeyTooLong, Loaded};
use crate::clock::{Clock, Tick};
use crate::metrics::Scrape;
use crate::name::Name;
use crate::pool::{Ticker, WorkerPool};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A read is told to the policy at most this often an entry.
const TOUCH_EVERY_NANOS: u64 = 100_000_000;
/// A shard is swept at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + Send + Sync>;
pub(super) type KeySize<K> = Box<dyn Fn(&K) -> usize + Send + Sync>;
pub(super) type HoldIf<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;

/// Keeps neighbours out of each other's cache lines.
#[repr(align(128))]
pub(super) struct Padded<T>(T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

pub(super) type ShardLock<K, V, E> = Padded<Mutex<Shard<K, V, E>>>;

/// The shards, apart from the rest so that the policy's eviction listener can hold them.
pub(super) struct Shards<K, V, E> {
    pub(super) locks: Box<[ShardLock<K, V, E>]>,
    /// Victims named by the policy; dropped outside every lock.
    victims: Mutex<Vec<Arc<Entry<V>>>>,
    has_victims: AtomicBool,
    weight: AtomicU64,
}

pub(super) struct Core<K, V, E> {
    pub(super) name: Name,
    pub(super) config: CacheConfig,
    pub(super) clock: Clock,
    /// The clock of hot reads.
    pub(super) ticker: Ticker,
    pub(super) hasher: ahash::RandomState,
    pub(super) shards: Arc<Shards<K, V, E>>,
    pub(super) policy: Option<TinyLfu<K>>,
    pub(super) pool: WorkerPool,
    pub(super) metrics: CacheMetrics,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) key_size: Option<KeySize<K>>,
    pub(super) hold_if: Option<HoldIf<E>>,
    pub(super) waiters: AtomicUsize,
    /// How often the source has recovered; holds put up before the last time are over.
    pub(super) recoveries: AtomicU64,
    pub(super) next_id: AtomicU64,
}

/// What a load gave.
pub(super) enum LoadOutcome<V, E> {
    Loaded(Loaded<V>),
    Failed(Arc<E>),
    /// `is_held`: in the background, where no caller sees the panic, the key backs off.
    Panicked {
        is_held: bool,
    },
    Dropped,
}

impl<K: Hash + Eq + Clone, V, E> Shards<K, V, E> {
    pub(super) fn new(shards: Vec<Shard<K, V, E>>) -> Self {
        Self {
            locks: shards.into_iter().map(|shard| Padded(Mutex::new(shard))).collect(),
            victims: Mutex::new(Vec::new()),
            has_victims: AtomicBool::new(false),
            weight: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn index(&self, hash: u64) -> usize {
        // The low bits pick the bucket inside a shard, the highest seven its tag.
        usize::try_from(hash >> 40).unwrap_or_default() & (self.locks.len() - 1)
    }

    /// For the policy's listener: removes a victim, and keeps it until it may be dropped.
    pub(super) fn evict(&self, hash: u64, key: &K, id: u64) {
        let victim = self.locks[self.index(hash)].lock().evict(hash, key, id);
        if let Some(victim) = victim {
            self.weight.fetch_sub(u64::from(victim.weight), Ordering::Relaxed);
            self.victims.lock().push(victim);
            self.has_victims.store(true, Ordering::Release);
        }
    }

    pub(super) fn drop_victims(&self) {
        if self.has_victims.swap(false, Ordering::AcqRel) {
            let victims = std::mem::take(&mut *self.victims.lock());
            drop(victims);
        }
    }
}

impl<K, V, E> Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    #[inline]
    pub(super) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    pub(super) fn shard(&self, hash: u64) -> &Mutex<Shard<K, V, E>> {
        &self.shards.locks[self.shards.index(hash)]
    }

    /// The fresh value of a key: one lock, no allocation, no exact time. `None` decides nothing.
    #[inline]
    pub(super) fn fresh(&self, hash: u64, key: &K) -> Option<Cached<V>> {
        let now = self.ticker.now();
        let entry = self.shard(hash).lock().fresh(hash, key, now)?;
        if self.policy.is_some() {
            self.touch(key, &entry.touched, now);
        }
        Some(Cached::new(entry, CacheStatus::Fresh, now))
    }

    /// Decides a lookup; see [`Shard::lookup`].
    #[cold]
    pub(super) fn lookup(&self, hash: u64, key: &K, mode: LookupMode) -> Lookup<V, E> {
        let now = self.clock.now();
        let lookup = self.shard(hash).lock().lookup(&self.config, hash, key, now, mode);
        match &lookup {
            Lookup::Hit(cached) if self.policy.is_some() => self.touch(key, cached.touched(), now),
            // TinyLFU admits by how often a key is asked for, found or not.
            Lookup::Lead(_) | Lookup::Absent => self.tell_read(key),
            _ => {}
        }
        lookup
    }

    /// Refuses keys that are too long to be kept in tables.
    #[inline]
    pub(super) fn check_key(&self, key: &K) -> Result<(), KeyTooLong> {
        let Some(key_size) = &self.key_size else { return Ok(()) };
        let (bytes, max) = (key_size(key), self.config.max_key_bytes);
        if bytes > max { Err(KeyTooLong { bytes, max }) } else { Ok(()) }
    }

    /// Whether an error says something about the source, and not about its caller only.
    pub(super) fn is_about_source(&self, error: &E) -> bool {
        self.hold_if.as_ref().is_none_or(|hold_if| hold_if(error))
    }

    /// An entry for a value just got; the weigher is the host's and runs without a lock.
    pub(super) fn entry(&self, key: &K, value: V, ttl: Duration, started: Tick) -> Arc<Entry<V>> {
        let completed = self.clock.now();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let weight = self.weigher.as_ref().map_or(1, |weigh| weigh(key, &value));
        let times = Times::new(&self.config, ttl, started, completed, jitter(self.config.seed, id));
        Arc::new(Entry { id, weight, times, touched: AtomicU64::new(0), warned: AtomicBool::new(false), value })
    }

    /// Stores an entry and detaches the flight of its key, in one critical section.
    pub(super) fn store(&self, hash: u64, key: &K, entry: &Arc<Entry<V>>) {
        let now = self.clock.now();
        let mut shard = self.shard(hash).lock();
        let mut left = self.put(&mut shard, hash, key, entry);
        let stale = self.sweep_if_due(&mut shard, now);
        left.entries.extend(stale.0.entries);
        drop(shard);
        self.after_change(hash, left);
        drop(stale.1);
    }

    /// Removes a key with flight and hold; `true` if there was an entry.
    pub(super) fn remove(&self, hash: u64, key: &K) -> bool {
        let left = self.shard(hash).lock().remove(hash, key);
        self.after_change(hash, left)
    }

    /// Books the end of a load, and publishes its value if `flight` still owns the key. Without a
    /// flight (the old modes) the last writer wins.
    pub(super) fn settle(
        &self,
        hash: u64,
        key: &K,
        flight: Option<&Arc<Flight<V, E>>>,
        started: Tick,
        is_background: bool,
        answer: LoadOutcome<V, E>,
    ) -> FlightResult<V, E> {
        let mut publish = None;
        let is_held = !matches!(answer, LoadOutcome::Panicked { is_held: false });
        let epoch = self.epoch();
        let by = flight.map_or(0, |flight| flight.id());
        let outcome = match answer {
            LoadOutcome::Loaded(Loaded::Missing) => FlightResult::Missing,
            LoadOutcome::Loaded(Loaded::Value(value)) => {
                let entry = self.entry(key, value, self.config.time_to_live, started);
                publish = Some(self.config.time_to_live);
                FlightResult::Value(entry)
            }
            LoadOutcome::Loaded(Loaded::ValueFor(value, ttl)) => {
                publish = Some(ttl);
                FlightResult::Value(self.entry(key, value, ttl, started))
            }
            LoadOutcome::Failed(error) => FlightResult::Failed(error),
            LoadOutcome::Panicked { .. } => FlightResult::Panicked,
            LoadOutcome::Dropped => FlightResult::Dropped,
        };
        let is_stored = self.config.mode != CacheMode::Off && publish.is_some_and(|ttl| !ttl.is_zero());
        let now = self.clock.now();
        let mut shard = self.shard(hash).lock();
        let owns = flight.is_none_or(|flight| shard.land(hash, key, flight));
        shard.stats.unpublished += u64::from(!owns && is_stored);
        let mut left = Removed::default();
        let mut hold = None;
        if owns {
            match &outcome {
                FlightResult::Value(entry) if is_stored => left = self.put(&mut shard, hash, key, entry),
                // What stands there is older than the value just served.
                FlightResult::Value(_) => left = shard.remove(hash, key),
                FlightResult::Missing => {
                    // A refresh that finds nothing may be a vendor's hiccup: the value goes the second time.
                    let is_doubtful = is_background
                        && shard.entries.peek(hash, key).is_some_and(|entry| now < entry.times.dead_at)
                        && !shard.hold(hash, key).is_some_and(|hold| hold.confirms_missing(&self.config, now));
                    if !is_doubtful {
                        left = shard.remove(hash, key);
                    }
                    if self.config.is_smart() {
                        hold = shard.put_hold(hash, key, Backoff::missing(&self.config, now));
                    }
                }
                FlightResult::Failed(_) | FlightResult::Panicked if is_held && self.config.is_smart() => {
                    let kind = match &outcome {
                        FlightResult::Failed(error) => BackoffKind::Failed(Arc::clone(error)),
                        _ => BackoffKind::Panicked,
                    };
                    let new = Backoff::failed(kind, shard.hold(hash, key), (by, epoch), &self.config, now);
                    hold = shard.put_hold(hash, key, new);
                }
                _ => {}
            }
        }
        let swept = self.sweep_if_due(&mut shard, now);
        left.entries.extend(swept.0.entries);
        drop(shard);
        drop((hold, swept.1));
        self.after_change(hash, left);
        outcome
    }

    /// A value that comes after its load has been given up: published if nobody has written,
    /// invalidated or loaded the key since.
    pub(super) fn settle_late(
        &self,
        hash: u64,
        key: &K,
        flight: &Arc<Flight<V, E>>,
        started: Tick,
        loaded: Loaded<V>,
    ) -> bool {
        let (value, ttl) = match loaded {
            Loaded::Value(value) => (value, self.config.time_to_live),
            Loaded::ValueFor(value, ttl) => (value, ttl),
            Loaded::Missing => return false,
        };
        if ttl.is_zero() || !self.config.is_smart() {
            return false;
        }
        let entry = self.entry(key, value, ttl, started);
        let mut shard = self.shard(hash).lock();
        let owns = shard.accepts_late(hash, key, flight);
        let left = if owns { self.put(&mut shard, hash, key, &entry) } else { Removed::default() };
        shard.stats.unpublished += u64::from(!owns);
        drop(shard);
        self.after_change(hash, left);
        owns
    }

    /// The number of the last recovery.
    pub(super) fn epoch(&self) -> u64 {
        self.recoveries.load(Ordering::Acquire)
    }

    /// Rest of the hold of a key, zero without one.
    pub(super) fn hold_remaining(&self, hash: u64, key: &K) -> Duration {
        let now = self.clock.now();
        self.shard(hash).lock().hold(hash, key).map_or(Duration::ZERO, |hold| hold.remaining(now))
    }

    /// After a failed load: the old value, if it may still answer.
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
        let (status, count) = if is_fresh {
            (CacheStatus::Fresh, &mut shard.stats.fresh)
        } else {
            (CacheStatus::StaleOnError, &mut shard.stats.stale_on_error)
        };
        *count += 1;
        drop(shard);
        Some(Cached::new(entry, status, now))
    }

    /// Removes what is of no use to anybody from all shards.
    pub(super) fn purge(&self) -> usize {
        let now = self.clock.now();
        let mut removed = 0;
        for (index, lock) in self.shards.locks.iter().enumerate() {
            let (left, holds) = lock.lock().sweep(&self.config, now);
            removed += left.entries.len();
            self.after_change_of(index, left);
            drop(holds);
        }
        removed
    }

    pub(super) fn snapshot(&self) -> CacheSnapshot {
        let mut sum = CacheSnapshot::default();
        for lock in &self.shards.locks {
            let shard = lock.lock();
            sum.add(&shard.stats, shard.entries.len(), shard.entries.weight());
        }
        sum
    }

    /// Stores an entry unless it is too heavy; keeps the shard within its share under LRU.
    fn put(&self, shard: &mut Shard<K, V, E>, hash: u64, key: &K, entry: &Arc<Entry<V>>) -> Removed<V, E> {
        let index = self.shards.index(hash);
        let share = if self.policy.is_some() { self.config.max_capacity } else { self.share(index) };
        if u64::from(entry.weight) > share {
            shard.stats.too_heavy += 1;
            // What stood there is older than the value just served.
            return shard.remove(hash, key);
        }
        let mut left = shard.store(hash, key, Arc::clone(entry));
        self.shards.weight.fetch_add(u64::from(entry.weight), Ordering::Relaxed);
        if self.policy.is_none() {
            shard.shrink(share, |key| self.hasher.hash_one(key), &mut left);
        }
        left
    }

    /// What a shard may hold where each keeps its own order of use; the sum is the capacity.
    fn share(&self, index: usize) -> u64 {
        let (capacity, shards) = (self.config.max_capacity, self.shards.locks.len() as u64);
        capacity / shards + u64::from((index as u64) < capacity % shards)
    }

    fn sweep_if_due(&self, shard: &mut Shard<K, V, E>, now: Tick) -> (Removed<V, E>, Vec<Backoff<E>>) {
        if now < shard.next_sweep {
            return Default::default();
        }
        shard.next_sweep = now.after(SWEEP_EVERY.max(self.config.time_to_live / 16));
        shard.sweep(&self.config, now)
    }

    fn after_change(&self, hash: u64, left: Removed<V, E>) -> bool {
        self.after_change_of(self.shards.index(hash), left)
    }

    /// Tells the policy, makes room, and drops what left; takes no lock while it drops.
    pub(super) fn after_change_of(&self, index: usize, left: Removed<V, E>) -> bool {
        let freed = left.entries.iter().map(|entry| u64::from(entry.weight)).sum();
        let before = self.shards.weight.fetch_sub(freed, Ordering::Relaxed);
        if let Some(policy) = &self.policy {
            policy.pass_on(index, |events| std::mem::swap(events, &mut self.shards.locks[index].lock().events));
            // moka makes room by the batch; it is asked to once the excess is 3 %.
            let capacity = self.config.max_capacity;
            if before.saturating_sub(freed) > capacity + capacity / 32 {
                policy.settle();
            }
            self.shards.drop_victims();
        }
        left.discard()
    }

    /// Tells the policy of a read, at most every [`TOUCH_EVERY_NANOS`] an entry.
    #[inline]
    fn touch(&self, key: &K, touched: &AtomicU64, now: Tick) {
        let last = touched.load(Ordering::Relaxed);
        if now.0.saturating_sub(last) >= TOUCH_EVERY_NANOS {
            self.touch_slow(key, touched, last, now);
        }
    }

    #[cold]
    fn touch_slow(&self, key: &K, touched: &AtomicU64, last: u64, now: Tick) {
        if touched.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.tell_read(key);
        }
    }

    fn tell_read(&self, key: &K) {
        if let Some(policy) = &self.policy {
            policy.touch(key);
            self.shards.drop_victims();
        }
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
    }
}

/// A number in 0..1 from seed and entry (splitmix64): equal runs jitter equally.
fn jitter(seed: u64, id: u64) -> f64 {
    let mut x = seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
