//! A stored value with its deadlines, and the handle a caller gets.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::freshness::Times;
use crate::clock::Tick;
use crate::name::Name;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A read is told to the policy at most this often an entry.
const TOUCH_EVERY_NANOS: u64 = 100_000_000;

/// In this order, since a hit looks at the first two words only, beside the reference count.
#[repr(C)]
pub(super) struct Entry<V> {
    /// When a read was last told to the eviction policy.
    touched: AtomicU64,
    pub(super) times: Times,
    /// Tells this entry from others of its key.
    pub(super) id: u64,
    pub(super) weight: u32,
    /// Whether its staleness has been logged.
    pub(super) warned: AtomicBool,
    pub(super) tags: Box<[Name]>,
    pub(super) value: V,
}

impl<V> Entry<V> {
    pub(super) fn new(id: u64, weight: u32, times: Times, tags: Box<[Name]>, value: V) -> Arc<Self> {
        let (touched, warned) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { touched, times, id, weight, warned, tags, value })
    }

    /// Notes a read, under the lock of the shard; `true` if the policy was not told of one lately.
    #[inline]
    pub(super) fn touch(&self, now: Tick) -> bool {
        let is_due = now.0.saturating_sub(self.touched.load(Ordering::Relaxed)) >= TOUCH_EVERY_NANOS;
        if is_due {
            self.touched.store(now.0, Ordering::Relaxed);
        }
        is_due
    }

    /// Whether it was read since it was stored.
    pub(super) fn was_read(&self) -> bool {
        self.touched.load(Ordering::Relaxed) != 0
    }
}

/// How a lookup was answered.
///
/// # Examples
/// ```
/// use feedguard::cache::CacheStatus;
/// assert!(CacheStatus::StaleOnError.is_stale() && !CacheStatus::Refreshing.is_stale());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum CacheStatus {
    /// From the cache, within its time.
    Fresh,
    /// From the cache, within its time, with a refresh on its way.
    Refreshing,
    /// From the cache, past its time to live, with a refresh on its way.
    Stale,
    /// From the cache, because the source cannot be reached.
    StaleOnError,
    /// Loaded for this lookup or for one that ran at the same time.
    Loaded,
}

impl CacheStatus {
    /// The name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::StaleOnError => "stale_on_error",
            Self::Loaded => "loaded",
        }
    }

    /// Whether the value is past its time to live.
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale | Self::StaleOnError)
    }
}

/// A value from the cache, shared with it; dereferences to the value.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<&str, Vec<f64>> = SmartCache::new("bars", CacheConfig::daily())?;
/// let bars = cache.get_or_load(&"600519", |_| Ok(vec![9.81]))?;
/// assert_eq!(bars.len(), 1, "dereferences to the value");
/// println!("{:?}, {:?} old", bars.status(), bars.age());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cached<V> {
    entry: Arc<Entry<V>>,
    status: CacheStatus,
    now: Tick,
}

impl<V> Cached<V> {
    #[inline]
    pub(super) fn new(entry: Arc<Entry<V>>, status: CacheStatus, now: Tick) -> Self {
        Self { entry, status, now }
    }

    /// The value.
    pub fn value(&self) -> &V {
        &self.entry.value
    }

    /// How the lookup was answered.
    pub const fn status(&self) -> CacheStatus {
        self.status
    }

    /// Time since the load of the value began.
    pub fn age(&self) -> Duration {
        self.now.since(self.entry.times.started)
    }

    pub(super) fn started(&self) -> Tick {
        self.entry.times.started
    }

    /// The same value with another status.
    pub(super) fn as_status(&self, status: CacheStatus) -> Self {
        Self { status, ..self.clone() }
    }

    /// `true` for the first caller that asks about this entry.
    pub(super) fn first_warning(&self) -> bool {
        !self.entry.warned.swap(true, Ordering::Relaxed)
    }

    /// Whether the two are the same stored value.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry)
    }
}

impl<V> Deref for Cached<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.entry.value
    }
}

impl<V> Clone for Cached<V> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), ..*self }
    }
}

impl<V: Serialize> Serialize for Cached<V> {
    /// As the value.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<V> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("status", &self.status).field("age", &self.age()).finish_non_exhaustive()
    }
}
