//! How much memory does an entry take, and how far does live payload pass the weight bound?

use std::alloc::System;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use feedguard::cache::Eviction;
use feedguard::{CacheConfig, SmartCache};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    memory();
    weight_bound();
}

fn memory() {
    const MANY: u64 = 100_000;
    println!("\nmemory an entry (u64 -> u64), {MANY} entries");
    let measure = |name: &str, fill: &dyn Fn() -> Box<dyn std::any::Any>| {
        let region = Region::new(ALLOCATOR);
        let cache = fill();
        let change = region.change();
        let used = change.bytes_allocated as isize - change.bytes_deallocated as isize;
        println!("{name:<34} {:>10.1} bytes", used as f64 / MANY as f64);
        drop(cache);
    };
    let ours = |eviction| {
        let config = CacheConfig::default().max_capacity(2 * MANY).eviction(eviction);
        let cache: SmartCache<u64, u64> = SmartCache::new("cache", config).unwrap();
        (0..MANY).for_each(|n| cache.insert(&n, n).unwrap());
        Box::new(cache) as Box<dyn std::any::Any>
    };
    measure("feedguard", &|| ours(Eviction::TinyLfu));
    measure("feedguard, exact LRU", &|| ours(Eviction::Lru));
    measure("moka", &|| {
        let cache: moka::sync::Cache<u64, Arc<u64>> = moka::sync::Cache::new(2 * MANY);
        (0..MANY).for_each(|n| cache.insert(n, Arc::new(n)));
        cache.run_pending_tasks();
        Box::new(cache)
    });
    measure("quick_cache", &|| {
        let cache: quick_cache::sync::Cache<u64, Arc<u64>> = quick_cache::sync::Cache::new(2 * MANY as usize);
        (0..MANY).for_each(|n| cache.insert(n, Arc::new(n)));
        Box::new(cache)
    });
}

/// A payload that counts what lives of its kind.
struct Live(u32, &'static AtomicUsize);

impl Live {
    fn new(weight: u32, sum: &'static AtomicUsize) -> Self {
        sum.fetch_add(weight as usize, Ordering::Relaxed);
        Self(weight, sum)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0 as usize, Ordering::Relaxed);
    }
}

/// Live payload against the weight bound at 20 000 inserts a second, by the real clock.
fn weight_bound() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let bound = 1_000_000u64;
    let config = CacheConfig::default().max_capacity(bound);
    let cache: SmartCache<u64, Live> =
        SmartCache::builder("weight").config(config).weigher(|_, value: &Live| value.0).build().unwrap();
    let (mut most, mut dice) = (0, fastrand::Rng::with_seed(1));
    let begun = Instant::now();
    for n in 0..60_000u64 {
        while begun.elapsed() < Duration::from_micros(50 * n) {
            std::hint::spin_loop();
        }
        cache.insert(&n, Live::new(dice.u32(1..2_000), &ALIVE)).unwrap();
        most = most.max(ALIVE.load(Ordering::Relaxed));
    }
    println!(
        "\n20 000 inserts a second for 3 s, weight bound {bound}: live payload at most {:.3} x",
        most as f64 / bound as f64
    );
}
