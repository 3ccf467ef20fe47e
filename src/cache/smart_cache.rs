//! The face of the cache: lookups, writes, shutdown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::flight::{Flight, FlightResult, JoinResult};
use super::load::BoxError;
use super::load_guard::{LoadContext, LoadGuard, Loader};
use super::shard::{Lookup, LookupMode, Removed, answer};
use super::{CacheMode, CacheSnapshot, Cached, Key, KeyTooLong, LoadError, Loaded};
use crate::clock::{Clock, Deadline};
use crate::name::Name;
use crate::pool::ShutdownReport;
use crate::sync::atomic::Ordering;

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
        self.0.ticker.close();
        // Real time, also under a manual clock: nobody is left to move its hands.
        self.0.pool.shutdown_by(&Clock::system(), self.0.config.drain);
        // No scrape finds this cache any more.
        self.0.metrics.pass_on(|| self.0.snapshot());
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
    /// time to live is not served.
    pub fn get(&self, key: &K) -> Option<Cached<V>> {
        let hash = self.core.hash(key);
        self.core.fresh(hash, key).or_else(|| {
            match self.core.lookup(hash, key, LookupMode { epoch: self.core.epoch(), ..LookupMode::LOOK }) {
                Lookup::Hit(cached) => Some(cached),
                _ => None,
            }
        })
    }

    /// Whether a lookup would find something: a value that is not past its grace, or an answer that is
    /// held. It counts as no lookup and changes no order.
    pub fn contains(&self, key: &K) -> bool {
        let hash = self.core.hash(key);
        let now = self.core.clock.now();
        self.core.shard(hash).lock().knows(hash, key, now, self.core.epoch())
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
    pub fn get_or_load<L: Into<Loaded<V>>>(
        &self,
        key: &K,
        loader: impl Fn(&K) -> Result<L, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        let options = LookupOptions::default();
        self.lookup(key, options, move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key).map(Into::into))
    }

    /// As [`get_or_load`](Self::get_or_load), but waits for the load of another caller no longer
    /// than until `deadline`, and takes no value older than `max_age`. A load on this thread is not
    /// cut short: its deadline is the loader's business.
    ///
    /// # Errors
    /// [`LoadError`], with [`LoadError::WaitTimeout`] past the deadline.
    ///
    /// # Panics
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_load_by<L: Into<Loaded<V>>>(
        &self,
        key: &K,
        deadline: Deadline,
        max_age: Option<Duration>,
        loader: impl Fn(&K) -> Result<L, E> + Send + Sync + 'static,
    ) -> Result<Cached<V>, LoadError<E>> {
        let options = LookupOptions { deadline, max_age, ..LookupOptions::default() };
        self.lookup(key, options, move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key).map(Into::into))
    }

    /// The value of a key if it is fresh: one lock, no allocation.
    #[inline]
    pub(crate) fn fresh(&self, key: &K) -> Option<Cached<V>> {
        self.core.fresh(self.core.hash(key), key)
    }

    /// Ends the holds of failed loads: the source has recovered. A number is raised, nothing is walked.
    pub(crate) fn end_failure_holds(&self) {
        self.core.recoveries.fetch_add(1, Ordering::AcqRel);
    }

    /// Every lookup that may load comes through here.
    #[inline]
    pub(crate) fn lookup(
        &self,
        key: &K,
        options: LookupOptions,
        loader: impl Loader<K, V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.core.check_key(key)?;
        let hash = self.core.hash(key);
        if options.max_age.is_none() && !options.refresh {
            if let Some(cached) = self.core.fresh(hash, key) {
                return Ok(cached);
            }
        }
        let mode = LookupMode::load(options.max_age, self.core.epoch());
        let mode = if options.no_load {
            LookupMode { can_load: false, can_refresh: false, takes_stale: true, ..mode }
        } else {
            LookupMode {
                skips_stored: options.refresh,
                ignores_failures: options.ignores_failures || options.refresh,
                ..mode
            }
        };
        match self.core.lookup(hash, key, mode) {
            Lookup::Hit(cached) => Ok(cached),
            Lookup::Refresh(cached, flight) => {
                self.core.refresh_later(hash, key, &cached, flight, loader);
                Ok(cached)
            }
            lookup => self.load(hash, key, mode, options, lookup, &loader),
        }
    }

    #[cold]
    fn load(
        &self,
        hash: u64,
        key: &K,
        mode: LookupMode,
        options: LookupOptions,
        mut lookup: Lookup<V, E>,
        loader: &impl Loader<K, V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        loop {
            let joined = matches!(lookup, Lookup::Join(_));
            let outcome = match lookup {
                Lookup::Lead(flight) => Ok(self.lead(hash, key, flight, loader)),
                Lookup::Join(flight) => self.join_flight(hash, key, &flight, options.deadline, loader),
                // A second look may find what another thread has just published.
                Lookup::Hit(cached) | Lookup::Refresh(cached, _) => return Ok(cached),
                Lookup::Refused(error) => return Err(error),
                Lookup::Absent => Err(LoadError::NotCached),
            };
            let answered = match outcome {
                Ok(outcome) => {
                    let now = self.core.clock.now();
                    answer(outcome, now, || self.core.hold_remaining(hash, key))
                }
                Err(error) => Some(Err(error)),
            };
            let is_too_old = |cached: &Cached<V>| mode.max_age.is_some_and(|max| cached.age() > max);
            match answered {
                // A load that had begun before this caller asked; its own load is as young as can be.
                Some(Ok(cached)) if joined && is_too_old(&cached) => lookup = self.look_again(hash, key, mode),
                Some(Ok(cached)) => return Ok(cached),
                Some(Err(error @ (LoadError::Missing { .. } | LoadError::Reentrant | LoadError::NotCached))) => {
                    return Err(error);
                }
                Some(Err(error)) if mode.skips_stored => return Err(error),
                Some(Err(error)) => return self.core.stale_on_error(hash, key, mode.max_age).ok_or(error),
                None => lookup = self.look_again(hash, key, mode),
            }
        }
    }

    /// Looks once more after a flight that never ran; it is the same lookup, so it is not counted
    /// again.
    fn look_again(&self, hash: u64, key: &K, mode: LookupMode) -> Lookup<V, E> {
        self.core.shard(hash).lock().stats.miss -= 1;
        self.core.lookup(hash, key, LookupMode { can_refresh: false, ..mode })
    }

    fn lead(
        &self,
        hash: u64,
        key: &K,
        flight: Option<Arc<Flight<V, E>>>,
        loader: &impl Loader<K, V, E>,
    ) -> FlightResult<V, E> {
        let guard = LoadGuard::new(&self.core, hash, key, flight, false);
        let result = guard.load(loader);
        guard.finish(result)
    }

    fn join_flight(
        &self,
        hash: u64,
        key: &K,
        flight: &Arc<Flight<V, E>>,
        deadline: Deadline,
        loader: &impl Loader<K, V, E>,
    ) -> Result<FlightResult<V, E>, LoadError<E>> {
        match self.wait(flight, deadline)? {
            JoinResult::Done(outcome) => Ok(outcome),
            JoinResult::TakenOver => Ok(self.lead(hash, key, Some(Arc::clone(flight)), loader)),
            JoinResult::Reentrant => Err(LoadError::Reentrant),
            JoinResult::TimedOut => Err(LoadError::WaitTimeout),
        }
    }

    pub(super) fn wait(&self, flight: &Flight<V, E>, deadline: Deadline) -> Result<JoinResult<V, E>, LoadError<E>> {
        let limit = self.core.config.max_waiters;
        let waiting = &self.core.waiters;
        if waiting.fetch_add(1, Ordering::Relaxed) >= limit {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(LoadError::TooManyWaiters { limit });
        }
        let joined = flight.join(&self.core.clock, deadline);
        waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(joined)
    }

    /// Stores a value for the configured time to live. A load of the key that is under way will not
    /// overwrite it.
    ///
    /// # Errors
    /// [`KeyTooLong`]; only where the builder was told how to measure keys.
    pub fn insert(&self, key: &K, value: V) -> Result<(), KeyTooLong> {
        self.insert_for(key, value, self.core.config.time_to_live)
    }

    /// Stores a value that is fresh for `ttl`; zero removes the key.
    ///
    /// # Errors
    /// [`KeyTooLong`]; only where the builder was told how to measure keys.
    pub fn insert_for(&self, key: &K, value: V, ttl: Duration) -> Result<(), KeyTooLong> {
        self.core.check_key(key)?;
        let hash = self.core.hash(key);
        if ttl.is_zero() || self.core.config.mode == CacheMode::Off {
            self.core.remove(hash, key);
        } else {
            let entry = self.core.entry(key, value, ttl, self.core.clock.now());
            self.core.store(hash, key, &entry);
        }
        Ok(())
    }

    /// Removes a key, its hold, and the right of a load under way to publish; `true` if there was a
    /// value.
    pub fn invalidate(&self, key: &K) -> bool {
        self.core.remove(self.core.hash(key), key)
    }

    /// Removes the values that `condition` names; returns how many. It sees the values of one
    /// moment a shard; those written later are not asked about.
    pub fn invalidate_if(&self, condition: impl Fn(&K, &V) -> bool) -> usize {
        let mut removed = 0;
        for (index, lock) in self.core.shards.locks.iter().enumerate() {
            let seen: Vec<_> =
                lock.lock().entries.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
            for (key, entry) in seen {
                if condition(&key, &entry.value) {
                    let hash = self.core.hash(&key);
                    let mut shard = lock.lock();
                    let is_same = shard.entries.peek(hash, &key).is_some_and(|now| now.id == entry.id);
                    let left = if is_same { shard.remove(hash, &key) } else { Removed::default() };
                    drop(shard);
                    removed += usize::from(self.core.after_change_of(index, left));
                }
            }
        }
        removed
    }

    /// Removes everything; loads under way will not publish.
    pub fn clear(&self) {
        for (index, lock) in self.core.shards.locks.iter().enumerate() {
            let mut shard = lock.lock();
            let (left, tables) = shard.clear();
            drop(shard);
            self.core.after_change_of(index, left);
            drop(tables);
        }
    }

    /// Removes values of no use to anybody now; returns how many. Writes do this by and by.
    pub fn purge_expired(&self) -> usize {
        self.core.purge()
    }

    /// Counts at this moment.
    pub fn snapshot(&self) -> CacheSnapshot {
        self.core.snapshot()
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.core.name
    }

    /// Ends background refreshes: queued ones are dropped at the end of `within`, running ones are
    /// waited for until then. Lookups and writes still work, without refreshes.
    pub fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.core.pool.shutdown(within)
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
