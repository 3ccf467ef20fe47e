//! Collects what a cache works with.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::core::Core;
use super::host::Host;
use super::keeper::{Keeper, Kept};
use super::metrics::CacheMetrics;
use super::removed::RemovalCause;
use super::shard::Shard;
use super::shards::Shards;
use super::store::TinyLfu;
use super::{CacheConfig, CacheMode, Eviction, Key, Loaded, RefreshFailure, SmartCache};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::metrics::{Metrics, Scrape};
use crate::name::Name;
use crate::pool::LeasedPool;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize};

/// Shards of a large cache: enough that two threads on the machines of today rarely meet.
const MAX_SHARDS: u64 = 64;
/// Among fewer entries than this how often a key was asked for says nothing.
const MIN_FOR_TINY_LFU: u64 = if cfg!(feedguard_shuttle) { 3 } else { 16 };
/// Fewer entries than this a shard make exact LRU a poor one.
const MIN_PER_SHARD: u64 = 256;

/// Collects what a [`SmartCache`] works with.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<String, Vec<u8>> = SmartCache::builder("pages")
///     .config(CacheConfig::default().max_capacity(1 << 20))
///     .weigher(|_key, page: &Vec<u8>| u32::try_from(page.len()).unwrap_or(u32::MAX))
///     .key_size(String::len)
///     .build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct CacheBuilder<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    name: Name,
    config: CacheConfig,
    clock: Clock,
    metrics: Metrics,
    host: Host<K, V, E>,
    keeper: Option<Arc<Keeper>>,
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// A cache with the given settings, without metrics and weigher.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: CacheConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a cache; `name` stands in logs, labels and thread names.
    pub fn builder(name: impl Into<Name>) -> CacheBuilder<K, V, E> {
        CacheBuilder::new(name.into())
    }
}

impl<K, V, E> CacheBuilder<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            config: CacheConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            host: Host::default(),
            keeper: None,
        }
    }

    builder_setters!(CacheConfig);

    /// Sets the weight of an entry; 1 otherwise, and at least. `max_capacity` bounds the sum; the entry written
    /// last may stand beside it for a moment.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.host.weigher = Some(Box::new(weigher));
        self
    }

    /// Gives each entry tags, as it is stored, for [`invalidate_tag`](SmartCache::invalidate_tag).
    ///
    /// # Examples
    /// ```
    /// use feedguard::SmartCache;
    /// let cache: SmartCache<String, f64> = SmartCache::builder("quotes")
    ///     .tags(|key: &String, _quote| vec![key.split('.').next_back().unwrap_or("none").into()])
    ///     .build()?;
    /// cache.insert(&"600519.SH".to_owned(), 1700.0)?;
    /// cache.insert(&"000001.SZ".to_owned(), 10.5)?;
    /// assert_eq!(cache.invalidate_tag("SH"), 1);
    /// assert!(cache.contains("000001.SZ"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tags(mut self, tags: impl Fn(&K, &V) -> Vec<Name> + Send + Sync + 'static) -> Self {
        self.host.tags = Some(Box::new(tags));
        self
    }

    /// Says how long a key is in bytes, so that `max_key_bytes` can be enforced.
    pub fn key_size(mut self, size: impl Fn(&K) -> usize + Send + Sync + 'static) -> Self {
        self.host.key_size = Some(Box::new(size));
        self
    }

    /// Says which errors of a loader hold the key; all do otherwise. An error that is the caller's
    /// own (its deadline had passed before the source was called) should not: callers that wait for
    /// that load again then.
    pub fn hold_if(mut self, is_about_source: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.host.hold_if = Some(Box::new(is_about_source));
        self
    }

    /// The loader of the whole cache, for [`load`](SmartCache::load), [`refresh`](SmartCache::refresh) and
    /// [`refresh_all`](SmartCache::refresh_all).
    pub fn loader(mut self, loader: impl Fn(&K) -> Result<Loaded<V>, E> + Send + Sync + 'static) -> Self {
        self.host.loader = Some(Arc::new(loader));
        self
    }

    /// The bulk loader of the whole cache, for [`load_many`](SmartCache::load_many); keys it leaves out are
    /// missing.
    pub fn bulk_loader(
        mut self,
        loader: impl Fn(&[K]) -> Result<HashMap<K, Loaded<V>>, E> + Send + Sync + 'static,
    ) -> Self {
        self.host.bulk_loader = Some(Arc::new(loader));
        self
    }

    /// Is told of each entry that leaves, and why; on the thread that caused it, under no lock. A panic is caught
    /// and logged.
    pub fn on_evict(mut self, listener: impl Fn(&K, &V, RemovalCause) + Send + Sync + 'static) -> Self {
        self.host.on_evict = Some(Box::new(listener));
        self
    }

    /// Is told of each background refresh that gave no value, with the loader's error if there is one; on the
    /// thread of the refresh. A panic is caught and logged.
    pub fn on_refresh_failed(
        mut self,
        listener: impl Fn(&K, &RefreshFailure, Option<&E>) + Send + Sync + 'static,
    ) -> Self {
        self.host.on_refresh_failed = Some(Box::new(listener));
        self
    }

    /// Shares the thread that tells policies of reads with other caches.
    pub(crate) fn keeper(mut self, keeper: &Arc<Keeper>) -> Self {
        self.keeper = Some(Arc::clone(keeper));
        self
    }

    /// Makes the cache; no thread starts before the first refresh or the first many reads.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<SmartCache<K, V, E>, ConfigError> {
        let Self { name, config, clock, metrics, host, keeper } = self;
        Faults::of_guard(&name, config.validate()).finish()?;
        let is_weighted = host.weigher.is_some();
        let is_tiny = !is_weighted && config.max_capacity < MIN_FOR_TINY_LFU;
        let uses_lru = config.mode != CacheMode::Smart || config.eviction == Eviction::Lru || is_tiny;
        // Shards of an exact LRU split the capacity: with weights, one heavy value must still fit.
        let count = if uses_lru && is_weighted { 1 } else { shard_count(config.max_capacity) };
        let shards = (0..count).map(|_| Shard::new(uses_lru, host.on_evict.is_some())).collect();
        let shards = Arc::new(Shards::new(shards));
        let policy = (!uses_lru).then(|| {
            let shards = Arc::clone(&shards);
            TinyLfu::new(&name, config.max_capacity, is_weighted, count, move |victim| shards.evict(victim))
        });
        let workers = config.refresh_workers;
        let pool = LeasedPool::new(name.as_str(), clock.clone(), workers, config.refresh_queue);
        let loads = LeasedPool::new(format!("{:.8}-l", name.as_str()), clock.clone(), workers, 0);
        let seed = if config.seed == 0 { fastrand::u64(..) } else { config.seed };
        let core = Arc::new(Core {
            metrics: CacheMetrics::new(&metrics, &name),
            keeper: keeper.unwrap_or_else(|| Keeper::new(clock.clone())),
            name,
            config,
            clock,
            hasher: ahash::RandomState::new(),
            shards,
            policy,
            pool,
            loads,
            host,
            waiters: AtomicUsize::new(0),
            recoveries: AtomicU64::new(0),
            next_id: CachePadded::new(AtomicU64::new(0)),
            seed,
            last_failure: Mutex::new((None, None)),
        });
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&core) as Arc<dyn Scrape>));
        metrics.on_scrape(scrape);
        let kept: Weak<dyn Kept> = Arc::downgrade(&(Arc::clone(&core) as Arc<dyn Kept>));
        core.keeper.keep(kept);
        Ok(SmartCache::from_core(core))
    }
}

fn shard_count(capacity: u64) -> usize {
    let count = (capacity / MIN_PER_SHARD).clamp(1, MAX_SHARDS);
    1 << count.ilog2()
}

impl<K, V, E> fmt::Debug for CacheBuilder<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}
