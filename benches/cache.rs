//! What do a hit, a miss and an insert cost, a list of keys, and the loss of all of them? `benches/rivals` has
//! the same beside other caches.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use feedguard::cache::Eviction;
use feedguard::{CacheConfig, Deadline, SmartCache};
use support::paced::{Read, paces};
use support::{compare, repeat, subject};

const KEYS: u64 = 10_000;

fn key(thread: usize, iteration: u64) -> u64 {
    (iteration.wrapping_mul(0x9E37_79B9) ^ (thread as u64) << 7) % KEYS
}

fn main() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let config = CacheConfig::default().max_capacity(2 * KEYS).eviction(eviction);
        let config = config.time_to_live(Duration::from_secs(36_000));
        let cache: SmartCache<u64, u64> = SmartCache::new("bench", config).unwrap();
        (0..KEYS).for_each(|n| cache.insert(&n, n).unwrap());
        let next = AtomicU64::new(KEYS);
        let new_key = || next.fetch_add(1, Ordering::Relaxed);
        compare(
            &format!("cache, {eviction:?}"),
            &[1, 2],
            &[
                subject("get, fresh", |t, n| repeat(n, |i| cache.get(&key(t, i)))),
                subject("get_or_load, fresh", |t, n| repeat(n, |i| cache.get_or_load(&key(t, i), |key| Ok(*key)))),
            ],
        );
        compare(
            &format!("cache, {eviction:?}, new keys"),
            &[1, 2],
            &[
                subject("insert", |_, n| repeat(n, |_| cache.insert(&new_key(), 1))),
                subject("get_or_load, an empty load", |_, n| {
                    repeat(n, |_| cache.get_or_load(&new_key(), |key| Ok(*key)))
                }),
            ],
        );
    }
    paced();
    lists();
    mass_invalidation();
}

fn paced() {
    let keys: Vec<u64> = (0..KEYS).collect();
    let config = CacheConfig::default().max_capacity(2 * KEYS).time_to_live(Duration::from_secs(36_000));
    let smart: SmartCache<u64, u64> = SmartCache::new("smart", config.clone()).unwrap();
    let lru: SmartCache<u64, u64> = SmartCache::new("lru", config.eviction(Eviction::Lru)).unwrap();
    let moka: moka::sync::Cache<u64, u64> = moka::sync::Cache::new(2 * KEYS);
    for key in &keys {
        smart.insert(key, *key).unwrap();
        lru.insert(key, *key).unwrap();
        moka.insert(*key, *key);
    }
    let subjects: [Read<'_, u64>; 3] = [
        ("TinyLfu", Box::new(|key| drop(black_box(smart.get(key))))),
        ("Lru", Box::new(|key| drop(black_box(lru.get(key))))),
        ("moka", Box::new(|key| _ = black_box(moka.get(key)))),
    ];
    paces("paced", &keys, &subjects);
}

/// A list of a hundred fresh keys, beside as many single lookups.
fn lists() {
    let cache: SmartCache<u64, u64> = SmartCache::new("lists", CacheConfig::default()).unwrap();
    let keys: Vec<u64> = (0..100).collect();
    keys.iter().for_each(|key| cache.insert(key, *key).unwrap());
    let none = |_: &[u64]| Ok(HashMap::new());
    compare(
        "a hundred fresh keys",
        &[1],
        &[
            subject("get_or_load, each", |_, n| {
                repeat(n, |_| keys.iter().map(|key| cache.get_or_load(key, |key| Ok(*key))).collect::<Vec<_>>())
            }),
            subject("get_many", |_, n| repeat(n, |_| cache.get_many(&keys, Deadline::never(), none))),
        ],
    );
}

fn mass_invalidation() {
    const MANY: u64 = 1_000_000;
    println!("\nthe loss of {MANY} entries, in ms");
    type Lose = fn(&SmartCache<u64, u64>);
    let ways: [(&str, Lose); 3] = [
        ("clear", SmartCache::clear),
        ("invalidate_if, all", |cache| assert_eq!(cache.invalidate_if(|_, _| true) as u64, MANY)),
        ("invalidate_keys_if, half", |cache| {
            assert_eq!(cache.invalidate_keys_if(|key| key % 2 == 0) as u64, MANY / 2);
        }),
    ];
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        for (name, lose) in ways {
            let config = CacheConfig::default().max_capacity(2 * MANY).eviction(eviction);
            let cache: SmartCache<u64, u64> = SmartCache::new("many", config).unwrap();
            (0..MANY).for_each(|key| cache.insert(&key, key).unwrap());
            let begun = Instant::now();
            lose(&cache);
            println!("{:<34} {:>10.0}", format!("{eviction:?}, {name}"), begun.elapsed().as_secs_f64() * 1e3);
        }
    }
}
