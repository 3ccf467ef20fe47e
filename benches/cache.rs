//! Cache: hits, stale hits, misses and inserts beside moka, quick_cache, mini_moka and a locked
//! LRU in one run; hit rates of the eviction policies.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::mem_forget,
    clippy::print_stdout,
    clippy::allow_attributes_without_reason,
    let_underscore_drop,
    reason = "a bench measures, it is no interface"
)]

#[allow(dead_code, unreachable_pub, reason = "each bench takes what it needs")]
mod support;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedguard::{CacheConfig, Eviction, SmartCache};
use support::{compare, repeat, subject};

const KEYS: u64 = 10_000;
const CAPACITY: u64 = 20_000;

/// What a rival has to store to know freshness.
#[derive(Clone)]
struct Dated(Arc<u64>, Instant);

fn key(thread: usize, iteration: u64) -> u64 {
    // A cheap permutation, so that neither cache lines nor branch predictors learn the order.
    (iteration.wrapping_mul(0x9E37_79B9) ^ (thread as u64) << 7) % KEYS
}

fn main() {
    let config = || CacheConfig::default().max_capacity(CAPACITY).time_to_live(Duration::from_secs(36_000)).jitter(0.0);
    let ours: SmartCache<u64, u64> = SmartCache::new(config()).unwrap();
    let lru: SmartCache<u64, u64> = SmartCache::new(config().eviction(Eviction::Lru)).unwrap();
    let moka: moka::sync::Cache<u64, Arc<u64>> = moka::sync::Cache::new(CAPACITY);
    let mini: mini_moka::sync::Cache<u64, Arc<u64>> = mini_moka::sync::Cache::new(CAPACITY);
    let quick: quick_cache::sync::Cache<u64, Arc<u64>> = quick_cache::sync::Cache::new(CAPACITY as usize);
    let dated: quick_cache::sync::Cache<u64, Dated> = quick_cache::sync::Cache::new(CAPACITY as usize);
    let locked = Mutex::new(lru::LruCache::new(NonZeroUsize::new(CAPACITY as usize).unwrap()));
    for n in 0..KEYS {
        ours.insert(&n, n).unwrap();
        lru.insert(&n, n).unwrap();
        moka.insert(n, Arc::new(n));
        mini.insert(n, Arc::new(n));
        quick.insert(n, Arc::new(n));
        dated.insert(n, Dated(Arc::new(n), Instant::now() + Duration::from_secs(36_000)));
        locked.lock().unwrap().put(n, Arc::new(n));
    }
    compare(
        "fresh hit",
        &[1, 2],
        &[
            subject("feedguard", |t, n| repeat(n, |i| ours.get(&key(t, i)).unwrap())),
            subject("feedguard, exact LRU", |t, n| repeat(n, |i| lru.get(&key(t, i)).unwrap())),
            subject("quick_cache + deadline", |t, n| {
                repeat(n, |i| dated.get(&key(t, i)).filter(|dated| Instant::now() < dated.1).unwrap().0)
            }),
            subject("quick_cache raw", |t, n| repeat(n, |i| quick.get(&key(t, i)).unwrap())),
            subject("moka", |t, n| repeat(n, |i| moka.get(&key(t, i)).unwrap())),
            subject("mini_moka", |t, n| repeat(n, |i| mini.get(&key(t, i)).unwrap())),
            subject("Mutex<lru>", |t, n| repeat(n, |i| locked.lock().unwrap().get(&key(t, i)).cloned().unwrap())),
        ],
    );
}
