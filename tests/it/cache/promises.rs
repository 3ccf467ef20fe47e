use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use feedguard::cache::{CacheSnapshot, CacheStatus, Eviction, ExpiryMode, LoadError, Loaded};
use feedguard::clock::ManualClock;
use feedguard::{CacheConfig, Clock, Deadline, SmartCache};

use crate::support::{Count, Gate, eventually, threads_named};

type Cache = SmartCache<String, String, &'static str>;

const S: fn(u64) -> Duration = Duration::from_secs;

fn config() -> CacheConfig {
    CacheConfig::default().time_to_live(S(100)).grace(Some(S(50))).stale_if_error(S(300)).jitter(0.0)
}

fn cache_with(config: CacheConfig) -> (Cache, ManualClock) {
    let (clock, time) = Clock::manual();
    (SmartCache::builder("test").config(config).clock(clock).build().unwrap(), time)
}

fn cache() -> (Cache, ManualClock) {
    cache_with(config())
}

fn key() -> String {
    "k".to_owned()
}

fn ok(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

fn assert_adds_up(snapshot: CacheSnapshot, lookups: u64) {
    assert_eq!(snapshot.gets(), lookups, "{snapshot:?}");
}

#[test]
fn a_hundred_threads_on_one_cold_key_load_once() {
    let (cache, _time) = cache();
    let (loads, gate) = (Count::default(), Gate::default());
    thread::scope(|scope| {
        for _ in 0..100 {
            let (cache, loads, gate) = (&cache, loads.clone(), gate.clone());
            scope.spawn(move || {
                let load = move |_: &String| {
                    loads.up();
                    gate.pass();
                    ok("v")
                };
                assert_eq!(*cache.get_or_load(&key(), load).unwrap(), "v");
            });
        }
        gate.await_arrivals(1);
        eventually("all others wait", || cache.snapshot().miss == 100);
        gate.open();
    });
    assert_eq!(loads.get(), 1);
    assert_adds_up(cache.snapshot(), 100);
}

/// Runs a load that stops inside until `change` has been made to the cache.
fn load_while(cache: &Cache, change: impl FnOnce(&Cache)) -> String {
    let gate = Gate::default();
    thread::scope(|scope| {
        let inside = gate.clone();
        let leader = scope.spawn(move || {
            cache
                .get_or_load(&key(), move |_| {
                    inside.pass();
                    ok("old load")
                })
                .unwrap()
                .to_string()
        });
        gate.await_arrivals(1);
        change(cache);
        gate.open();
        leader.join().unwrap()
    })
}

#[test]
fn an_older_load_never_overwrites_a_newer_insert() {
    let (cache, _time) = cache();
    let seen = load_while(&cache, |cache| cache.insert(&key(), "newer".to_owned()).unwrap());
    assert_eq!(seen, "old load");
    assert_eq!(cache.get(&key()).unwrap().value(), "newer");
    assert_eq!(cache.snapshot().unpublished, 1);
}

#[test]
fn an_older_load_never_brings_an_invalidated_value_back() {
    let invalidate = |cache: &Cache| assert!(!cache.invalidate(&key()));
    for change in [invalidate, |cache: &Cache| cache.clear()] {
        let (cache, _time) = cache();
        load_while(&cache, change);
        assert!(cache.get(&key()).is_none());
        assert_eq!(cache.snapshot().unpublished, 1);
    }
}

#[test]
fn a_load_after_an_invalidation_leads_anew_while_the_old_one_runs() {
    let (cache, _time) = cache();
    load_while(&cache, |cache| {
        cache.invalidate(&key());
        assert_eq!(*cache.get_or_load(&key(), |_| ok("new load")).unwrap(), "new load");
    });
    assert_eq!(cache.get(&key()).unwrap().value(), "new load");
}

#[test]
fn waiters_share_one_error_and_the_key_is_held() {
    let (cache, time) = cache();
    let gate = Gate::default();
    let errors: Mutex<Vec<Arc<&str>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..10 {
            let (cache, gate, errors) = (&cache, gate.clone(), &errors);
            scope.spawn(move || {
                let error = cache
                    .get_or_load(&key(), move |_| {
                        gate.pass();
                        Err::<String, _>("down")
                    })
                    .unwrap_err();
                assert_eq!(error.retry_after(), Some(S(1)));
                errors.lock().unwrap().push(Arc::clone(error.source_error().unwrap()));
            });
        }
        eventually("all wait", || cache.snapshot().miss == 10);
        gate.open();
    });
    let errors = errors.into_inner().unwrap();
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
    let held = cache.get_or_load(&key(), |_| ok("not asked")).unwrap_err();
    assert!(matches!(held, LoadError::Held { .. }) && !held.reached_source());
    time.advance(held.retry_after().unwrap());
    assert_eq!(*cache.get_or_load(&key(), |_| ok("asked")).unwrap(), "asked");
    assert_adds_up(cache.snapshot(), 12);
    assert_eq!((cache.snapshot().held_error, cache.snapshot().load_failures), (1, 1));
}

#[test]
fn holds_double_with_each_failure_and_a_success_forgets_them() {
    let (cache, time) = cache();
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        let error = cache.get_or_load(&key(), |_| Err::<String, _>("down")).unwrap_err();
        assert_eq!(error.retry_after(), Some(S(expected)));
        time.advance(S(expected));
    }
    cache.get_or_load(&key(), |_| ok("up")).unwrap();
    cache.invalidate(&key());
    let error = cache.get_or_load(&key(), |_| Err::<String, _>("down")).unwrap_err();
    assert_eq!(error.retry_after(), Some(S(1)));
}

#[test]
fn a_panicking_load_gives_waiters_a_typed_error_and_frees_the_key() {
    let (cache, _time) = cache();
    let gate = Gate::default();
    thread::scope(|scope| {
        let (inside, shared) = (gate.clone(), &cache);
        let leader = scope.spawn(move || {
            let load = move |_: &String| -> Result<String, &'static str> {
                inside.pass();
                panic!("boom")
            };
            drop(shared.get_or_load(&key(), load));
        });
        gate.await_arrivals(1);
        let waiter = scope.spawn(|| cache.get_or_load(&key(), |_| ok("not run")).unwrap_err());
        eventually("the waiter waits", || cache.snapshot().miss == 2);
        gate.open();
        assert_eq!(leader.join().unwrap_err().downcast_ref::<&str>(), Some(&"boom"), "the payload is the loader's own");
        assert!(matches!(waiter.join().unwrap(), LoadError::LoaderPanicked { .. }));
    });
    assert_eq!(*cache.get_or_load(&key(), |_| ok("free")).unwrap(), "free");
}

#[test]
fn a_loader_that_asks_for_its_own_key_gets_a_typed_error() {
    let (cache, _time) = cache();
    let inner = cache.clone();
    let load = move |key: &String| match inner.get_or_load(key, |_| ok("never")) {
        Err(LoadError::Reentrant) => ok("noticed"),
        other => panic!("{other:?}"),
    };
    assert_eq!(*cache.get_or_load(&key(), load).unwrap(), "noticed");
}

#[test]
fn a_waiter_leaves_at_its_deadline_and_the_load_goes_on() {
    let (clock, time) = Clock::manual();
    let cache: Cache = SmartCache::builder("test").config(config()).clock(clock.clone()).build().unwrap();
    let gate = Gate::default();
    thread::scope(|scope| {
        let (inside, shared) = (gate.clone(), &cache);
        scope.spawn(move || {
            shared
                .get_or_load(&key(), move |_| {
                    inside.pass();
                    ok("late")
                })
                .unwrap();
        });
        gate.await_arrivals(1);
        let deadline = Deadline::after(&clock, S(2));
        let waiter = scope.spawn(move || shared.get_or_load_by(&key(), deadline, None, |_| ok("x")).unwrap_err());
        time.advance(S(2));
        assert!(matches!(waiter.join().unwrap(), LoadError::WaitTimeout));
        gate.open();
    });
    assert_eq!(cache.get(&key()).unwrap().value(), "late");
}

#[test]
fn a_due_read_returns_at_once_and_starts_one_refresh() {
    let (cache, time) = cache();
    cache.get_or_load(&key(), |_| ok("old")).unwrap();
    time.advance(S(80));
    let (loads, gate) = (Count::default(), Gate::default());
    for _ in 0..10 {
        let (loads, gate) = (loads.clone(), gate.clone());
        let read = cache.get_or_load(&key(), move |_| {
            loads.up();
            gate.pass();
            ok("new")
        });
        let read = read.unwrap();
        assert_eq!((read.value().as_str(), read.status()), ("old", CacheStatus::Refreshing));
        assert_eq!(read.age(), S(80));
    }
    gate.open();
    eventually("refreshed", || cache.get(&key()).is_some_and(|value| *value == "new"));
    assert_eq!(loads.get(), 1);
    assert_eq!(cache.snapshot().refreshing, 10);
}

#[test]
fn a_refresh_counts_deadlines_from_its_end_and_age_from_its_start() {
    let (cache, time) = cache();
    let clock = time.clone();
    cache
        .get_or_load(&key(), move |_| {
            clock.advance(S(30));
            ok("slow")
        })
        .unwrap();
    time.advance(S(99));
    let read = cache.get(&key()).unwrap();
    assert_eq!((read.status(), read.age()), (CacheStatus::Fresh, S(129)));
    time.advance(S(1));
    assert!(cache.get(&key()).is_none());
}

#[test]
fn stale_is_served_within_grace_and_past_it_is_a_miss() {
    let (cache, time) = cache();
    cache.get_or_load(&key(), |_| ok("old")).unwrap();
    time.advance(S(149));
    let gate = Gate::default();
    let inside = gate.clone();
    let read = cache
        .get_or_load(&key(), move |_| {
            inside.pass();
            ok("refreshed")
        })
        .unwrap();
    assert_eq!((read.value().as_str(), read.status()), ("old", CacheStatus::Stale));
    gate.open();
    eventually("refreshed", || cache.get(&key()).is_some());
    time.advance(S(150));
    let read = cache.get_or_load(&key(), |_| ok("loaded")).unwrap();
    assert_eq!((read.value().as_str(), read.status()), ("loaded", CacheStatus::Loaded));
}

#[test]
fn without_a_loader_soft_expiry_is_hard() {
    let (cache, time) = cache();
    cache.insert(&key(), "v".to_owned()).unwrap();
    time.advance(S(99));
    assert_eq!(cache.get(&key()).unwrap().status(), CacheStatus::Fresh);
    time.advance(S(1));
    assert!(cache.get(&key()).is_none());
}

#[test]
fn hard_expiry_serves_old_values_only_for_a_failed_load() {
    let (cache, time) = cache_with(config().expiry(ExpiryMode::Hard));
    cache.insert(&key(), "v".to_owned()).unwrap();
    time.advance(S(100));
    let read = cache.get_or_load(&key(), |_| Err::<String, _>("down")).unwrap();
    assert_eq!((read.value().as_str(), read.status()), ("v", CacheStatus::StaleOnError));
    let loads = Count::default();
    let counted = loads.clone();
    let read = cache.get_or_load(&key(), move |_| {
        counted.up();
        ok("x")
    });
    assert_eq!((read.unwrap().status(), loads.get()), (CacheStatus::StaleOnError, 0), "held");
    time.advance(S(301));
    assert!(cache.get_or_load(&key(), |_| Err::<String, _>("down")).is_err());
    assert_adds_up(cache.snapshot(), 3);
}

#[test]
fn an_outage_costs_one_call_a_window_and_serves_stale_all_along() {
    let (cache, time) = cache_with(config().stale_if_error(S(3600)).grace(Some(S(0))));
    cache.insert(&key(), "v".to_owned()).unwrap();
    time.advance(S(100));
    let calls = Count::default();
    for _ in 0..600 {
        let calls = calls.clone();
        let read = cache.get_or_load(&key(), move |_| {
            calls.up();
            Err::<String, _>("down")
        });
        assert_eq!(read.unwrap().status(), CacheStatus::StaleOnError);
        time.advance(S(1));
    }
    // 1 + 2 + 4 + 8 + 16 + 32 s, then one a minute.
    assert_eq!(calls.get(), 6 + 9);
}

#[test]
fn max_age_is_kept_even_when_the_load_fails() {
    let (cache, time) = cache();
    cache.insert(&key(), "v".to_owned()).unwrap();
    time.advance(S(10));
    let never = Deadline::never();
    let read = |max: u64| cache.get_or_load_by(&key(), never, Some(S(max)), |_| Err::<String, _>("down"));
    assert_eq!(read(10).unwrap().status(), CacheStatus::Fresh);
    assert!(matches!(read(9), Err(LoadError::Failed { .. })));
    assert!(matches!(read(9), Err(LoadError::Held { .. })));
}

#[test]
fn missing_is_believed_for_its_own_time() {
    let (cache, time) = cache();
    let ask = || cache.get_or_fetch(&key(), |_| Ok(Loaded::Missing)).unwrap_err();
    assert!(matches!(ask(), LoadError::Missing { age: Duration::ZERO, is_new: true, .. }));
    time.advance(S(20));
    let LoadError::Missing { age, retry_after, is_new } = ask() else { panic!("must be missing") };
    assert_eq!((age, retry_after, is_new), (S(20), S(40), false));
    time.advance(S(40));
    assert_eq!(*cache.get_or_load(&key(), |_| ok("listed now")).unwrap(), "listed now");
    assert_eq!(cache.snapshot().negative, 1);
}

#[test]
fn a_loader_may_set_the_time_and_zero_is_not_stored() {
    let (cache, time) = cache();
    let load = |ttl| cache.get_or_fetch(&key(), move |_| Ok(Loaded::ValueFor("v".to_owned(), ttl)));
    load(Duration::ZERO).unwrap();
    assert!(cache.get(&key()).is_none());
    load(S(5)).unwrap();
    time.advance(S(5));
    assert!(cache.get(&key()).is_none());
}

/// A cache with one refresh worker that is stuck, and `queue` places behind it.
fn stuck_pool(queue: usize) -> (Cache, ManualClock, Gate) {
    let (cache, time) = cache_with(config().refresh_workers(1).refresh_queue(queue).load_timeout(S(3600)));
    for key in ["stuck", "k", "l"] {
        cache.insert(&key.to_owned(), "old".to_owned()).unwrap();
    }
    time.advance(S(90));
    let gate = Gate::default();
    let inside = gate.clone();
    cache
        .get_or_load(&"stuck".to_owned(), move |_| {
            inside.pass();
            ok("new")
        })
        .unwrap();
    gate.await_arrivals(1);
    (cache, time, gate)
}

#[test]
fn a_full_refresh_queue_drops_and_counts_and_the_read_is_served() {
    let (cache, _time, gate) = stuck_pool(1);
    for key in ["k", "l"] {
        assert_eq!(*cache.get_or_load(&key.to_owned(), |_| ok("new")).unwrap(), "old");
    }
    assert_eq!(cache.snapshot().refreshes_dropped, 1);
    gate.open();
    eventually("the queued one runs", || *cache.get(&key()).unwrap() == "new");
    assert_eq!(cache.get(&"l".to_owned()).unwrap().value(), "old");
    // The dropped one is free to start again.
    cache.get_or_load(&"l".to_owned(), |_| ok("new")).unwrap();
    eventually("it starts again", || *cache.get(&"l".to_owned()).unwrap() == "new");
}

#[test]
fn a_foreground_miss_takes_over_a_queued_refresh() {
    let (cache, time, gate) = stuck_pool(8);
    let queued = Count::default();
    let counted = queued.clone();
    cache
        .get_or_load(&key(), move |_| {
            counted.up();
            ok("queued")
        })
        .unwrap();
    time.advance(S(61));
    assert_eq!(*cache.get_or_load(&key(), |_| ok("foreground")).unwrap(), "foreground");
    gate.open();
    assert_eq!(cache.shutdown(S(10)).cancelled, 0);
    assert_eq!((queued.get(), cache.get(&key()).unwrap().value().as_str()), (0, "foreground"));
}

#[test]
fn too_heavy_values_are_served_and_not_stored() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let cache: Cache = SmartCache::builder("test")
            .config(config().max_capacity(10).eviction(eviction))
            .weigher(|_, value: &String| u32::try_from(value.len()).unwrap())
            .build()
            .unwrap();
        assert_eq!(cache.get_or_load(&key(), |_| ok("far too heavy")).unwrap().value(), "far too heavy");
        assert!(cache.get(&key()).is_none());
        assert_eq!((cache.snapshot().too_heavy, cache.snapshot().weight), (1, 0));
    }
}

#[test]
fn lru_evicts_what_was_not_read_longest() {
    let (cache, _time) = cache_with(config().max_capacity(3).eviction(Eviction::Lru));
    for key in ["a", "b", "c"] {
        cache.insert(&key.to_owned(), key.to_owned()).unwrap();
    }
    cache.get(&"a".to_owned()).unwrap();
    cache.insert(&"d".to_owned(), "d".to_owned()).unwrap();
    let there: Vec<bool> = ["a", "b", "c", "d"].map(|key| cache.get(&key.to_owned()).is_some()).into();
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(cache.snapshot().evicted, 1);
}

#[test]
fn capacity_holds_under_both_policies() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let cache: SmartCache<u64, u64> =
            SmartCache::new("cache", config().max_capacity(1000).eviction(eviction)).unwrap();
        for key in 0..20_000 {
            cache.insert(&key, key).unwrap();
            assert!(cache.snapshot().weight <= 1150, "{eviction:?}: {}", cache.snapshot().weight);
        }
        let snapshot = cache.snapshot();
        assert!(snapshot.entries >= 800, "{snapshot:?}");
        assert_eq!(snapshot.entries as u64 + snapshot.evicted, 20_000);
    }
}

#[test]
fn ten_to_the_sixth_keys_stay_bounded_also_when_they_fail() {
    let cache: SmartCache<u64, u64, &str> =
        SmartCache::new("cache", config().max_capacity(1000).max_holds(500)).unwrap();
    for key in 0..1_000_000 {
        drop(cache.get_or_load(&key, |key| if key % 2 == 0 { Ok(*key) } else { Err("odd") }));
    }
    let snapshot = cache.snapshot();
    assert!(snapshot.weight <= 1150 && snapshot.holds_refused > 400_000, "{snapshot:?}");
    assert_adds_up(snapshot, 1_000_000);
}

#[test]
fn expired_entries_are_swept_by_writes_and_on_demand() {
    let (cache, time) = cache_with(config().stale_if_error(S(0)).max_capacity(200));
    for n in 0..100 {
        cache.insert(&n.to_string(), key()).unwrap();
    }
    time.advance(S(151));
    cache.insert(&key(), key()).unwrap();
    assert_eq!(cache.snapshot().entries, 1);
    time.advance(S(151));
    assert_eq!((cache.purge_expired(), cache.snapshot().entries, cache.snapshot().expired), (1, 0, 101));
}

#[test]
fn many_keys_cost_one_call_for_all_that_are_missing() {
    let (cache, _time) = cache();
    cache.insert(&"a".to_owned(), "cached".to_owned()).unwrap();
    let keys = ["a", "b", "c", "b", "gone"].map(str::to_owned);
    let mut asked = Vec::new();
    let results = cache.get_many_with(&keys, Deadline::never(), |missing| {
        asked = missing.to_vec();
        let found = missing.iter().filter(|key| *key != "gone");
        Ok(found.map(|key| (key.clone(), format!("{key}!"))).collect::<HashMap<_, _>>())
    });
    let values: Vec<Option<String>> =
        results.iter().map(|r| r.as_ref().ok().map(|cached| cached.value().clone())).collect();
    assert_eq!(asked, ["b", "c", "gone"]);
    assert_eq!(values, [Some("cached".into()), Some("b!".into()), Some("c!".into()), Some("b!".into()), None]);
    assert!(matches!(results[4], Err(LoadError::Missing { .. })));
    let again =
        cache.get_many(&keys, Deadline::never(), |_| -> Result<HashMap<String, String>, _> { panic!("no call") });
    assert!(again[..4].iter().all(Result::is_ok) && again[4].is_err());
    // Each place in the list is a lookup, and a repeated key is loaded once.
    assert_adds_up(cache.snapshot(), 10);
}

#[test]
fn a_bulk_load_that_borrows_touches_no_value_within_its_time() {
    let (cache, time) = cache();
    cache.insert(&key(), "due".to_owned()).unwrap();
    time.advance(S(90));
    let down = String::from("down");
    let mut asked = 0;
    let results = cache.get_many_with(&[key(), "other".to_owned()], Deadline::never(), |_| {
        asked += down.len();
        Err("down")
    });
    assert_eq!(asked, down.len());
    assert_eq!(results[0].as_ref().unwrap().value(), "due");
    assert!(results[1].is_err());
    assert_eq!((cache.snapshot().fresh, cache.snapshot().miss), (1, 1));
    // The due value is free to be refreshed by the next reader.
    cache.get_or_load(&key(), |_| ok("new")).unwrap();
    eventually("refreshed", || cache.get(&key()).is_some_and(|value| *value == "new"));
}

#[test]
fn a_panicking_refresh_backs_off_like_a_failing_one() {
    let (cache, time) = cache();
    cache.insert(&key(), "old".to_owned()).unwrap();
    time.advance(S(90));
    let loads = Count::default();
    for _ in 0..20 {
        let loads = loads.clone();
        let load = move |_: &String| -> Result<String, &'static str> {
            loads.up();
            panic!("in the background")
        };
        assert_eq!(*cache.get_or_load(&key(), load).unwrap(), "old");
        eventually("it ended", || cache.snapshot().refresh_failures == 1);
    }
    assert_eq!(loads.get(), 1);
}

#[test]
fn an_old_failure_does_not_lengthen_a_new_hold() {
    let (cache, time) = cache();
    for _ in 0..5 {
        let error = cache.get_or_load(&key(), |_| Err::<String, _>("down")).unwrap_err();
        assert_eq!(error.retry_after(), Some(S(1)));
        time.advance(S(24 * 3600));
    }
}

#[test]
fn a_waiter_that_wants_it_young_takes_no_older_load() {
    let (cache, time) = cache();
    let gate = Gate::default();
    thread::scope(|scope| {
        let (inside, shared) = (gate.clone(), &cache);
        scope.spawn(move || {
            shared
                .get_or_load(&key(), move |_| {
                    inside.pass();
                    ok("old")
                })
                .unwrap();
        });
        gate.await_arrivals(1);
        time.advance(S(20));
        let young = scope.spawn(|| {
            let read = shared.get_or_load_by(&key(), Deadline::never(), Some(S(1)), |_| ok("young")).unwrap();
            read.value().clone()
        });
        eventually("it waits", || shared.snapshot().miss == 2);
        gate.open();
        assert_eq!(young.join().unwrap(), "young");
    });
    assert_adds_up(cache.snapshot(), 2);
}

#[test]
fn get_never_serves_past_the_time_to_live_also_while_a_key_is_held() {
    let (cache, time) = cache();
    cache.insert(&key(), "old".to_owned()).unwrap();
    time.advance(S(151));
    assert_eq!(cache.get_or_load(&key(), |_| Err::<String, _>("down")).unwrap().status(), CacheStatus::StaleOnError);
    assert!(cache.get(&key()).is_none());
}

#[test]
fn a_write_during_a_failing_load_is_what_the_caller_gets_and_it_is_fresh() {
    let (cache, _time) = cache_with(config().stale_if_error(S(0)));
    let inner = cache.clone();
    let read = cache.get_or_load(&key(), move |_| {
        inner.insert(&key(), "written".to_owned()).unwrap();
        Err::<String, _>("down")
    });
    let read = read.unwrap();
    assert_eq!((read.value().as_str(), read.status()), ("written", CacheStatus::Fresh));
    assert_adds_up(cache.snapshot(), 1);
}

#[test]
fn warm_up_returns_although_all_refresh_workers_are_stuck() {
    let (cache, _time, gate) = stuck_pool(8);
    let report = cache.warm_up(vec!["a".to_owned(), "b".to_owned()], |_: &String| ok("v"), |_| {});
    assert_eq!((report.ok, report.done()), (2, 2));
    gate.open();
}

#[test]
fn a_queue_of_no_places_still_hands_refreshes_to_free_workers() {
    let (cache, time) = cache_with(config().refresh_queue(0));
    cache.insert(&key(), "old".to_owned()).unwrap();
    time.advance(S(90));
    cache.get_or_load(&key(), |_| ok("new")).unwrap();
    eventually("refreshed", || cache.get(&key()).is_some_and(|value| *value == "new"));
}

#[test]
fn a_weighted_lru_takes_any_value_that_fits_the_whole_cache() {
    let cache: Cache = SmartCache::builder("test")
        .config(config().max_capacity(1 << 26).eviction(Eviction::Lru))
        .weigher(|_, _| 1 << 25)
        .build()
        .unwrap();
    cache.insert(&key(), "heavy".to_owned()).unwrap();
    assert!(cache.get(&key()).is_some());
}

#[test]
fn errors_that_are_the_callers_own_hold_nothing_and_waiters_ask_anew() {
    let (clock, _time) = Clock::manual();
    let cache: Cache = SmartCache::builder("test")
        .config(config())
        .clock(clock)
        .hold_if(|error: &&str| *error != "too late")
        .build()
        .unwrap();
    let gate = Gate::default();
    thread::scope(|scope| {
        let (inside, shared) = (gate.clone(), &cache);
        let hasty = scope.spawn(move || {
            let load = move |_: &String| {
                inside.pass();
                Err::<String, _>("too late")
            };
            shared.get_or_load(&key(), load).map(|cached| cached.value().clone())
        });
        gate.await_arrivals(1);
        let patient = scope.spawn(|| shared.get_or_load(&key(), |_| ok("loaded")).unwrap().value().clone());
        eventually("it waits", || shared.snapshot().miss == 2);
        gate.open();
        match hasty.join().unwrap() {
            Err(error) => assert_eq!(**error.source_error().unwrap(), "too late"),
            // The patient caller was quick: its value is there when the hasty one looks for a stand-in.
            Ok(value) => assert_eq!(value, "loaded"),
        }
        assert_eq!(patient.join().unwrap(), "loaded");
    });
    assert_adds_up(cache.snapshot(), 2);
}

#[test]
fn a_failing_or_panicking_bulk_load_frees_all_its_keys() {
    let (cache, time) = cache();
    let keys = ["a", "b"].map(str::to_owned);
    let results = cache.get_many(&keys, Deadline::never(), |_| Err::<HashMap<String, String>, _>("down"));
    assert!(results.iter().all(|result| matches!(result, Err(LoadError::Failed { .. }))));
    time.advance(S(1));
    let panicking = |_: &[String]| -> Result<HashMap<String, String>, &'static str> { panic!("boom") };
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_many(&keys, Deadline::never(), panicking))).is_err());
    for key in &keys {
        assert_eq!(*cache.get_or_load(key, |_| ok("free")).unwrap(), "free");
    }
}

#[test]
fn two_bulk_loads_with_crossed_keys_do_not_wait_for_each_other() {
    let (cache, _time) = cache();
    let gate = Gate::default();
    thread::scope(|scope| {
        for keys in [["a", "b"], ["b", "a"]] {
            let (cache, gate) = (&cache, gate.clone());
            scope.spawn(move || {
                let results = cache.get_many_with(&keys.map(str::to_owned), Deadline::never(), |missing| {
                    gate.pass();
                    Ok(missing.iter().map(|key| (key.clone(), "v".to_owned())).collect::<HashMap<_, _>>())
                });
                assert!(results.iter().all(Result::is_ok));
            });
        }
        gate.await_arrivals(1);
        gate.open();
    });
}

#[test]
fn warm_up_reports_each_key_and_later_lookups_hit() {
    let (cache, _time) = cache();
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let mut seen = 0;
    let load = |key: &String| match key.as_str() {
        "7" => Err("down"),
        "8" => panic!("boom"),
        _ => ok("v"),
    };
    let report = cache.warm_up(keys, load, |report| {
        seen += 1;
        assert_eq!(report.done(), seen);
    });
    assert_eq!((report.ok, report.failed, report.panicked, seen), (98, 1, 1, 100));
    assert!(cache.get(&"99".to_owned()).is_some());
}

#[test]
fn shutdown_is_bounded_and_lookups_go_on_without_refreshes() {
    let (cache, time, gate) = stuck_pool(8);
    cache.get_or_load(&key(), |_| ok("queued")).unwrap();
    let report = thread::scope(|scope| {
        let closing = scope.spawn(|| cache.shutdown(S(5)));
        eventually("it ends at its deadline", || {
            time.advance(S(1));
            closing.is_finished()
        });
        closing.join().unwrap()
    });
    assert_eq!((report.cancelled, report.abandoned), (1, 1));
    gate.open();
    cache.insert(&key(), "v".to_owned()).unwrap();
    assert!(cache.get(&key()).is_some());
    assert_eq!(*cache.get_or_load(&"new".to_owned(), |_| ok("loaded")).unwrap(), "loaded");
}

/// A value whose drop uses the cache it was in: host code that would deadlock under any lock.
struct Meddler(Option<SmartCache<u64, Meddler>>, Arc<AtomicBool>);

impl Drop for Meddler {
    fn drop(&mut self) {
        if let Some(cache) = self.0.take() {
            drop(cache.get(&0));
            cache.invalidate(&1);
            self.1.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn dropping_the_cache_with_blocked_refreshes_returns_and_leaves_no_thread() {
    let (clock, time) = Clock::manual();
    let settings = config().refresh_workers(3).drain(Duration::from_millis(20));
    let cache: Cache = SmartCache::builder("drained").config(settings).clock(clock).build().unwrap();
    let (gate, ended) = (Gate::default(), Count::default());
    for n in 0..3 {
        cache.insert(&n.to_string(), "old".to_owned()).unwrap();
    }
    time.advance(S(90));
    for n in 0..3 {
        let (gate, ended) = (gate.clone(), ended.clone());
        let load = move |_: &String| {
            gate.pass();
            // Runs when the worker drops what it had; after that it only leaves.
            let _end = OnDrop(|| assert!(ended.up() > 0));
            ok("new")
        };
        cache.get_or_load(&n.to_string(), load).unwrap();
    }
    gate.await_arrivals(3);
    assert!(threads_named("drained") == 3 || cfg!(not(target_os = "linux")));
    // Returns although all three stand at the gate, also under a clock that stands still.
    drop(cache);
    assert_eq!(ended.get(), 0);
    gate.open();
    eventually("all loads end", || ended.get() == 3);
    eventually("no thread is left", || threads_named("drained") == 0);
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn values_are_dropped_outside_every_lock() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let dropped = Arc::new(AtomicBool::new(false));
        let cache: SmartCache<u64, Meddler> =
            SmartCache::new("cache", config().max_capacity(4).eviction(eviction)).unwrap();
        let meddler = || Meddler(Some(cache.clone()), Arc::clone(&dropped));
        for key in 0..100 {
            cache.insert(&key, meddler()).unwrap();
            cache.insert(&key, meddler()).unwrap();
        }
        cache.invalidate_if(|key, _| key % 2 == 0);
        cache.clear();
        assert!(dropped.load(Ordering::SeqCst));
    }
}

#[test]
fn a_panicking_weigher_ends_the_flight() {
    let cache: Cache = SmartCache::builder("test")
        .config(config())
        .weigher(|_, value: &String| if value == "bad" { panic!("weigher") } else { 1 })
        .build()
        .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_load(&key(), |_| ok("bad")))).is_err());
    assert_eq!(*cache.get_or_load(&key(), |_| ok("good")).unwrap(), "good");
}

#[test]
fn a_panicking_refresh_is_counted_and_the_old_value_stays() {
    let (cache, time) = cache();
    cache.insert(&key(), "old".to_owned()).unwrap();
    time.advance(S(90));
    let load = |_: &String| -> Result<String, &'static str> { panic!("in the background") };
    assert_eq!(*cache.get_or_load(&key(), load).unwrap(), "old");
    eventually("counted", || cache.snapshot().refresh_failures == 1);
    assert_eq!(*cache.get(&key()).unwrap(), "old");
}

#[test]
fn keys_over_the_cap_are_typed_errors_and_reach_no_table() {
    let cache: Cache =
        SmartCache::builder("test").config(config().max_key_bytes(8)).key_size(String::len).build().unwrap();
    let long = "x".repeat(1 << 20);
    assert!(matches!(cache.get_or_load(&long, |_| ok("v")), Err(LoadError::KeyTooLong(_))));
    assert_eq!(cache.insert(&long, "v".to_owned()).unwrap_err().bytes, 1 << 20);
    for odd in ["a\0b", "a\nb", ""] {
        assert_eq!(*cache.get_or_load(&odd.to_owned(), |_| ok("v")).unwrap(), "v");
    }
}

#[test]
fn jumps_of_the_clock_do_not_panic() {
    let (cache, time) = cache();
    cache.insert(&key(), "v".to_owned()).unwrap();
    time.advance(S(10 * 365 * 24 * 3600));
    assert!(cache.get(&key()).is_none());
    time.advance(Duration::MAX);
    drop(cache.get_or_load(&key(), |_| ok("at the end of time")));
    cache.insert_for(&key(), "v".to_owned(), Duration::MAX).unwrap();
}

#[test]
fn debug_shows_no_payload() {
    let (cache, _time) = cache();
    let secret = "token=hunter2".to_owned();
    let cached = cache.get_or_load(&secret, |_| ok("secret payload")).unwrap();
    let error = cache.get_or_load(&key(), |_| Err::<String, _>("secret error")).unwrap_err();
    let shown = format!("{cache:?} {cached:?} {error:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_refresh_refused_after_a_shutdown_is_off_the_table() {
    let (cache, time) = cache();
    cache.insert(&key(), "old".to_owned()).unwrap();
    cache.shutdown(S(0));
    time.advance(S(90));
    for round in 1..=3 {
        cache.get_or_load(&key(), |_| ok("new")).unwrap();
        assert_eq!(cache.snapshot().refreshes_dropped, round);
    }
}

#[test]
fn dropping_the_cache_drops_its_values() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let value = Arc::new(());
        let cache: SmartCache<u64, Arc<()>> = SmartCache::new("cache", config().eviction(eviction)).unwrap();
        for key in 0..100 {
            cache.insert(&key, Arc::clone(&value)).unwrap();
        }
        drop(cache);
        assert_eq!(Arc::strong_count(&value), 1, "{eviction:?}");
    }
}
