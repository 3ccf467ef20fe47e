//! Manager: a hit through all rooms, and what the rooms add to a call.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use feedguard::cache::CacheMode;
use feedguard::manager::CachesConfig;
use feedguard::{DataSourceManager, Deadline, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Source};
use support::{compare, repeat, subject};

struct Null;

impl Source for Null {
    type Request = u64;
    type Response = u64;
    type Error = std::io::Error;
    fn call(&self, _endpoint: &EndpointSpec, request: &u64, _deadline: Deadline) -> Result<u64, std::io::Error> {
        Ok(*request)
    }
}

fn main() {
    let endpoints = || {
        let limiter = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
        ["a", "b", "c", "d", "e"]
            .map(|name| EndpointConfig::new(EndpointSpec::named(name)).limiter(limiter.clone()))
            .into()
    };
    let cached =
        DataSourceManager::builder(Null).config(ManagerConfig::default().endpoints(endpoints())).build().unwrap();
    let off = CachesConfig::default().all(|cache| cache.mode(CacheMode::Off));
    let uncached = DataSourceManager::builder(Null)
        .config(ManagerConfig::default().endpoints(endpoints()).caches(off))
        .build()
        .unwrap();
    let next = AtomicU64::new(0);
    cached.fetch(&0).unwrap();
    compare(
        "manager, 5 endpoints",
        &[1, 2],
        &[
            subject("hit", |_, n| repeat(n, |_| cached.fetch(&0).unwrap())),
            subject("call through all rooms", |_, n| {
                repeat(n, |_| uncached.fetch(&next.fetch_add(1, Ordering::Relaxed)).unwrap())
            }),
        ],
    );
}
