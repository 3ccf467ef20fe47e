//! What does a hit cost, fresh and stale, beside moka, quick_cache, mini_moka and a locked LRU?

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedguard::cache::{CacheStatus, Eviction};
use feedguard::{CacheConfig, Clock, SmartCache};
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
    hits();
    stale_hits();
}

fn hits() {
    let config = || CacheConfig::default().max_capacity(CAPACITY).time_to_live(Duration::from_secs(36_000)).jitter(0.0);
    let ours: SmartCache<u64, u64> = SmartCache::new("cache", config()).unwrap();
    let lru: SmartCache<u64, u64> = SmartCache::new("cache", config().eviction(Eviction::Lru)).unwrap();
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

/// A stale value is served at once; its refresh is kept from ending.
fn stale_hits() {
    let (clock, time) = Clock::manual();
    let config = CacheConfig::default().time_to_live(Duration::from_secs(100)).refresh_workers(1).jitter(0.0);
    let cache: SmartCache<u64, u64> = SmartCache::builder("stale").config(config).clock(clock).build().unwrap();
    cache.insert(&0, 0).unwrap();
    time.advance(Duration::from_secs(150));
    let (release, stuck) = std::sync::mpsc::channel::<()>();
    let stuck = Arc::new(Mutex::new(stuck));
    let load = move |key: &u64| {
        let _closed = stuck.lock().unwrap().recv();
        Ok(*key)
    };
    assert_eq!(cache.get_or_load(&0, load.clone()).unwrap().status(), CacheStatus::Stale);
    let fresh: SmartCache<u64, u64> = SmartCache::new("cache", CacheConfig::default()).unwrap();
    fresh.insert(&0, 0).unwrap();
    compare(
        "one key",
        &[1, 2],
        &[
            subject("fresh hit by get_or_load", |_, n| repeat(n, |_| fresh.get_or_load(&0, |key| Ok(*key)).unwrap())),
            subject("stale hit, refresh under way", |_, n| repeat(n, |_| cache.get_or_load(&0, load.clone()).unwrap())),
        ],
    );
    drop(release);
}
