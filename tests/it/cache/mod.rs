//! The cache room.

mod corners;
mod faces;
mod model;
mod promises;

use std::time::Duration;

use feedguard::CacheConfig;

const S: fn(u64) -> Duration = Duration::from_secs;

/// A time to live of 100 s without jitter, and a drop that waits for nobody.
fn config() -> CacheConfig {
    CacheConfig::default().time_to_live(S(100)).jitter(0.0).drain(Duration::ZERO)
}
