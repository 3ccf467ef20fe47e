//! What do an insert and a miss cost beside moka, quick_cache, mini_moka and a locked LRU?

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use feedguard::cache::Eviction;
use feedguard::{CacheConfig, SmartCache};
use support::{compare, repeat, subject};

const CAPACITY: u64 = 20_000;

fn main() {
    let config = || CacheConfig::default().max_capacity(CAPACITY);
    let ours: SmartCache<u64, u64> = SmartCache::new("cache", config()).unwrap();
    let lru: SmartCache<u64, u64> = SmartCache::new("cache", config().eviction(Eviction::Lru)).unwrap();
    let moka: moka::sync::Cache<u64, Arc<u64>> = moka::sync::Cache::new(CAPACITY);
    let mini: mini_moka::sync::Cache<u64, Arc<u64>> = mini_moka::sync::Cache::new(CAPACITY);
    let quick: quick_cache::sync::Cache<u64, Arc<u64>> = quick_cache::sync::Cache::new(CAPACITY as usize);
    let locked = Mutex::new(lru::LruCache::new(NonZeroUsize::new(CAPACITY as usize).unwrap()));
    let next = AtomicU64::new(0);
    let fresh = || next.fetch_add(1, Ordering::Relaxed);
    compare(
        "insert a new key into a full cache",
        &[1, 2],
        &[
            subject("feedguard", |_, n| repeat(n, |_| ours.insert(&fresh(), 1).unwrap())),
            subject("feedguard, exact LRU", |_, n| repeat(n, |_| lru.insert(&fresh(), 1).unwrap())),
            subject("quick_cache", |_, n| repeat(n, |_| quick.insert(fresh(), Arc::new(1)))),
            subject("moka", |_, n| repeat(n, |_| moka.insert(fresh(), Arc::new(1)))),
            subject("mini_moka", |_, n| repeat(n, |_| mini.insert(fresh(), Arc::new(1)))),
            subject("Mutex<lru>", |_, n| repeat(n, |_| locked.lock().unwrap().put(fresh(), Arc::new(1)))),
        ],
    );
    compare(
        "miss: single flight, an empty load, store",
        &[1, 2],
        &[
            subject("feedguard", |_, n| repeat(n, |_| ours.get_or_load(&fresh(), |key| Ok(*key)).unwrap())),
            subject("feedguard, exact LRU", |_, n| repeat(n, |_| lru.get_or_load(&fresh(), |key| Ok(*key)).unwrap())),
            subject("quick_cache", |_, n| {
                repeat(n, |_| quick.get_or_insert_with(&fresh(), || Ok::<_, ()>(Arc::new(1))).unwrap())
            }),
            subject("moka get_with", |_, n| repeat(n, |_| moka.get_with(fresh(), || Arc::new(1)))),
        ],
    );
}
