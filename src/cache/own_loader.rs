//! Lookups by the loader that the cache was built with.

use std::sync::Arc;
use std::time::Duration;

use super::load_guard::LoadContext;
use super::refresh::Refresh;
use super::smart_cache::LookupOptions;
use super::warm_up::{WarmUpOptions, WarmUpReport};
use super::{Cached, Key, LoadError, SmartCache};
use crate::clock::Deadline;

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// As [`get_or_load`](Self::get_or_load), by the cache's own loader.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotCached`] where the cache was built without a
    /// [`loader`](super::CacheBuilder::loader) and has no value.
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// use feedguard::SmartCache;
    /// use feedguard::cache::Loaded;
    /// let cache: SmartCache<String, usize> =
    ///     SmartCache::builder("lengths").loader(|key: &String| Ok(Loaded::Value(key.len()))).build()?;
    /// assert_eq!(*cache.load(&"600519.SH".to_owned())?, 9);
    /// assert!(cache.get("600519.SH").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(&self, key: &K) -> Result<Cached<V>, LoadError<E>> {
        self.load_by(key, Deadline::never(), None)
    }

    /// As [`get_or_load_by`](Self::get_or_load_by), by the cache's own loader.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    pub fn load_by(&self, key: &K, deadline: Deadline, max_age: Option<Duration>) -> Result<Cached<V>, LoadError<E>> {
        self.load_own(key, LookupOptions { deadline, max_age, ..LookupOptions::default() })
    }

    /// Has a key loaded in the background by the cache's own loader, whatever is stored; `true` if a load of it
    /// is under way then. A failed one leaves the old value where it is.
    pub fn refresh(&self, key: &K) -> bool {
        let core = self.core();
        let Some(loader) = core.host.loader.clone().filter(|_| core.config.is_smart()) else { return false };
        if core.check_key(key).is_err() {
            return false;
        }
        let (hash, now) = (core.hash(key), core.now());
        let mut shard = core.shard(hash).lock();
        let flight = shard.fly(hash, key, now);
        let retired = shard.flights.take_retired();
        drop(shard);
        drop(retired);
        let Some(flight) = flight else { return true };
        let refresh = Refresh { core: Arc::clone(core), hash, key: key.clone(), flight };
        core.queue_refresh(refresh, move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key))
    }

    /// Loads all keys that have a value anew, by the cache's own loader, on threads of its own; returns when all
    /// are done or the deadline has passed. A failed load leaves the old value where it is.
    pub fn refresh_all(&self, deadline: Deadline) -> WarmUpReport {
        let Some(loader) = self.core().host.loader.clone() else { return WarmUpReport::default() };
        let mut keys = Vec::new();
        for (_, lock) in self.core().shards.all() {
            keys.extend(lock.lock().entries.iter().map(|(key, _)| key.clone()));
        }
        let options = WarmUpOptions { deadline, is_refresh: true, ..WarmUpOptions::default() };
        let loader = move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key);
        self.warm_up_by(keys, &options, loader, |_| {})
    }

    pub(super) fn load_own(&self, key: &K, options: LookupOptions) -> Result<Cached<V>, LoadError<E>> {
        let Some(loader) = &self.core().host.loader else {
            let options = LookupOptions { no_load: true, ..options };
            return self.lookup(key, options, |_: &K, _: &LoadContext<'_, K, V, E>| unreachable!("nothing is loaded"));
        };
        let loader = Arc::clone(loader);
        self.lookup(key, options, move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key))
    }
}
