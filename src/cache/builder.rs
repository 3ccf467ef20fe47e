//! Collects what a cache works with.

use std::fmt;
use std::sync::{Arc, Weak};

use super::core::{Core, HoldIf, KeySize, Shards, Weigher};
use super::metrics::CacheMetrics;
use super::shard::Shard;
use super::store::TinyLfu;
use super::{CacheConfig, CacheMode, Eviction, Key, SmartCache};
use crate::clock::Clock;
use crate::config::builder_setters;
use crate::error::ConfigError;
use crate::metrics::{Metrics, Scrape};
use crate::name::Name;
use crate::pool::{Ticker, WorkerPool};
use crate::sync::atomic::{AtomicU64, AtomicUsize};

/// Shards of a large cache: enough that two threads on the machines of today rarely meet.
const MAX_SHARDS: u64 = 64;
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
pub struct CacheBuilder<K, V, E> {
    name: Name,
    config: CacheConfig,
    clock: Clock,
    metrics: Metrics,
    weigher: Option<Weigher<K, V>>,
    key_size: Option<KeySize<K>>,
    hold_if: Option<HoldIf<E>>,
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
            weigher: None,
            key_size: None,
            hold_if: None,
        }
    }

    builder_setters!(CacheConfig);

    /// Sets the weight of an entry; 1 otherwise. `max_capacity` bounds the sum.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// Says how long a key is in bytes, so that `max_key_bytes` can be enforced.
    pub fn key_size(mut self, size: impl Fn(&K) -> usize + Send + Sync + 'static) -> Self {
        self.key_size = Some(Box::new(size));
        self
    }

    /// Says which errors of a loader hold the key; all do otherwise. An error that is the caller's
    /// own (its deadline had passed before the source was called) should not: callers that wait for
    /// that load again then.
    pub fn hold_if(mut self, is_about_source: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.hold_if = Some(Box::new(is_about_source));
        self
    }

    /// Makes the cache; no thread starts before the first refresh.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<SmartCache<K, V, E>, ConfigError> {
        let Self { name, config, clock, metrics, weigher, key_size, hold_if } = self;
        config.validate()?;
        let uses_lru = config.mode == CacheMode::PlainLru || config.eviction == Eviction::Lru;
        // Shards of an exact LRU split the capacity: with weights, one heavy value must still fit.
        let count = if uses_lru && weigher.is_some() { 1 } else { shard_count(config.max_capacity) };
        let holds = config.max_holds.div_ceil(count);
        let shards = (0..count).map(|_| Shard::new(uses_lru, !uses_lru, holds)).collect();
        let shards = Arc::new(Shards::new(shards));
        let hasher = ahash::RandomState::new();
        let policy = (!uses_lru).then(|| {
            let (shards, keys) = (Arc::clone(&shards), hasher.clone());
            let evict = move |key: &K, ticket: super::store::Ticket| shards.evict(keys.hash_one(key), key, ticket.id);
            TinyLfu::new(&name, config.max_capacity, weigher.is_some(), count, hasher.clone(), evict)
        });
        let pool =
            WorkerPool::new(Arc::from(name.as_str()), clock.clone(), config.refresh_workers, config.refresh_queue);
        let core = Arc::new(Core {
            ticker: Ticker::new(clock.clone()),
            metrics: CacheMetrics::new(&metrics, &name),
            name,
            config,
            clock,
            hasher,
            shards,
            policy,
            pool,
            weigher,
            key_size,
            hold_if,
            waiters: AtomicUsize::new(0),
            recoveries: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
        });
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&core) as Arc<dyn Scrape>));
        metrics.on_scrape(scrape);
        Ok(SmartCache::from_core(core))
    }
}

fn shard_count(capacity: u64) -> usize {
    let count = (capacity / MIN_PER_SHARD).clamp(1, MAX_SHARDS);
    1 << count.ilog2()
}

impl<K, V, E> fmt::Debug for CacheBuilder<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}
