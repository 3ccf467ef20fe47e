//! `01_cache`: a value is loaded once, refreshed ahead of time, and bridges an outage.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::time::Duration;

use feedguard::cache::CacheStatus;
use feedguard::{CacheConfig, Clock, SmartCache};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, time) = Clock::manual();
    let cache: SmartCache<&str, f64, &str> =
        SmartCache::builder("quotes").config(CacheConfig::daily().jitter(0.0)).clock(clock).build()?;

    let first = cache.get_or_load(&"600519", |_| Ok(1700.0))?;
    println!("first read: {:?} {}", first.status(), *first);
    assert_eq!(first.status(), CacheStatus::Loaded);

    time.advance(Duration::from_secs(50 * 60));
    let due = cache.get_or_load(&"600519", |_| Ok(1712.5))?;
    println!("after 50 of 60 minutes: {:?} {}, a refresh runs in the background", due.status(), *due);
    while cache.get(&"600519").is_none_or(|quote| *quote < 1712.0) {
        std::thread::yield_now();
    }

    time.advance(Duration::from_secs(3 * 3600));
    let bridged = cache.get_or_load(&"600519", |_| Err::<f64, _>("connection refused"))?;
    println!("source down, value {:?} old: {:?} {}", bridged.age(), bridged.status(), *bridged);
    assert_eq!(bridged.status(), CacheStatus::StaleOnError);

    let Err(error) = cache.get_or_load(&"000001", |_| Err::<f64, _>("connection refused")) else { unreachable!() };
    println!("nothing to bridge with: {error}");
    Ok(())
}
