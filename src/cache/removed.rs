//! What left a shard, on its way out of the lock.

use std::sync::Arc;

use serde::Serialize;

use super::backoff::Backoff;
use super::backoffs::TakenOff;
use super::entry::Entry;
use super::flight::Flight;

/// Why an entry left the cache.
///
/// # Examples
/// ```
/// use feedguard::cache::RemovalCause;
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<u32, u32> = SmartCache::builder("numbers")
///     .on_evict(|key, _value, cause| println!("{key}: {cause:?}"))
///     .build()?;
/// cache.insert(&1, 1)?;
/// cache.invalidate(&1); // prints "1: Invalidated"
/// # assert_ne!(RemovalCause::Size, RemovalCause::Expired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RemovalCause {
    /// To make room.
    Size,
    /// It was of no use to anybody any more.
    Expired,
    /// Another value of its key came.
    Replaced,
    /// It was invalidated or removed, or the source says that there is no such thing.
    Invalidated,
}

/// An entry that left.
pub(super) struct Gone<K, V> {
    /// None where nobody listens and it would have to be cloned.
    pub(super) key: Option<K>,
    pub(super) entry: Arc<Entry<V>>,
    pub(super) cause: RemovalCause,
}

/// Hash, key, flight.
pub(super) type UnderWay<K, V, E> = (u64, K, Arc<Flight<V, E>>);

/// What left the shard; dropped by the caller after the lock, since it is the host's.
pub(super) struct Removed<K, V, E> {
    pub(super) entries: Vec<Gone<K, V>>,
    pub(super) flights: Vec<UnderWay<K, V, E>>,
    pub(super) hold: Vec<Backoff<E>>,
    pub(super) holds: Vec<TakenOff<K, E>>,
}

impl<K, V, E> Default for Removed<K, V, E> {
    fn default() -> Self {
        Self { entries: Vec::new(), flights: Vec::new(), hold: Vec::new(), holds: Vec::new() }
    }
}

impl<K, V, E> Removed<K, V, E> {
    /// Ends the refreshes that nobody has started: their keys are written or gone, and the source would be called
    /// in vain. A load under way still ends by itself, for those who wait for it.
    pub(super) fn cancel_queued(&self) {
        for (_, _, flight) in &self.flights {
            let _was_queued = flight.cancel();
        }
    }

    /// How many holds left.
    pub(super) fn hold_count(&self) -> usize {
        self.hold.len() + self.holds.iter().map(TakenOff::len).sum::<usize>()
    }

    /// Adds what left after it.
    pub(super) fn add(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.flights.extend(other.flights);
        self.hold.extend(other.hold);
        self.holds.extend(other.holds);
    }
}
