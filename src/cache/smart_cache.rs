//! The face of the cache: its handles, and lookups by a loader of the caller's. Others are in `own_loader`,
//! `bulk`, `writes`, `invalidation`, `warm_up` and `saved`.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::load::BoxError;
use super::load_guard::LoadContext;
use super::lookup::{Lookup, LookupMode};
use super::{CacheSnapshot, Cached, Key, LoadError, Loaded};
use crate::clock::{Clock, Deadline};
use crate::name::Name;
use crate::pool::ShutdownReport;

/// A cache of shared values that loads each key once, refreshes ahead of time, and serves what it
/// has when the source cannot be reached.
///
/// `K` is the key, `V` the value, `E` the error of the loaders. Clones share the cache; when the
/// last one is dropped, the cache waits for running refreshes for at most `drain`.
///
/// # Concurrency
/// Thread-safe. A write is visible to every later lookup. A load publishes only if no insert,
/// invalidation or clear of its key came after it began. Loaders, weighers and drops of values run
/// without any lock held; `Hash`, `Eq`, `Clone` and `Drop` of keys run under a shard's lock and must
/// not use the cache.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// use feedguard::cache::CacheStatus;
/// let cache: SmartCache<String, Vec<f64>, std::io::Error> = SmartCache::new("cache", CacheConfig::daily())?;
/// let key = "600519.SH".to_owned();
/// let bars = cache.get_or_load(&key, |_key| Ok(vec![1700.0, 1712.5]))?;
/// assert_eq!(bars.status(), CacheStatus::Loaded);
/// assert_eq!(cache.get(&key).unwrap().status(), CacheStatus::Fresh);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SmartCache<K, V, E = BoxError>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    core: Arc<Core<K, V, E>>,
    /// Refreshes hold the core, so the end of the cache is the end of its last handle.
    handle: Arc<Handle<K, V, E>>,
}

struct Handle<K, V, E>(Arc<Core<K, V, E>>)
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static;

impl<K, V, E> Drop for Handle<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        // Real time, also under a manual clock: nobody is left to move its hands.
        let system = Clock::system();
        let until = Deadline::after(&system, self.0.config.drain);
        self.0.pool.shutdown_by(&system, self.0.config.drain);
        self.0.loads.shutdown_by(&system, until.remaining(system.now()).unwrap_or_default());
        // No scrape finds this cache any more.
        self.0.metrics.pass_on(|| self.0.snapshot());
        self.0.metrics.end();
    }
}

impl<K, V, E> Clone for SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), handle: Arc::clone(&self.handle) }
    }
}

/// What a lookup may add to the key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupOptions {
    /// Until when another's load is waited for.
    pub(crate) deadline: Deadline,
    pub(crate) max_age: Option<Duration>,
    /// Only what is there.
    pub(crate) no_load: bool,
    /// Loads although something is stored.
    pub(crate) refresh: bool,
    /// Loads although a load has just failed.
    pub(crate) ignores_failures: bool,
}

impl Default for LookupOptions {
    fn default() -> Self {
        Self { deadline: Deadline::never(), max_age: None, no_load: false, refresh: false, ignores_failures: false }
    }
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) fn from_core(core: Arc<Core<K, V, E>>) -> Self {
        let handle = Arc::new(Handle(Arc::clone(&core)));
        Self { core, handle }
    }

    pub(super) fn core(&self) -> &Arc<Core<K, V, E>> {
        &self.core
    }

    /// The value of a key if it is within its time. Nobody can refresh it here, so a value past its
    /// time to live is not served. Takes every borrowed form of the key, as `HashMap` does.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<Cached<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.core.look(self.core.hash(key), key)
    }

    /// Whether [`get`](Self::get) would find a value. It counts as no lookup and changes no order.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.core.hash(key);
        let now = self.core.clock.now();
        self.core.shard(hash).lock().contains(hash, key, now)
    }

    /// The value of a key; loads it on this thread if it is not there, or waits for the thread that
    /// does. A value that is due or stale is returned at once and refreshed in the background by
    /// the same loader.
    ///
    /// # Errors
    /// [`LoadError`]; a value within `stale_if_error` is served instead.
    ///
    /// # Panics
    /// A panic of the loader on this thread propagates; callers that wait get
    /// [`LoadError::LoaderPanicked`].
    pub fn get_or_load(
        &self,
        key: &K,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.get_or_load_by(key, Deadline::never(), None, loader)
    }

    /// As [`get_or_load`](Self::get_or_load), but waits for the load of another caller no longer
    /// than until `deadline`, and takes no value older than `max_age`. Past the deadline an old value within
    /// `stale_if_error` is the answer, and no load begins. A load on this thread is not
    /// cut short: its deadline is the loader's business, or that of [`Foreground::Pool`](super::Foreground).
    ///
    /// # Errors
    /// [`LoadError`], with [`LoadError::WaitTimeout`] past the deadline.
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_load_by(
        &self,
        key: &K,
        deadline: Deadline,
        max_age: Option<Duration>,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.get_or_fetch_by(key, deadline, max_age, move |key| loader(key).map(Loaded::Value))
    }

    /// As [`get_or_load`](Self::get_or_load), for loaders that say more than a value: how long it is fresh, or
    /// that there is no such thing.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_fetch(
        &self,
        key: &K,
        loader: impl Fn(&K) -> Result<Loaded<V>, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.get_or_fetch_by(key, Deadline::never(), None, loader)
    }

    /// As [`get_or_load_by`](Self::get_or_load_by), for loaders that say more than a value.
    ///
    /// # Errors
    /// As [`get_or_load_by`](Self::get_or_load_by).
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_fetch_by(
        &self,
        key: &K,
        deadline: Deadline,
        max_age: Option<Duration>,
        loader: impl Fn(&K) -> Result<Loaded<V>, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        let options = LookupOptions { deadline, max_age, ..LookupOptions::default() };
        self.lookup(key, options, move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key))
    }

    /// As [`get_or_load_by`](Self::get_or_load_by), with a loader that may borrow what the caller has. It runs on
    /// this thread or not at all, so a value that is due is not refreshed; one past its time to live is served
    /// only if the load fails.
    ///
    /// # Errors
    /// As [`get_or_load_by`](Self::get_or_load_by).
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// use feedguard::{CacheConfig, Deadline, SmartCache};
    /// let cache: SmartCache<String, usize> = SmartCache::new("lengths", CacheConfig::default())?;
    /// let text = String::from("a text of the caller's");
    /// let length = cache.get_or_load_with(&"text".to_owned(), Deadline::never(), |_| Ok(text.len()))?;
    /// assert_eq!(*length, text.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_load_with(
        &self,
        key: &K,
        deadline: Deadline,
        loader: impl FnOnce(&K) -> Result<V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.core.check_key(key)?;
        let hash = self.core.hash(key);
        let options = LookupOptions { deadline, ..LookupOptions::default() };
        let mode = LookupMode { can_refresh: false, ..self.mode(options) };
        match self.core.lookup(hash, key, mode) {
            Lookup::Hit(cached) => Ok(cached),
            lookup => {
                let mut loader = Some(loader);
                // Nobody leads twice in one lookup.
                self.answer(hash, key, mode, deadline, lookup, &mut |guard| {
                    let loader = loader.take()?;
                    let loaded = guard.run(|| loader(key).map(Loaded::Value));
                    Some(guard.finish(loaded))
                })
            }
        }
    }

    /// Counts at this moment.
    pub fn snapshot(&self) -> CacheSnapshot {
        self.core.snapshot()
    }

    /// The error of the last background refresh that gave no value, if the loader gave one;
    /// [`CacheSnapshot::last_refresh_failure`] tells when.
    pub fn last_refresh_error(&self) -> Option<Arc<E>> {
        self.core.last_failure.lock().1.clone()
    }

    /// For models, in which time stands still: what the thread does that tells the policy of reads.
    #[cfg(feedguard_shuttle)]
    #[doc(hidden)]
    pub fn pass_reads_on(&self) {
        super::keeper::Kept::pass_reads_on(&*self.core);
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.core.name
    }

    /// Ends background refreshes: queued ones are dropped at the end of `within`, running ones are
    /// waited for until then. Lookups and writes still work, without refreshes.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        let until = Deadline::after(&self.core.clock, within);
        let refreshes = self.core.pool.shutdown(within);
        let left = until.remaining(self.core.clock.now()).unwrap_or(within);
        refreshes.plus(self.core.loads.shutdown(left))
    }
}

impl<K, V, E> fmt::Debug for SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartCache").field("name", &self.core.name).finish_non_exhaustive()
    }
}
