//! How many lookups are hits, by policy and trace?

use std::num::NonZeroUsize;
use std::time::Duration;

use feedguard::cache::Eviction;
use feedguard::{CacheConfig, Clock, SmartCache};

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

fn main() {
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

