//! Writes: what a caller puts into the cache, and what it takes out.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Cached;
use super::flight::{FlightResult, JoinResult};
use super::freshness::Class;
use super::load_guard::LoadGuard;
use super::settle::{LoadKind, LoadOutcome, Settled};
use super::{CacheMode, CacheStatus, Key, KeyTooLong, LoadError, Loaded, SmartCache};
use crate::clock::Deadline;

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Stores a value for the configured time to live. A load of the key that is under way will not
    /// overwrite it.
    ///
    /// # Errors
    /// [`KeyTooLong`]; only where the builder was told how to measure keys.
    pub fn insert(&self, key: &K, value: V) -> Result<(), KeyTooLong> {
        self.insert_for(key, value, self.core().config.time_to_live)
    }

    /// Stores a value that is fresh for `ttl`; zero removes the key.
    ///
    /// # Errors
    /// [`KeyTooLong`]; only where the builder was told how to measure keys.
    pub fn insert_for(&self, key: &K, value: V, ttl: Duration) -> Result<(), KeyTooLong> {
        let core = self.core();
        core.check_key(key)?;
        let (hash, started) = (core.hash(key), core.now());
        if ttl.is_zero() || core.config.mode == CacheMode::Off {
            drop(core.remove(hash, key));
        } else {
            let entry = core.entry(key, value, ttl, started);
            core.store(hash, key, &entry);
        }
        Ok(())
    }

    /// Stores a value unless there is one within its time to live; returns what the cache has then, and whether
    /// it is this one (with status `Loaded`). A load under way will not overwrite it.
    ///
    /// # Errors
    /// [`KeyTooLong`]; only where the builder was told how to measure keys.
    ///
    /// # Examples
    /// ```
    /// use feedguard::cache::CacheStatus;
    /// use feedguard::{CacheConfig, SmartCache};
    /// let cache: SmartCache<&str, u32> = SmartCache::new("first", CacheConfig::default())?;
    /// assert_eq!(cache.insert_if_absent(&"a", 1)?.status(), CacheStatus::Loaded);
    /// assert_eq!(*cache.insert_if_absent(&"a", 2)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert_if_absent(&self, key: &K, value: V) -> Result<Cached<V>, KeyTooLong> {
        let core = self.core();
        core.check_key(key)?;
        let hash = core.hash(key);
        let now = core.now();
        let entry = core.entry(key, value, core.config.time_to_live, now);
        let mut shard = core.shard(hash).lock();
        let present = shard.entries.peek(hash, key);
        if let Some(present) = present.filter(|entry| entry.times.classify(now, None, false) == Class::Fresh) {
            let present = Arc::clone(present);
            drop(shard);
            return Ok(Cached::new(present, CacheStatus::Fresh, now));
        }
        if core.config.mode != CacheMode::Off && !core.config.time_to_live.is_zero() {
            let (left, leaving) = core.put(&mut shard, hash, key, &entry);
            drop(shard);
            core.after_store(hash, left, leaving);
        }
        Ok(Cached::new(entry, CacheStatus::Loaded, now))
    }

    /// Changes the value of a key: `change` is given what the cache has within its time to live, and what it
    /// returns is stored; `None` removes the key. Changes and loads of one key come one after the other, and
    /// who looks meanwhile waits, as for a load. If an insert or an invalidation comes in between, `change` is
    /// called again, with what the cache has then: nothing is lost.
    ///
    /// # Errors
    /// [`LoadError::TooManyWaiters`], [`LoadError::KeyTooLong`], or [`LoadError::Reentrant`] from within a load of
    /// the key.
    ///
    /// # Panics
    /// A panic of `change` propagates, and changes nothing.
    ///
    /// # Examples
    /// ```
    /// use feedguard::{CacheConfig, SmartCache};
    /// let cache: SmartCache<&str, u32, String> = SmartCache::new("counts", CacheConfig::default())?;
    /// for _ in 0..3 {
    ///     cache.update(&"600519", |count| Some(count.map_or(1, |count| count + 1)))?;
    /// }
    /// assert_eq!(*cache.get(&"600519").unwrap(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(
        &self,
        key: &K,
        mut change: impl FnMut(Option<&V>) -> Option<V>,
    ) -> Result<Option<Cached<V>>, LoadError<E>> {
        let core = self.core();
        core.check_key(key)?;
        let hash = core.hash(key);
        loop {
            let now = core.now();
            let mut shard = core.shard(hash).lock();
            let flight = shard.fly_update(&core.config, hash, key, now);
            let other = if flight.is_none() { shard.flights.get(hash, key).cloned() } else { None };
            let retired = shard.flights.take_retired();
            drop(shard);
            drop(retired);
            let flight = match (flight, other) {
                (Some(flight), _) => flight,
                (None, Some(other)) => match self.wait(&other, Deadline::never())? {
                    // A refresh that nobody has started: what it would bring, the change would overwrite.
                    JoinResult::TakenOver => {
                        drop(LoadGuard::new(core, hash, key, Some(other), LoadKind::Unrun));
                        continue;
                    }
                    JoinResult::Reentrant => return Err(LoadError::Reentrant),
                    _ => continue,
                },
                (None, None) => continue,
            };
            let guard = LoadGuard::new(core, hash, key, Some(flight), LoadKind::Update);
            let present = core.shard(hash).lock().entries.peek(hash, key).cloned();
            let present = present.filter(|entry| entry.times.classify(now, None, false) == Class::Fresh);
            let changed = guard.run(|| change(present.as_ref().map(|entry| &entry.value)));
            let settled = guard.settle(LoadOutcome::Loaded(changed.map_or(Loaded::Missing, Loaded::Value)));
            match settled {
                Settled { owned: false, .. } => {}
                Settled { outcome: FlightResult::Value(entry), .. } => {
                    return Ok(Some(Cached::new(entry, CacheStatus::Loaded, core.clock.now())));
                }
                Settled { .. } => return Ok(None),
            }
        }
    }

    /// Removes a key, its hold, and the right of a load under way to publish; `true` if there was a
    /// value. A refresh that waits for a thread never calls its loader.
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.core().remove(self.core().hash(key), key).is_some()
    }

    /// As [`invalidate`](Self::invalidate); returns the value, if it was within its time to live.
    pub fn remove<Q>(&self, key: &Q) -> Option<Cached<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.core().remove(self.core().hash(key), key)?;
        let now = self.core().clock.now();
        let is_fresh = entry.times.classify(now, None, false) == Class::Fresh;
        is_fresh.then(|| Cached::new(entry, CacheStatus::Fresh, now))
    }

    /// Calls `visit` with each value within its time to live. It sees the values of one moment a shard, with
    /// no lock held, and counts as no lookup.
    pub fn for_each(&self, mut visit: impl FnMut(&K, &Cached<V>)) {
        let core = self.core();
        for (_, lock) in core.shards.all() {
            let now = core.clock.now();
            let seen: Vec<_> = lock
                .lock()
                .entries
                .iter()
                .filter(|(_, entry)| entry.times.classify(now, None, false) == Class::Fresh)
                .map(|(key, entry)| (key.clone(), Arc::clone(entry)))
                .collect();
            for (key, entry) in seen {
                visit(&key, &Cached::new(entry, CacheStatus::Fresh, now));
            }
        }
    }
}
