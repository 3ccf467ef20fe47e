//! Interleaving models: shuttle runs each under thousands of schedules.
//!
//! `RUSTFLAGS='--cfg feedguard_shuttle' cargo test --release --test models`
//!
//! The cache runs with exact LRU, or with a stand-in for moka: moka's own locks are not shuttle's. `.ci/fences` takes each fence
//! out of a copy of the sources and checks that the model named there fails.
#![cfg(feedguard_shuttle)]

use std::sync::Arc;
use std::time::Duration;

use feedguard::breaker::{BreakerState, OpenReason};
use feedguard::cache::{Eviction, LoadError};
use feedguard::clock::ManualClock;
use feedguard::limiter::LimitReason;
use feedguard::{
    AdaptiveRateLimiter, BreakerConfig, CacheConfig, CircuitBreaker, Clock, Deadline, LimiterConfig, SmartCache,
};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

const SCHEDULES: usize = 10_000;

type Cache = SmartCache<u8, u64, &'static str>;

fn cache() -> (Cache, ManualClock) {
    cache_with(Eviction::Lru, 2)
}

/// Models let entries die, and with them no load but where it is the point.
const DAY: Duration = Duration::from_secs(86_400);

fn cache_with(eviction: Eviction, capacity: u64) -> (Cache, ManualClock) {
    let (clock, time) = Clock::manual();
    let config = CacheConfig::default()
        .eviction(eviction)
        .max_capacity(capacity)
        .time_to_live(Duration::from_secs(100))
        .refresh_workers(1)
        .load_timeout(DAY)
        .jitter(0.0);
    (SmartCache::builder("model").config(config).clock(clock).build().unwrap(), time)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, SCHEDULES);
}

/// A source whose value changes: a load reads it at some moment and answers later.
fn load_from(source: &Arc<AtomicU64>) -> impl Fn(&u8) -> Result<u64, &'static str> + Send + Sync + Clone + 'static {
    let source = Arc::clone(source);
    move |_| {
        let seen = source.load(Ordering::SeqCst);
        thread::yield_now();
        Ok(seen)
    }
}

/// Runs lookups beside a change of the source that is followed by `tell`; whatever the schedule, the
/// old value must not be in the cache afterwards.
fn old_value_must_go(is_due: bool, lookups: usize, tell: fn(&Cache)) {
    let (cache, time) = cache();
    let source = Arc::new(AtomicU64::new(1));
    if is_due {
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
    }
    let readers: Vec<_> = (0..lookups)
        .map(|_| {
            let (cache, load) = (cache.clone(), load_from(&source));
            thread::spawn(move || drop(cache.get_or_load(&0, load).unwrap()))
        })
        .collect();
    source.store(2, Ordering::SeqCst);
    tell(&cache);
    for reader in readers {
        reader.join().unwrap();
    }
    // Ends the pool, so that no refresh is under way.
    cache.shutdown(Duration::from_secs(1));
    let left = cache.get(&0).map(|value| *value);
    assert!(left.is_none_or(|value| value == 2), "the old value is back: {left:?}");
    assert_eq!(cache.get_or_load(&0, load_from(&source)).map(|value| *value).unwrap(), 2, "the key is free");
}

fn invalidate(cache: &Cache) {
    let _existed = cache.invalidate(&0);
}

#[test]
fn a_load_never_overwrites_a_newer_insert() {
    explore(|| old_value_must_go(false, 2, |cache| cache.insert(&0, 2).unwrap()));
}

#[test]
fn a_load_never_brings_an_invalidated_value_back() {
    explore(|| old_value_must_go(false, 2, invalidate));
}

#[test]
fn a_load_never_brings_a_cleared_value_back() {
    explore(|| old_value_must_go(false, 2, Cache::clear));
}

#[test]
fn a_refresh_never_overwrites_a_newer_insert() {
    explore(|| old_value_must_go(true, 1, |cache| cache.insert(&0, 2).unwrap()));
    explore_rare(|| old_value_must_go(true, 1, |cache| cache.insert(&0, 2).unwrap()));
}

#[test]
fn a_refresh_never_brings_an_invalidated_value_back() {
    // The moment is narrow: both ways of looking for it.
    explore(|| old_value_must_go(true, 1, invalidate));
    explore_rare(|| old_value_must_go(true, 1, invalidate));
}

#[test]
fn a_refresh_never_brings_a_cleared_value_back() {
    // The moment is narrow: both ways of looking for it.
    explore(|| old_value_must_go(true, 1, Cache::clear));
    explore_rare(|| old_value_must_go(true, 1, Cache::clear));
}

#[test]
fn a_refresh_beside_an_eviction_leaves_nothing_wedged() {
    explore(|| {
        let (cache, time) = cache();
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
        let source = Arc::new(AtomicU64::new(2));
        let reader = {
            let (cache, load) = (cache.clone(), load_from(&source));
            thread::spawn(move || drop(cache.get_or_load(&0, load).unwrap()))
        };
        for other in 1..4 {
            cache.insert(&other, 9).unwrap();
        }
        reader.join().unwrap();
        cache.shutdown(Duration::from_secs(1));
        let snapshot = cache.snapshot();
        assert!(snapshot.entries <= 2 && snapshot.weight <= 2, "{snapshot:?}");
        assert_eq!(*cache.get_or_load(&0, load_from(&source)).unwrap(), 2);
    });
}

#[test]
fn two_readers_of_one_due_entry_start_one_refresh() {
    explore(|| {
        let (cache, time) = cache();
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
        let loads = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                let load = move |_: &u8| {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Ok(2)
                };
                thread::spawn(move || drop(cache.get_or_load(&0, load).unwrap()))
            })
            .collect();
        for reader in readers {
            reader.join().unwrap();
        }
        cache.shutdown(Duration::from_secs(1));
        assert_eq!((loads.load(Ordering::SeqCst), cache.get(&0).map(|value| *value)), (1, Some(2)));
    });
}

#[test]
fn cold_readers_load_once_and_all_get_it() {
    explore(|| {
        let (cache, _time) = cache();
        let loads = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                let load = move |_: &u8| {
                    thread::yield_now();
                    Ok(loads.fetch_add(1, Ordering::SeqCst))
                };
                thread::spawn(move || *cache.get_or_load(&0, load).unwrap())
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 0);
        }
        assert_eq!(cache.snapshot().gets(), 3);
    });
}

#[test]
fn a_failing_load_is_shared_and_asked_once() {
    explore(|| {
        let (cache, time) = cache();
        let loads = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                let load = move |_: &u8| -> Result<u64, &'static str> {
                    thread::yield_now();
                    loads.fetch_add(1, Ordering::SeqCst);
                    Err("down")
                };
                thread::spawn(move || cache.get_or_load(&0, load).unwrap_err())
            })
            .collect();
        for reader in readers {
            let error = reader.join().unwrap();
            assert!(matches!(error, LoadError::Failed { .. } | LoadError::Held { .. }));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        time.advance(Duration::from_secs(1));
        assert_eq!(*cache.get_or_load(&0, |_| Ok(7)).unwrap(), 7);
    });
}

/// In the background: shuttle's tasks share one thread, so a model cannot unwind through a guard
/// that takes locks (the pool catches the panic before the flight is settled). The foreground is
/// tested with real threads.
#[test]
fn a_panicking_refresh_wakes_all_and_frees_the_key() {
    explore(|| {
        let (cache, time) = cache();
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
        let panicking = |_: &u8| -> Result<u64, &'static str> {
            thread::yield_now();
            // Without the hook: thousands of schedules would print thousands of traces.
            std::panic::resume_unwind(Box::new("boom"))
        };
        drop(cache.get_or_load(&0, panicking).unwrap());
        // The old value dies; a reader joins the refresh, takes it over, or finds it ended.
        time.advance(Duration::from_secs(10_000));
        let reader = {
            let cache = cache.clone();
            thread::spawn(move || cache.get_or_load(&0, |_| Ok(7)).map(|value| *value))
        };
        assert!(matches!(reader.join().unwrap(), Ok(7) | Err(LoadError::LoaderPanicked { .. })));
        cache.shutdown(Duration::from_secs(1));
        time.advance(Duration::from_secs(60));
        assert_eq!(*cache.get_or_load(&0, |_| Ok(7)).unwrap(), 7);
    });
}

#[test]
fn a_foreground_reader_and_the_pool_never_run_one_refresh_twice() {
    let model = || {
        let (cache, time) = cache();
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
        let loads = Arc::new(AtomicU64::new(0));
        let load = {
            let loads = Arc::clone(&loads);
            move |_: &u8| {
                thread::yield_now();
                Ok(10 + loads.fetch_add(1, Ordering::SeqCst))
            }
        };
        // Queues a refresh; then the entry dies, and a foreground reader needs the value.
        drop(cache.get_or_load(&0, load.clone()).unwrap());
        time.advance(Duration::from_secs(10_000));
        let value = *cache.get_or_load(&0, load).unwrap();
        cache.shutdown(Duration::from_secs(1));
        let loads = loads.load(Ordering::SeqCst);
        // One, or two when the pool had ended the first before the clock jumped.
        assert!(loads == 1 || loads == 2 && value == 11, "{loads} {value}");
        // Stored, unless the clock jumped between the end of the load and its publication.
        assert!(cache.get(&0).is_none_or(|stored| *stored == value));
    };
    explore(model);
    // The reader has much to do before it comes to the refresh: only a patient schedule lets it come first.
    explore_rare(model);
}

#[test]
fn shutdown_beside_a_due_read_wedges_nothing() {
    explore(|| {
        let (cache, time) = cache();
        cache.insert(&0, 1).unwrap();
        time.advance(Duration::from_secs(90));
        let closing = {
            let cache = cache.clone();
            thread::spawn(move || cache.shutdown(Duration::from_secs(1)))
        };
        drop(cache.get_or_load(&0, |_| Ok(2)).unwrap());
        closing.join().unwrap();
        // A refresh that was dropped is off the table: the next reader tries anew, and is refused.
        let dropped = cache.snapshot().refreshes_dropped;
        if *cache.get_or_load(&0, |_| Ok(2)).unwrap() == 1 {
            assert_eq!(cache.snapshot().refreshes_dropped, dropped + 1);
        }
        time.advance(Duration::from_secs(10_000));
        assert!(cache.get_or_load(&0, |_| Ok(3)).is_ok());
    });
}

/// Whatever was told in whatever order: an entry that the policy does not know would never leave.
fn policy_must_know_all(change: fn(&Cache)) {
    let (cache, _time) = cache_with(Eviction::TinyLfu, 3);
    cache.insert(&0, 0).unwrap();
    let writer = {
        let cache = cache.clone();
        thread::spawn(move || {
            cache.insert(&0, 1).unwrap();
            cache.insert(&1, 1).unwrap();
        })
    };
    let keeper = {
        let cache = cache.clone();
        thread::spawn(move || {
            drop(cache.get(&0));
            cache.pass_reads_on();
        })
    };
    change(&cache);
    writer.join().unwrap();
    keeper.join().unwrap();
    for key in 10..14 {
        cache.insert(&key, 9).unwrap();
        assert!(cache.get(&key).is_some(), "just written");
    }
    let snapshot = cache.snapshot();
    assert!(snapshot.entries <= 3 && snapshot.weight == snapshot.entries as u64, "{snapshot:?}");
}

#[test]
fn the_policy_hears_of_changes_in_the_order_of_the_shard() {
    explore(|| policy_must_know_all(invalidate));
}

#[test]
fn a_clear_beside_a_writer_leaves_no_entry_that_the_policy_does_not_know() {
    explore(|| policy_must_know_all(Cache::clear));
}

#[test]
fn what_a_thread_has_written_is_there_beside_a_full_cache() {
    explore(|| {
        let (cache, _time) = cache_with(Eviction::TinyLfu, 4);
        (0..4).for_each(|key| cache.insert(&key, 0).unwrap());
        let writers: Vec<_> = [10, 11]
            .map(|key| {
                let cache = cache.clone();
                thread::spawn(move || {
                    cache.insert(&key, 1).unwrap();
                    assert!(cache.get(&key).is_some(), "{key} was just written");
                })
            })
            .into();
        cache.pass_reads_on();
        for writer in writers {
            writer.join().unwrap();
        }
        assert!(cache.snapshot().entries <= 4);
    });
}

#[test]
fn an_overdue_load_never_overwrites_the_one_that_took_over() {
    explore(|| {
        let (cache, time) = cache();
        let (tell, told) = shuttle::sync::mpsc::channel::<()>();
        let told = shuttle::sync::Mutex::new(told);
        let is_inside = Arc::new(AtomicU64::new(0));
        let first = {
            let (cache, is_inside) = (cache.clone(), Arc::clone(&is_inside));
            let load = move |_: &u8| {
                is_inside.store(1, Ordering::SeqCst);
                let _sent = told.lock().unwrap().recv();
                Ok(1)
            };
            thread::spawn(move || cache.get_or_load(&0, load).map(|value| *value))
        };
        while is_inside.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        time.advance(DAY);
        assert_eq!(*cache.get_or_load(&0, |_| Ok(2)).unwrap(), 2);
        let other = {
            let cache = cache.clone();
            thread::spawn(move || cache.get_or_load(&0, |_| Ok(3)).map(|value| *value))
        };
        tell.send(()).unwrap();
        assert!(first.join().unwrap().is_ok());
        assert_eq!(other.join().unwrap().unwrap(), 2);
        assert_eq!(cache.get(&0).map(|value| *value), Some(2));
    });
}

#[test]
fn an_update_is_lost_to_no_insert_and_no_other_update() {
    explore(|| {
        let (cache, _time) = cache();
        cache.insert(&0, 0).unwrap();
        let updates: Vec<_> = (0..2)
            .map(|_| {
                let cache = cache.clone();
                thread::spawn(move || drop(cache.update(&0, |n| n.map(|n| n + 1)).unwrap()))
            })
            .collect();
        cache.insert(&0, 10).unwrap();
        for update in updates {
            update.join().unwrap();
        }
        let left = *cache.get(&0).unwrap();
        assert!((10..=12).contains(&left), "{left}");
        assert_eq!(cache.snapshot().updates, 2);
    });
}

#[test]
fn half_open_admits_three_and_late_results_change_nothing() {
    explore(|| {
        let (clock, time) = Clock::manual();
        let config = BreakerConfig::default().failure_threshold(1);
        let breaker = Arc::new(CircuitBreaker::builder("model").config(config).clock(clock).build().unwrap());
        let late = breaker.try_acquire().unwrap();
        breaker.try_acquire().unwrap().fail();
        time.advance(Duration::from_secs(60));
        let probes: Vec<_> = (0..4)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || match breaker.try_acquire() {
                    Ok(permit) => {
                        thread::yield_now();
                        permit.succeed();
                        1
                    }
                    Err(_open) => 0,
                })
            })
            .collect();
        late.fail();
        let admitted: u32 = probes.into_iter().map(|probe| probe.join().unwrap()).sum();
        // The fourth may come after the third has closed it.
        assert!((3..=4).contains(&admitted), "{admitted}");
        assert_eq!((breaker.state(), breaker.snapshot().stale_results), (BreakerState::Closed, 1));
    });
}

/// A refusal without the lock must not mix the details of two openings.
#[test]
fn a_refusal_tells_of_one_opening_only() {
    explore(|| {
        let config = BreakerConfig::default().failure_threshold(1);
        let (clock, _time) = Clock::manual();
        let breaker = Arc::new(CircuitBreaker::builder("model").config(config).clock(clock).build().unwrap());
        breaker.try_acquire().unwrap().fail();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || breaker.try_acquire().unwrap_err())
            })
            .collect();
        breaker.force_open();
        for reader in readers {
            let open = reader.join().unwrap();
            let is_one = match open.reason {
                OpenReason::ConsecutiveFailures(1) => {
                    open.times_opened == 1 && open.retry_after == Some(std::time::Duration::from_secs(60))
                }
                OpenReason::Forced => open.times_opened == 1 && open.retry_after.is_none(),
                _ => false,
            };
            assert!(is_one, "{open:?}");
        }
    });
}

fn limiter(burst: u32) -> (Arc<AdaptiveRateLimiter>, ManualClock) {
    let (clock, time) = Clock::manual();
    let config = LimiterConfig::fixed(1.0).burst(burst);
    (Arc::new(AdaptiveRateLimiter::builder("model").config(config).clock(clock).build().unwrap()), time)
}

/// Grants of the lane beside somebody who closes and reopens it.
#[test]
fn threads_on_the_atomic_bucket_never_take_more_than_the_burst() {
    explore(|| {
        let (limiter, _time) = limiter(2);
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                thread::spawn(move || limiter.try_acquire(1).map(|permit| permit.succeed()).is_ok())
            })
            .collect();
        let _snapshot = limiter.snapshot();
        let granted = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|ok| *ok).count();
        assert_eq!(granted, 2);
        assert!(limiter.try_acquire(1).is_err());
    });
}

/// A permit that is dropped beside others never lets two start for one.
#[test]
fn a_start_taken_back_mints_nothing() {
    explore(|| {
        let (limiter, _time) = limiter(2);
        let dropper = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || drop(limiter.try_acquire(1)))
        };
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                thread::spawn(move || limiter.try_acquire(1).map(|permit| permit.succeed()).is_ok())
            })
            .collect();
        dropper.join().unwrap();
        let granted = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|ok| *ok).count();
        let rest = (0..3).filter(|_| limiter.try_acquire(1).map(|permit| permit.succeed()).is_ok()).count();
        assert!(granted + rest <= 2, "{granted} + {rest}");
    });
}

#[test]
fn close_wakes_a_caller_that_lies_down_beside_it() {
    explore(|| {
        let (limiter, _time) = limiter(1);
        limiter.try_acquire(1).unwrap().succeed();
        let waiter = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.acquire(1, Deadline::never()).map(|permit| permit.succeed()))
        };
        // Most schedules would close before anybody waits.
        while limiter.snapshot().waiting == 0 {
            thread::yield_now();
        }
        limiter.close();
        assert_eq!(waiter.join().unwrap().unwrap_err().reason, LimitReason::Closed);
    });
}

/// A limiter whose rate holds nobody back, with so many places.
fn places(cap: u32) -> Arc<AdaptiveRateLimiter> {
    let (clock, _time) = Clock::manual();
    let config = LimiterConfig::fixed(1.0).burst(100).max_in_flight(Some(cap));
    Arc::new(AdaptiveRateLimiter::builder("model").config(config).clock(clock).build().unwrap())
}

fn waiter(limiter: &Arc<AdaptiveRateLimiter>) -> thread::JoinHandle<()> {
    let limiter = Arc::clone(limiter);
    thread::spawn(move || limiter.acquire(1, Deadline::never()).unwrap().succeed())
}

/// No look at the clock comes: each start needs the wake-up of the call that ended before it.
#[test]
fn who_waits_for_a_call_to_end_is_woken_when_one_has() {
    explore(|| {
        let limiter = places(1);
        let waiters: Vec<_> = (0..3).map(|_| waiter(&limiter)).collect();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!((limiter.snapshot().waiting, limiter.snapshot().in_flight), (0, 0));
    });
}

#[test]
fn who_waits_behind_a_reservation_is_woken_when_it_is_dropped() {
    explore(|| {
        let limiter = places(1);
        let reserved = limiter.reserve(1, Deadline::never()).unwrap();
        let waiters: Vec<_> = (0..2).map(|_| waiter(&limiter)).collect();
        while limiter.snapshot().waiting < 3 {
            thread::yield_now();
        }
        drop(reserved);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn who_waits_for_the_end_of_a_pause_hears_of_a_reset() {
    explore(|| {
        let limiter = places(2);
        limiter.pause_for(std::time::Duration::from_secs(60));
        let waiter = waiter(&limiter);
        // Most schedules would reset before anybody waits.
        while limiter.snapshot().waiting == 0 {
            thread::yield_now();
        }
        limiter.reset();
        waiter.join().unwrap();
    });
}

/// Places are taken without a lock.
#[test]
fn threads_never_hold_more_places_than_the_cap() {
    explore(|| {
        let limiter = places(2);
        let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (limiter, running, most) = (Arc::clone(&limiter), Arc::clone(&running), Arc::clone(&most));
                thread::spawn(move || {
                    for _ in 0..2 {
                        if let Ok(permit) = limiter.try_acquire(1) {
                            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            running.fetch_sub(1, Ordering::SeqCst);
                            permit.succeed();
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(limiter.snapshot().in_flight, 0);
    });
}

type Quotes = feedguard::DataSourceManager<Echo>;

/// Answers with the request, after others had a turn.
struct Echo(Arc<AtomicU64>);

impl feedguard::Source for Echo {
    type Request = u8;
    type Response = u8;
    type Error = std::io::Error;

    fn call(&self, _call: &feedguard::manager::Call<'_>, request: &u8) -> Result<u8, std::io::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        Ok(*request)
    }
}

/// A manager with one endpoint of so many places; the limiter is off.
fn quotes(places: u32) -> (Arc<Quotes>, Arc<AtomicU64>) {
    let (clock, _time) = Clock::manual();
    let calls = Arc::new(AtomicU64::new(0));
    let spec = feedguard::EndpointSpec::named("a").max_in_flight(Some(places));
    let endpoint = feedguard::EndpointConfig::new(spec).limiter(LimiterConfig::off());
    let caches = feedguard::manager::CachesConfig::default().all(|cache| cache.eviction(Eviction::Lru).max_capacity(4));
    let config = feedguard::ManagerConfig::default()
        .endpoints(vec![endpoint])
        .caches(caches)
        .quality(feedguard::QualityConfig::off());
    let manager = feedguard::DataSourceManager::builder(Echo(Arc::clone(&calls))).config(config).clock(clock);
    (Arc::new(manager.build().unwrap()), calls)
}

/// As `explore`, for models with many steps.
fn explore_long(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, SCHEDULES / 10);
}

/// For models that need one thread to stand still while another takes many steps.
fn explore_rare(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_pct(model, SCHEDULES / 2, 3);
}

#[test]
fn a_call_thread_always_tells_who_waits() {
    explore_long(|| {
        let (manager, calls) = quotes(4);
        let users: Vec<_> = [0, 0, 1]
            .into_iter()
            .map(|key| {
                let manager = Arc::clone(&manager);
                thread::spawn(move || assert_eq!(*manager.fetch(&key).unwrap(), key))
            })
            .collect();
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(calls.load(Ordering::SeqCst), 2, "one call a key");
        assert_eq!(manager.health().endpoints[0].router.in_flight, 0);
    });
}

#[test]
fn who_finds_no_place_is_woken_when_one_is_free() {
    explore_rare(|| {
        let (manager, _calls) = quotes(1);
        let users: Vec<_> = (0..3)
            .map(|key| {
                let manager = Arc::clone(&manager);
                thread::spawn(move || assert_eq!(*manager.fetch(&key).unwrap(), key))
            })
            .collect();
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(manager.health().endpoints[0].places_taken, 0);
    });
}

#[test]
fn a_fetch_beside_a_reload_charges_whom_it_calls() {
    explore_rare(|| {
        let (clock, _time) = Clock::manual();
        let endpoint = |name: &str, price: f64| {
            let spec = feedguard::EndpointSpec::named(name).price(price);
            feedguard::EndpointConfig::new(spec).limiter(LimiterConfig::off())
        };
        let (a, b) = (endpoint("a", 1.0), endpoint("b", 5.0));
        let caches =
            feedguard::manager::CachesConfig::default().all(|cache| cache.eviction(Eviction::Lru).max_capacity(4));
        let config = feedguard::ManagerConfig::default().caches(caches).quality(feedguard::QualityConfig::off());
        let first = config.clone().endpoints(vec![a.clone(), b.clone()]);
        let called = Arc::new(AtomicU64::new(0));
        let calls = Arc::clone(&called);
        let source = feedguard::manager::source_fn(move |call: &feedguard::manager::Call<'_>, key: &u8| {
            calls.fetch_add(u64::from(*call.endpoint().name == *"a"), Ordering::SeqCst);
            Ok::<_, std::io::Error>(*key)
        });
        let manager = feedguard::DataSourceManager::builder(source).config(first).clock(clock).build().unwrap();
        let manager = Arc::new(manager);
        let user = {
            let manager = Arc::clone(&manager);
            thread::spawn(move || assert_eq!(*manager.fetch(&7).unwrap(), 7))
        };
        manager.reload(config.endpoints(vec![b, a])).unwrap();
        user.join().unwrap();
        let health = manager.health();
        let a = called.load(Ordering::SeqCst) as f64;
        let costs = [1, 0].map(|at: usize| health.endpoints[at].router.cost);
        assert_eq!(costs, [a, 5.0 * (1.0 - a)], "the endpoint that was called is charged");
    });
}

#[test]
fn a_fetch_beside_a_shutdown_has_an_end() {
    explore_rare(|| {
        let (manager, _calls) = quotes(4);
        let user = {
            let manager = Arc::clone(&manager);
            thread::spawn(move || match manager.fetch(&7) {
                Ok(fetched) => assert_eq!(*fetched, 7),
                Err(error) => assert!(matches!(error.kind(), feedguard::FetchErrorKind::ShuttingDown), "{error}"),
            })
        };
        manager.shutdown(Duration::ZERO);
        user.join().unwrap();
        // A call under way is left behind; its place is free when it ends.
        while manager.health().endpoints[0].places_taken > 0 {
            thread::yield_now();
        }
    });
}

fn batch(workers: usize) -> feedguard::BatchProcessor {
    let (clock, _time) = Clock::manual();
    let config = feedguard::BatchConfig::default().workers(workers).per_source(1).max_queued(2);
    feedguard::BatchProcessor::builder("model").config(config).clock(clock).build().unwrap()
}

/// Runs these items of two sources to their end.
fn run_all(batch: &feedguard::BatchProcessor, items: u32) {
    let job = batch.job(|n: &u32, _: &feedguard::batch::CallScope| Ok::<_, ()>(*n));
    let report = job.source(|n| if n % 2 == 0 { "even".into() } else { "odd".into() }).run(0..items);
    assert_eq!(report.succeeded(), items as usize);
}

#[test]
fn a_worker_that_leaves_forgets_no_item() {
    explore_long(|| {
        let batch = Arc::new(batch(2));
        let other = Arc::clone(&batch);
        let user = thread::spawn(move || run_all(&other, 2));
        run_all(&batch, 3);
        user.join().unwrap();
    });
}

#[test]
fn who_waits_for_a_place_or_for_room_is_woken_when_there_is_one() {
    explore_long(|| {
        let batch = Arc::new(batch(1));
        let other = Arc::clone(&batch);
        let user = thread::spawn(move || {
            let job = other.job(|n: &u32, _: &feedguard::batch::CallScope| Ok::<_, ()>(*n));
            // Leaves while it may be in line, or have been promised room.
            let _first = job.source(|_| "even".into()).stream(0..4).next();
        });
        run_all(&batch, 3);
        user.join().unwrap();
    });
}

#[test]
fn a_batch_beside_a_shutdown_has_an_end() {
    explore_long(|| {
        let batch = Arc::new(batch(1));
        let other = Arc::clone(&batch);
        let user = thread::spawn(move || {
            let call = |n: &u32, _: &feedguard::batch::CallScope| Ok::<_, ()>(*n);
            let report = other.job(call).source(|_| "one".into()).run(0..3);
            let ended = |result: &Result<u32, feedguard::batch::ItemError<()>>| match result {
                Ok(_) => true,
                Err(error) => matches!(error, feedguard::batch::ItemError::ShuttingDown),
            };
            assert!(report.results.iter().all(ended), "{:?}", report.results);
        });
        batch.shutdown(Duration::ZERO);
        user.join().unwrap();
    });
}

#[test]
fn a_borrowed_run_has_an_end_as_have_its_threads() {
    explore(|| {
        let batch = batch(2);
        let text = String::from("abc");
        let call = |n: &usize, _: &feedguard::batch::CallScope| Ok::<_, ()>(text.as_bytes()[*n]);
        let report = batch.job(call).run_scoped(0..3);
        assert_eq!(report.results, [Ok(b'a'), Ok(b'b'), Ok(b'c')]);
        batch.shutdown(Duration::from_secs(1));
    });
}
