//! What do a hit, a miss and an insert cost? `benches/rivals` has the same beside other caches.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use feedguard::cache::Eviction;
use feedguard::{CacheConfig, SmartCache};
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
}
