//! The shards of a cache and what they share, apart from the rest so that the policy's eviction listener can
//! hold them.

use std::hash::Hash;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::CacheConfig;
use super::removed::Gone;
use super::shard::Shard;
use super::store::Ticket;
use crate::clock::Tick;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What is over leaves at most this long after it may.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Neighbours stay out of each other's cache lines.
pub(super) type ShardLock<K, V, E> = CachePadded<Mutex<Shard<K, V, E>>>;

pub(super) struct Shards<K, V, E> {
    pub(super) locks: Box<[ShardLock<K, V, E>]>,
    /// Victims named by the policy; dropped outside every lock.
    victims: Mutex<Vec<Gone<K, V>>>,
    has_victims: AtomicBool,
    pub(super) holds: AtomicUsize,
    /// Read by each lookup, and seldom written.
    pub(super) upkeep: CachePadded<Upkeep>,
}

/// When something is to be swept or given up, at the earliest; never more often than [`UPKEEP_EVERY`].
#[derive(Default)]
pub(super) struct Upkeep {
    due: AtomicU64,
    last: AtomicU64,
    /// The shard at which the next round begins.
    cursor: AtomicUsize,
}

impl Upkeep {
    #[inline]
    pub(super) fn is_due(&self, now: Tick) -> bool {
        now.0 >= self.due.load(Ordering::Relaxed)
    }

    /// Something will be over at this tick.
    pub(super) fn note(&self, at: Tick) {
        let earliest = Tick(self.last.load(Ordering::Relaxed)).after(UPKEEP_EVERY);
        let at = at.max(earliest).0;
        if at < self.due.load(Ordering::Relaxed) {
            self.due.fetch_min(at, Ordering::Relaxed);
        }
    }

    /// Something is to be done by the next caller.
    pub(super) fn note_now(&self, now: Tick) {
        self.due.fetch_min(now.0, Ordering::Relaxed);
    }

    /// The shard to begin with, for the one thread that gets to do it.
    pub(super) fn begin(&self, now: Tick) -> Option<usize> {
        let due = self.due.load(Ordering::Relaxed);
        let is_mine =
            now.0 >= due && self.due.compare_exchange(due, u64::MAX, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_mine.then(|| self.cursor.load(Ordering::Relaxed))
    }

    /// All shards were visited; something will be over at `next`.
    pub(super) fn done(&self, now: Tick, next: Tick) {
        self.last.store(now.0, Ordering::Relaxed);
        self.cursor.store(0, Ordering::Relaxed);
        self.note(next);
    }

    /// Enough for one caller: the next goes on at this shard.
    pub(super) fn pause(&self, now: Tick, cursor: usize) {
        self.cursor.store(cursor, Ordering::Relaxed);
        self.due.fetch_min(now.0, Ordering::Relaxed);
    }
}

impl<K: Hash + Eq + Clone, V, E> Shards<K, V, E> {
    pub(super) fn new(shards: Vec<Shard<K, V, E>>) -> Self {
        let upkeep = Upkeep { due: AtomicU64::new(u64::MAX), ..Upkeep::default() };
        Self {
            locks: shards.into_iter().map(|shard| CachePadded::new(Mutex::new(shard))).collect(),
            victims: Mutex::new(Vec::new()),
            has_victims: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
            upkeep: CachePadded::new(upkeep),
        }
    }

    #[inline]
    pub(super) fn index(&self, hash: u64) -> usize {
        // The low bits pick the bucket inside a shard, the highest seven its tag.
        usize::try_from(hash >> 40).unwrap_or_default() & (self.locks.len() - 1)
    }

    /// For the policy's listener: removes a victim, and keeps it until it may be dropped.
    pub(super) fn evict(&self, victim: Ticket) {
        let gone = self.locks[self.index(victim.hash)].lock().evict(victim.hash, victim.id);
        if let Some(gone) = gone {
            self.victims.lock().push(gone);
            self.has_victims.store(true, Ordering::Release);
        }
    }

    pub(super) fn take_victims(&self) -> Vec<Gone<K, V>> {
        if self.has_victims.load(Ordering::Relaxed) && self.has_victims.swap(false, Ordering::AcqRel) {
            return std::mem::take(&mut *self.victims.lock());
        }
        Vec::new()
    }

    /// What a shard may hold where each keeps its own order of use; the sum is the capacity.
    pub(super) fn share(&self, index: usize, config: &CacheConfig) -> u64 {
        let (capacity, shards) = (config.max_capacity, self.locks.len() as u64);
        capacity / shards + u64::from((index as u64) < capacity % shards)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &ShardLock<K, V, E>)> {
        self.locks.iter().enumerate()
    }
}
