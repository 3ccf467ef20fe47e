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

use std::alloc::System;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedguard::{CacheConfig, CacheStatus, Clock, Eviction, SmartCache};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{compare, repeat, subject};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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
    misses_and_inserts();
    hit_rates();
    memory();
    weight_bound();
}

fn hits() {
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
    let fresh: SmartCache<u64, u64> = SmartCache::new(CacheConfig::default()).unwrap();
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

fn misses_and_inserts() {
    let config = || CacheConfig::default().max_capacity(CAPACITY);
    let ours: SmartCache<u64, u64> = SmartCache::new(config()).unwrap();
    let lru: SmartCache<u64, u64> = SmartCache::new(config().eviction(Eviction::Lru)).unwrap();
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

/// Ranks with a Zipf distribution, by table.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: u64, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut table: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        table.iter_mut().for_each(|share| *share /= sum);
        Self(table)
    }

    fn draw(&self, dice: &mut fastrand::Rng) -> u64 {
        let roll = dice.f64();
        self.0.partition_point(|share| *share < roll) as u64
    }
}

/// A thousand lookups a second of simulated time; each trace gives the key of each lookup.
const LOOKUPS: u64 = 400_000;
const DAY: u64 = 50_000;

type Next = Box<dyn FnMut(u64, &mut fastrand::Rng) -> u64>;

fn traces() -> Vec<(&'static str, Vec<u64>)> {
    let trace = |mut next: Next| {
        let mut dice = fastrand::Rng::with_seed(1);
        (0..LOOKUPS).map(|n| next(n, &mut dice)).collect::<Vec<u64>>()
    };
    let (steep, flat, symbols) = (Zipf::new(20_000, 0.99), Zipf::new(20_000, 0.8), Zipf::new(5_000, 0.9));
    vec![
        ("Zipf 0.99", trace(Box::new(move |_, dice| steep.draw(dice)))),
        ("Zipf 0.8", trace(Box::new(move |_, dice| flat.draw(dice)))),
        // A scan passes over a hot set, again and again.
        ("hot set + scan", trace(Box::new(|n, dice| if dice.f64() < 0.5 { dice.u64(..800) } else { 1_000_000 + n }))),
        // Symbol and date: every key is new at the open, the old ones are never asked for again.
        ("dated keys", trace(Box::new(move |n, dice| symbols.draw(dice) + (n / DAY) * 1_000_000))),
        // The hot set moves a little all the time.
        ("shifting hot set", trace(Box::new(|n, dice| n / 100 + dice.u64(..1_000)))),
    ]
}

fn hit_rates() {
    const SMALL: u64 = 1_000;
    println!("\nhit rate in %, capacity {SMALL}, {LOOKUPS} lookups at 1000 a second; dated keys live a day");
    println!(
        "{:<18} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "", "feedguard", "exact LRU", "global LRU", "quick_cache", "moka"
    );
    for (name, keys) in traces() {
        let ours = |eviction| {
            let (clock, time) = Clock::manual();
            let days = if name == "dated keys" { 1 } else { 1000 };
            let day = Duration::from_millis(DAY * days);
            let config = CacheConfig::default().max_capacity(SMALL).eviction(eviction).time_to_live(day).jitter(0.0);
            let config = config.stale_if_error(Duration::ZERO).grace(Some(Duration::ZERO)).refresh_ahead(1.0);
            let cache: SmartCache<u64, u64> = SmartCache::builder("rate").config(config).clock(clock).build().unwrap();
            rate(&keys, |key| {
                time.advance(Duration::from_millis(1));
                let hit = cache.get(&key).is_some();
                if !hit {
                    cache.insert(&key, key).unwrap();
                }
                hit
            })
        };
        let moka: moka::sync::Cache<u64, u64> = moka::sync::Cache::new(SMALL);
        let quick: quick_cache::sync::Cache<u64, u64> = quick_cache::sync::Cache::new(SMALL as usize);
        let mut lru = lru::LruCache::new(NonZeroUsize::new(SMALL as usize).unwrap());
        let figures = [
            ours(Eviction::TinyLfu),
            ours(Eviction::Lru),
            rate(&keys, |key| lru.get(&key).is_some() || lru.put(key, key).is_some_and(|_| false)),
            rate(&keys, |key| {
                let hit = quick.get(&key).is_some();
                if !hit {
                    quick.insert(key, key);
                }
                hit
            }),
            rate(&keys, |key| {
                let hit = moka.get(&key).is_some();
                if !hit {
                    moka.insert(key, key);
                }
                hit
            }),
        ];
        let row: Vec<String> = figures.iter().map(|figure| format!("{figure:>12.2}")).collect();
        println!("{name:<18} {}", row.join(" "));
    }
}

fn rate(keys: &[u64], mut lookup: impl FnMut(u64) -> bool) -> f64 {
    let hits = keys.iter().filter(|key| lookup(**key)).count();
    100.0 * hits as f64 / keys.len() as f64
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
        let cache: SmartCache<u64, u64> = SmartCache::new(config).unwrap();
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
