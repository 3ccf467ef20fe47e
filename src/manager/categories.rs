//! The closed set of categories: names are resolved once a fetch, numbers go on from there.

use std::collections::HashSet;
use std::sync::Arc;

use super::ManagerConfig;
use super::caches_config::DEFAULT;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Names that are logged once; more are counted only.
const MAX_LOGGED: usize = 100;

pub(super) struct Categories {
    list: Vec<Category>,
    unknown: AtomicU64,
    logged: Mutex<HashSet<u64>>,
}

pub(super) struct Category {
    pub(super) name: Arc<str>,
    /// Its cache: its own, or that of `default`.
    pub(super) cache: usize,
}

/// `default` comes first.
pub(super) const DEFAULT_CATEGORY: usize = 0;

impl Categories {
    /// The categories of a configuration, and the names of those that have a cache of their own.
    pub(super) fn new(config: &ManagerConfig) -> (Self, Vec<Arc<str>>) {
        let mut cached: Vec<Arc<str>> = [DEFAULT, "daily", "minute", "realtime"].map(Arc::from).into();
        for (name, _) in config.caches.iter() {
            if cached.iter().all(|known| **known != *name) {
                cached.push(name.into());
            }
        }
        let mut list: Vec<Category> =
            cached.iter().enumerate().map(|(cache, name)| Category { name: Arc::clone(name), cache }).collect();
        for name in config.endpoints.iter().flat_map(|endpoint| &endpoint.spec.categories) {
            if list.iter().all(|known| known.name != *name) {
                list.push(Category { name: Arc::clone(name), cache: DEFAULT_CATEGORY });
            }
        }
        (Self { list, unknown: AtomicU64::new(0), logged: Mutex::new(HashSet::new()) }, cached)
    }

    /// The number of a name; one that is not configured is `default`, counted, and logged once.
    #[inline]
    pub(super) fn number(&self, name: &str) -> usize {
        self.list.iter().position(|known| *known.name == *name).unwrap_or_else(|| self.unknown(name))
    }

    #[cold]
    fn unknown(&self, name: &str) -> usize {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        let hash = ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(name);
        let mut logged = self.logged.lock();
        let is_new = logged.len() < MAX_LOGGED && logged.insert(hash);
        drop(logged);
        if is_new {
            let category = super::record::one_line(name);
            tracing::warn!(%category, "a category that is not configured: it is treated as \"default\"");
        }
        DEFAULT_CATEGORY
    }

    pub(super) fn get(&self, number: usize) -> &Category {
        &self.list[number]
    }

    /// Whether it has no cache of its own.
    #[inline]
    pub(super) fn shares_cache(&self, number: usize) -> bool {
        self.list[number].cache != number
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Requests whose category is not configured.
    pub(super) fn unknown_count(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}
