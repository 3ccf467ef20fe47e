//! The hot paths of the guards allocate nothing: counted by an allocator of this test binary, which
//! holds one test only, since all threads of a process share the count.

use std::alloc::System;

use std::time::Duration;

use feedguard::cache::CacheStatus;
use feedguard::{AdaptiveRateLimiter, BreakerConfig, CacheConfig, CircuitBreaker, Clock, LimiterConfig, SmartCache};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations(work: impl Fn()) -> usize {
    work();
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        work();
    }
    region.change().allocations
}

#[test]
fn hot_paths_allocate_nothing() {
    assert_eq!(allocations(|| drop(Vec::<u8>::with_capacity(1))), 1000, "the counter counts");

    let breaker = CircuitBreaker::new("alloc", BreakerConfig::default()).unwrap();
    assert_eq!(allocations(|| drop(breaker.call(|| Ok::<_, ()>(1)))), 0, "closed");
    breaker.force_open();
    assert_eq!(allocations(|| drop(breaker.try_acquire())), 0, "refused");

    let fast = AdaptiveRateLimiter::new("alloc", LimiterConfig::fixed(4e9).burst(1_000_000)).unwrap();
    assert_eq!(allocations(|| fast.try_acquire(1).unwrap().succeed()), 0, "granted");
    let adaptive = LimiterConfig::default().max_rate_per_sec(4e9).initial_rate_per_sec(4e9).burst(1_000_000);
    let adaptive = AdaptiveRateLimiter::new("alloc", adaptive).unwrap();
    assert_eq!(allocations(|| adaptive.try_acquire(1).unwrap().succeed()), 0, "granted and learnt from");
    let slow = LimiterConfig::fixed(0.001);
    let slow = AdaptiveRateLimiter::new("alloc", slow).unwrap();
    slow.try_acquire(1).unwrap().succeed();
    assert_eq!(allocations(|| drop(slow.try_acquire(1))), 0, "refused");

    let (clock, time) = Clock::manual();
    let config = CacheConfig::default().jitter(0.0).time_to_live(Duration::from_secs(100)).refresh_queue(0);
    let cache: SmartCache<u64, u64> = SmartCache::builder("alloc").config(config).clock(clock).build().unwrap();
    cache.insert(&1, 1).unwrap();
    let read = || cache.get_or_load(&1, |_| Ok(2)).unwrap();
    assert_eq!(allocations(|| drop(read())), 0, "fresh");
    // No refresh is taken: due, and stale.
    cache.shutdown(Duration::ZERO);
    for status in [CacheStatus::Fresh, CacheStatus::Stale] {
        time.advance(Duration::from_secs(90));
        assert_eq!(read().status(), status);
        assert_eq!(allocations(|| drop(read())), 0, "{status:?}");
    }
}
