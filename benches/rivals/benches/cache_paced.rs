//! What does a hit cost at the pace of real use, beside moka and quick_cache?

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use feedguard::cache::{Eviction, Key};
use feedguard::{CacheConfig, SmartCache};
use support::paced::{KEYS, Read, paces};

const CAPACITY: u64 = 20_000;

fn main() {
    compare("u64 keys", &(0..KEYS as u64).collect::<Vec<_>>());
    let text = |n| format!("{:06}.SH|daily|2024-01-02|2024-12-31", n * 37);
    compare("text keys", &(0..KEYS).map(text).collect::<Vec<_>>());
}

fn compare<K: Key>(title: &str, keys: &[K]) {
    let config = || CacheConfig::default().max_capacity(CAPACITY).time_to_live(Duration::from_secs(36_000));
    let ours: SmartCache<K, u64> = SmartCache::new("cache", config()).unwrap();
    let lru: SmartCache<K, u64> = SmartCache::new("cache", config().eviction(Eviction::Lru)).unwrap();
    let moka: moka::sync::Cache<K, Arc<u64>> = moka::sync::Cache::new(CAPACITY);
    let quick: quick_cache::sync::Cache<K, Arc<u64>> = quick_cache::sync::Cache::new(CAPACITY as usize);
    for (n, key) in (0..).zip(keys) {
        ours.insert(key, n).unwrap();
        lru.insert(key, n).unwrap();
        moka.insert(key.clone(), Arc::new(n));
        quick.insert(key.clone(), Arc::new(n));
    }
    let subjects: [Read<'_, K>; 4] = [
        ("feedguard", Box::new(|key| drop(black_box(ours.get(key))))),
        ("feedguard, exact LRU", Box::new(|key| drop(black_box(lru.get(key))))),
        ("moka", Box::new(|key| drop(black_box(moka.get(key))))),
        ("quick_cache", Box::new(|key| drop(black_box(quick.get(key))))),
    ];
    paces(title, keys, &subjects);
}
