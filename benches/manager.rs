//! Manager: a hit through all rooms, and what the rooms add to a call.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use feedguard::cache::CacheMode;
use feedguard::manager::{CachesConfig, Call, CallsConfig};
use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Source};
use support::{compare, repeat, subject};

struct Null;

impl Source for Null {
    type Request = u64;
    type Response = u64;
    type Error = std::io::Error;
    fn call(&self, _call: &Call<'_>, request: &u64) -> Result<u64, std::io::Error> {
        Ok(*request)
    }
}

/// Calls that cost nothing, so that what is left is the manager's.
fn manager(caches: CachesConfig, calls: CallsConfig) -> DataSourceManager<Null> {
    let limiter = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
    let endpoints = ["a", "b", "c", "d", "e"]
        .map(|name| EndpointConfig::new(EndpointSpec::named(name).concurrency(1000)).limiter(limiter.clone()));
    let config = ManagerConfig::default().endpoints(endpoints.into()).caches(caches).calls(calls);
    DataSourceManager::new("bench", config, Null).unwrap()
}

fn main() {
    const KEYS: u64 = 1_000;
    let off = || CachesConfig::default().all(|cache| cache.mode(CacheMode::Off));
    let cached = manager(CachesConfig::default(), CallsConfig::default());
    (0..KEYS).for_each(|key| drop(cached.fetch(&key).unwrap()));
    compare(
        "manager, hit",
        &[1, 2],
        &[
            subject("one key", |_, n| repeat(n, |_| cached.fetch(&0).unwrap())),
            subject("many keys", |thread, n| {
                repeat(n, |i| cached.fetch(&((i.wrapping_mul(0x9E37_79B9) ^ (thread as u64) << 9) % KEYS)).unwrap())
            }),
        ],
    );
    let next = AtomicU64::new(0);
    let new_key = || next.fetch_add(1, Ordering::Relaxed);
    let (threads, callers) = (manager(off(), CallsConfig::default()), manager(off(), CallsConfig::on_callers()));
    compare(
        "manager, miss among 5 endpoints",
        &[1, 2],
        &[
            subject("on call threads", |_, n| repeat(n, |_| threads.fetch(&new_key()).unwrap())),
            subject("on callers' threads", |_, n| repeat(n, |_| callers.fetch(&new_key()).unwrap())),
        ],
    );
}
