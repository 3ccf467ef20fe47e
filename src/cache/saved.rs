//! The values of a cache as data, for a warm start.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::entry::Cached;
use super::freshness::{Class, Times};
use super::{CacheStatus, Key, SmartCache};

/// A value as it was saved.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<String, f64> = SmartCache::new("quotes", CacheConfig::daily())?;
/// cache.insert(&"600519".to_owned(), 1700.0)?;
/// let saved = cache.dump();
/// assert_eq!((saved.entries[0].key.as_str(), *saved.entries[0].value), ("600519", 1700.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedEntry<K, V> {
    /// The key.
    pub key: K,
    /// The value; [`Cached`] in what [`dump`](SmartCache::dump) gives, a plain value in what is read back.
    pub value: V,
    /// Time since its load began.
    #[serde(with = "crate::config::human")]
    pub age: Duration,
    /// Rest of its time to live; zero if that is over.
    #[serde(with = "crate::config::human")]
    pub ttl_left: Duration,
    /// How long its time to live has been over.
    #[serde(with = "crate::config::human")]
    pub expired_for: Duration,
}

/// All values of a cache at one moment, for a warm start: also those that only answer for a failed load.
///
/// # Examples
/// ```
/// use feedguard::cache::SavedCache;
/// use feedguard::{CacheConfig, SmartCache};
/// let before: SmartCache<String, f64> = SmartCache::new("quotes", CacheConfig::daily())?;
/// before.insert(&"600519".to_owned(), 1700.0)?;
/// let text = serde_json::to_string(&before.dump())?; // before a restart
/// let after: SmartCache<String, f64> = SmartCache::new("quotes", CacheConfig::daily())?;
/// let saved: SavedCache<String, f64> = serde_json::from_str(&text)?; // after it
/// assert_eq!(after.restore(saved), 1);
/// assert_eq!(*after.get("600519").unwrap(), 1700.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedCache<K, V> {
    /// When it was saved: the time until it is restored counts.
    pub saved_at: DateTime<Utc>,
    /// The values, in no order.
    pub entries: Vec<SavedEntry<K, V>>,
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// All values that could still answer a lookup, shared with the cache. It counts as no lookup.
    pub fn dump(&self) -> SavedCache<K, Cached<V>> {
        let core = self.core();
        let mut entries = Vec::new();
        for (_, lock) in core.shards.all() {
            let now = core.clock.now();
            let seen: Vec<_> =
                lock.lock().entries.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
            for (key, entry) in seen {
                let times = entry.times;
                let status = match times.classify(now, None, false) {
                    Class::Dead => continue,
                    Class::OnError => CacheStatus::StaleOnError,
                    _ => CacheStatus::Fresh,
                };
                let (ttl_left, expired_for) = (times.soft_until.since(now), now.since(times.soft_until));
                let value = Cached::new(entry, status, now);
                entries.push(SavedEntry { key, age: value.age(), value, ttl_left, expired_for });
            }
        }
        SavedCache { saved_at: core.clock.wall(), entries }
    }

    /// Puts saved values back, as old as they are by now; returns how many. A key that the cache has a value of
    /// keeps it, and a value that is of no use any more is left out, as is one whose key is too long.
    pub fn restore(&self, saved: SavedCache<K, V>) -> usize {
        let core = self.core();
        let elapsed = (core.clock.wall() - saved.saved_at).to_std().unwrap_or_default();
        let now = core.now();
        let mut restored = 0;
        for SavedEntry { key, value, age, ttl_left, expired_for } in saved.entries {
            if core.check_key(&key).is_err() || core.config.mode == super::CacheMode::Off {
                continue;
            }
            let started = now.before(age.saturating_add(elapsed));
            let soft_until = now.after(ttl_left).before(expired_for.saturating_add(elapsed));
            let times = Times::restored(&core.config, started, soft_until);
            if times.classify(now, None, false) == Class::Dead {
                continue;
            }
            let hash = core.hash(&key);
            let entry = core.entry_of(core.next_id(), times, &key, value);
            let mut shard = core.shard(hash).lock();
            if shard.entries.peek(hash, &key).is_some() {
                // Before the entry, which is the host's.
                drop(shard);
                continue;
            }
            let (left, leaving) = core.put(&mut shard, hash, &key, &entry);
            drop(shard);
            core.after_store(hash, left, leaving);
            restored += 1;
        }
        restored
    }
}
