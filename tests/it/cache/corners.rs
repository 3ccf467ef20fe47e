//! What use of the cache has found: keys that were held for ever, sources called in vain, values that went at
//! once. Each test stands for the kind, not for the case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::batch::CancelToken;
use feedguard::cache::{
    CacheStatus, Eviction, ExpiryMode, Foreground, LoadError, Loaded, RefreshFailureKind, WarmUpOptions,
};
use feedguard::clock::ManualClock;
use feedguard::{CacheConfig, Clock, Deadline, SmartCache};

use super::{S, config};
use crate::support::{Count, Gate, eventually};

type Cache = SmartCache<u64, u64, &'static str>;
/// A name, and what it does to a cache.
type Way = (&'static str, fn(&Cache));

fn cache_with(config: CacheConfig) -> (Cache, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    let cache = SmartCache::builder("corner").config(config).clock(clock.clone()).build().unwrap();
    (cache, clock, time)
}

const EVICTIONS: [Eviction; 2] = [Eviction::TinyLfu, Eviction::Lru];

/// A loader that counts its calls.
fn counted(calls: &Count) -> impl Fn(&u64) -> Result<u64, &'static str> + Clone + Send + Sync + 'static {
    let calls = calls.clone();
    move |key| {
        calls.up();
        Ok(key + 1000)
    }
}

/// One that counts and fails.
fn failing(calls: &Count) -> impl Fn(&u64) -> Result<u64, &'static str> + Clone + Send + Sync + 'static {
    let calls = calls.clone();
    move |_| {
        calls.up();
        Err("down")
    }
}

/// One that waits at the gate.
fn waiting(gate: &Gate, value: u64) -> impl Fn(&u64) -> Result<u64, &'static str> + Clone + Send + Sync + 'static {
    let gate = gate.clone();
    move |_| {
        gate.pass();
        Ok(value)
    }
}

// ===== dropped keys =====

/// A cache whose one refresh thread is kept busy, with the given keys due and queued behind it.
fn queued(keys: std::ops::Range<u64>, loader: &Count) -> (Cache, ManualClock, Gate) {
    let (cache, _clock, time) = cache_with(config().refresh_workers(1));
    let gate = Gate::default();
    cache.insert(&u64::MAX, 0).unwrap();
    keys.clone().for_each(|key| cache.insert(&key, key).unwrap());
    time.advance(S(90));
    cache.get_or_load(&u64::MAX, waiting(&gate, 0)).unwrap();
    gate.await_arrivals(1);
    for key in keys {
        assert_eq!(cache.get_or_load(&key, counted(loader)).unwrap().status(), CacheStatus::Refreshing);
    }
    (cache, time, gate)
}

#[test]
fn a_key_that_is_dropped_or_written_costs_no_call() {
    let ways: [Way; 7] = [
        ("clear", |cache| cache.clear()),
        ("invalidate", |cache| (0..50).for_each(|key| assert!(cache.invalidate(&key)))),
        ("remove", |cache| (0..50).for_each(|key| assert!(cache.remove(&key).is_some()))),
        ("insert", |cache| (0..50).for_each(|key| cache.insert(&key, 7).unwrap())),
        ("insert for no time", |cache| (0..50).for_each(|key| cache.insert_for(&key, 7, Duration::ZERO).unwrap())),
        ("invalidate_if", |cache| assert!(cache.invalidate_if(|_, _| true) >= 50)),
        ("invalidate_keys_if", |cache| assert_eq!(cache.invalidate_keys_if(|key| *key < 50), 50)),
    ];
    for (way, change) in ways {
        let loads = Count::default();
        let (cache, _time, gate) = queued(0..50, &loads);
        change(&cache);
        gate.open();
        cache.shutdown(S(10));
        assert_eq!(loads.get(), 0, "{way}");
        // The keys are free: the next reader is not told of a refresh that will never come.
        let next = cache.get_or_load(&3, |_| Ok(9)).unwrap();
        assert!(matches!(next.status(), CacheStatus::Loaded | CacheStatus::Fresh), "{way}: {next:?}");
    }
}

#[test]
fn only_the_keys_that_were_dropped_are_not_refreshed() {
    let loads = Count::default();
    let (cache, _time, gate) = queued(0..50, &loads);
    assert_eq!(cache.invalidate_keys_if(|key| key % 2 == 0 && *key < 50), 25);
    gate.open();
    cache.shutdown(S(10));
    assert_eq!(loads.get(), 25);
}

// ===== holds =====

#[test]
fn unknown_symbols_cannot_push_failures_out_of_the_table() {
    for (unknown, failing_keys, max_holds) in [(20_000u64, 100u64, 10_000usize), (500, 100, 150), (99, 100, 100)] {
        let (cache, _clock, _time) = cache_with(config().max_holds(max_holds).max_capacity(10_000));
        for key in 0..unknown {
            assert!(cache.get_or_fetch(&key, |_| Ok(Loaded::Missing)).is_err());
        }
        let loads = Count::default();
        for _ in 0..100 {
            for key in 0..failing_keys {
                assert!(cache.get_or_load(&(1_000_000 + key), failing(&loads)).is_err());
            }
        }
        assert_eq!(loads.get() as u64, failing_keys, "{unknown} unknown, {max_holds} places");
        assert!(cache.snapshot().holds <= max_holds);
    }
}

#[test]
fn the_bound_of_holds_is_one_for_the_cache() {
    for capacity in [10, 1_000, 10_000, 1_000_000] {
        let (cache, _clock, _time) = cache_with(config().max_holds(100).max_capacity(capacity));
        let loads = Count::default();
        for _ in 0..2 {
            for key in 0..100u64 {
                assert!(cache.get_or_load(&key, failing(&loads)).is_err());
            }
        }
        let counts = cache.snapshot();
        assert_eq!((loads.get(), counts.holds, counts.holds_refused), (100, 100, 0), "capacity {capacity}");
    }
}

#[test]
fn a_full_table_makes_room_by_what_is_over() {
    let (cache, _clock, time) = cache_with(config().max_holds(10).max_capacity(10_000));
    let fail = |key: u64| drop(cache.get_or_load(&key, |_| Err("down")).unwrap_err());
    (0..10).for_each(fail);
    fail(10);
    assert_eq!((cache.snapshot().holds, cache.snapshot().holds_refused), (10, 1), "all of them are of use");
    // Over, and not yet forgotten: their length counts for the next hold, but no more than a living one.
    time.advance(S(2));
    (100..110).for_each(fail);
    assert_eq!((cache.snapshot().holds, cache.snapshot().holds_refused), (10, 1));
    for key in 100..110 {
        assert!(matches!(cache.get_or_load(&key, |_| Ok(1)), Err(LoadError::Held { .. })), "key {key}");
    }
}

#[test]
fn what_is_over_leaves_within_a_second_of_use_whatever_the_time_to_live() {
    for eviction in EVICTIONS {
        let day = S(86_400);
        let (cache, _clock, time) =
            cache_with(config().time_to_live(day).stale_if_error(Duration::ZERO).eviction(eviction));
        cache.insert(&u64::MAX, 0).unwrap();
        for key in 0..1_000 {
            cache.insert_for(&key, key, S(1)).unwrap();
            assert!(cache.get_or_load(&(key + 10_000), |_| Err("down")).is_err());
        }
        assert_eq!((cache.snapshot().entries, cache.snapshot().holds), (1_001, 1_000));
        // Grace of one second too; a read of another key is use enough.
        time.advance(S(3));
        assert!(cache.get(&u64::MAX).is_some());
        assert_eq!(cache.snapshot().entries, 1, "{eviction:?}");
        assert_eq!(cache.snapshot().expired, 1_000);
        // A hold of a second matters for a minute after it: the next one is twice as long.
        time.advance(S(60));
        assert!(cache.get(&u64::MAX).is_some());
        assert_eq!(cache.snapshot().holds, 0, "{eviction:?}");
    }
}

// ===== invalidation =====

#[test]
fn a_load_under_way_is_fenced_by_every_invalidation() {
    let ways: [Way; 6] = [
        ("invalidate", |cache| assert!(!cache.invalidate(&1))),
        ("remove", |cache| assert!(cache.remove(&1).is_none())),
        ("clear", |cache| cache.clear()),
        ("invalidate_if", |cache| assert_eq!(cache.invalidate_if(|_, _| true), 1)),
        ("invalidate_if, another key named", |cache| assert_eq!(cache.invalidate_if(|key, _| *key == 2), 1)),
        ("invalidate_keys_if", |cache| assert_eq!(cache.invalidate_keys_if(|key| *key == 1), 0)),
    ];
    for (way, change) in ways {
        let (cache, _clock, _time) = cache_with(config());
        cache.insert(&2, 2).unwrap();
        let gate = Gate::default();
        let loading = {
            let (cache, load) = (cache.clone(), waiting(&gate, 1));
            thread::spawn(move || cache.get_or_load(&1, load).map(|value| *value))
        };
        gate.await_arrivals(1);
        change(&cache);
        gate.open();
        assert_eq!(loading.join().unwrap().unwrap(), 1, "its caller is served");
        assert!(cache.get(&1).is_none(), "{way}");
        assert_eq!(cache.snapshot().unpublished, 1, "{way}");
    }
}

#[test]
fn a_key_only_invalidation_leaves_other_loads_and_holds_alone() {
    let (cache, _clock, _time) = cache_with(config());
    assert!(cache.get_or_load(&1, |_| Err("down")).is_err());
    assert!(cache.get_or_load(&2, |_| Err("down")).is_err());
    let looked_at = AtomicUsize::new(0);
    let named = cache.invalidate_keys_if(|key| {
        looked_at.fetch_add(1, Ordering::SeqCst);
        *key == 2
    });
    assert_eq!((named, looked_at.into_inner()), (0, 2));
    assert!(matches!(cache.get_or_load(&1, |_| Ok(1)), Err(LoadError::Held { .. })));
    assert_eq!(*cache.get_or_load(&2, |_| Ok(2)).unwrap(), 2);
}

#[test]
fn a_refresh_that_ends_while_the_condition_runs_does_not_bring_the_value_back() {
    let (cache, _clock, time) = cache_with(config());
    cache.insert(&1, 1).unwrap();
    time.advance(S(90));
    let gate = Gate::default();
    cache.get_or_load(&1, waiting(&gate, 2)).unwrap();
    gate.await_arrivals(1);
    let removed = cache.invalidate_if(|_, _| {
        gate.open();
        eventually("the refresh has ended", || cache.snapshot().refreshes == 1);
        true
    });
    assert_eq!((removed, cache.get(&1).map(|value| *value)), (1, None));
}

#[test]
fn tags_name_what_is_invalidated() {
    let cache: Cache = SmartCache::builder("tags")
        .tags(|key: &u64, value| vec![format!("source-{}", value % 3).into(), format!("day-{}", key / 10).into()])
        .build()
        .unwrap();
    (0..30).for_each(|key| cache.insert(&key, key).unwrap());
    assert_eq!(cache.invalidate_tag("source-1"), 10);
    assert_eq!(cache.invalidate_tag("day-2"), 7, "ten of the day, three of which had gone before");
    assert_eq!(cache.invalidate_tag("day-9"), 0);
    assert_eq!(cache.snapshot().entries, 13);
    // Replaced, an entry bears the tags of its new value.
    cache.insert(&0, 1).unwrap();
    assert_eq!(cache.invalidate_tag("source-0"), 6);
}

// ===== hung loads =====

/// Hangs a load until the gate opens: a refresh, or a caller's. Each needs a gate of its own.
fn hang(cache: &Cache, gate: &Gate, key: u64) {
    let load = waiting(gate, 666);
    let is_refresh = cache.contains(&key);
    let inside = cache.clone();
    let ask = move || drop(inside.get_or_load(&key, load));
    if is_refresh {
        ask()
    } else {
        drop(thread::spawn(ask))
    }
    gate.await_arrivals(1);
}

#[test]
fn a_refresh_that_never_ends_does_not_keep_its_key() {
    let (cache, clock, time) = cache_with(config().time_to_live(S(10)).stale_if_error(S(60)));
    cache.insert(&1, 1).unwrap();
    time.advance(S(9));
    let gate = Gate::default();
    hang(&cache, &gate, 1);
    // Stale, with a refresh under way.
    time.advance(S(5));
    assert_eq!(cache.get_or_load(&1, |_| Ok(2)).unwrap().status(), CacheStatus::Stale);
    // Past the grace: the first waits for it until its deadline and then gets the old value, others at once.
    time.advance(S(10));
    let by = Deadline::after(&clock, S(1));
    let waiting = {
        let cache = cache.clone();
        thread::spawn(move || cache.get_or_load_by(&1, by, None, |_| Ok(2)).map(|cached| cached.status()))
    };
    eventually("it waits", || cache.snapshot().waits == 1);
    time.advance(S(1));
    assert_eq!(waiting.join().unwrap().unwrap(), CacheStatus::StaleOnError);
    let at_once = cache.get_or_load_by(&1, Deadline::after(&clock, S(1)), None, |_| Ok(2)).unwrap();
    assert_eq!((at_once.status(), cache.snapshot().waits), (CacheStatus::StaleOnError, 1), "without a wait");
    // A minute after it began the next caller takes the key over.
    time.advance(S(45));
    let taken = cache.get_or_load(&1, |_| Ok(3)).unwrap();
    assert_eq!((*taken, taken.status()), (3, CacheStatus::Loaded));
    assert_eq!(cache.snapshot().load_timeouts, 1);
    // What it brings after all that comes too late.
    gate.open();
    eventually("it ends", || cache.snapshot().refreshes == 1);
    assert_eq!(*cache.get(&1).unwrap(), 3);
    assert_eq!(cache.snapshot().unpublished, 1);
}

#[test]
fn a_caller_that_hangs_does_not_keep_its_key() {
    for waits_meanwhile in [false, true] {
        let (cache, _clock, time) = cache_with(config());
        let gate = Gate::default();
        hang(&cache, &gate, 1);
        let ask = {
            let cache = cache.clone();
            move || cache.get_or_load(&1, |_| Ok(2)).map(|value| *value)
        };
        // Without a deadline: it returns all the same.
        let asking = waits_meanwhile.then(|| thread::spawn(ask.clone()));
        if waits_meanwhile {
            eventually("it waits", || cache.snapshot().waits == 1);
        }
        time.advance(S(60));
        let answer = asking.map_or_else(ask, |asking| asking.join().unwrap());
        assert_eq!(answer.unwrap(), 2);
        gate.open();
        eventually("the first ends", || cache.snapshot().unpublished == 1);
        assert_eq!(*cache.get(&1).unwrap(), 2);
    }
}

#[test]
fn what_comes_late_is_published_if_nobody_else_has() {
    // Nobody asked meanwhile.
    let (cache, _clock, time) = cache_with(config());
    let gate = Gate::default();
    hang(&cache, &gate, 1);
    time.advance(S(100));
    gate.open();
    eventually("it is there", || cache.get(&1).is_some());
    // The one who took over still runs: until it has ended, the value of the first is there.
    let (cache, _clock, time) = cache_with(config());
    let (first, second) = (Gate::default(), Gate::default());
    hang(&cache, &first, 1);
    time.advance(S(60));
    let newer = waiting(&second, 777);
    let taking_over = {
        let cache = cache.clone();
        thread::spawn(move || cache.get_or_load(&1, newer).map(|value| *value))
    };
    second.await_arrivals(1);
    first.open();
    eventually("it is there", || cache.get(&1).is_some());
    assert_eq!((*cache.get(&1).unwrap(), cache.snapshot().unpublished), (666, 0));
    second.open();
    eventually("the second ends", || cache.snapshot().loads == 2);
    assert_eq!((*cache.get(&1).unwrap(), cache.snapshot().unpublished), (777, 0), "the newer is the last");
    assert_eq!(taking_over.join().unwrap().unwrap(), 777);
    // Somebody wrote or invalidated the key meanwhile: it is fenced.
    for change in [
        |cache: &Cache| cache.insert(&1, 5).unwrap(),
        |cache: &Cache| assert!(cache.invalidate(&1) || cache.get(&1).is_none()),
    ] {
        let (cache, _clock, time) = cache_with(config());
        let (first, second) = (Gate::default(), Gate::default());
        hang(&cache, &first, 1);
        time.advance(S(60));
        hang(&cache, &second, 1);
        change(&cache);
        let now = cache.get(&1).map(|value| *value);
        first.open();
        second.open();
        eventually("both end", || cache.snapshot().loads == 2);
        assert_eq!(cache.get(&1).map(|value| *value), now);
        assert_eq!(cache.snapshot().unpublished, 2);
    }
}

#[test]
fn hung_refreshes_are_given_up_and_their_threads_replaced() {
    let workers = 5;
    let (cache, _clock, time) = cache_with(config().refresh_workers(workers));
    (0..20).for_each(|key| cache.insert(&key, key).unwrap());
    time.advance(S(90));
    let gates = (0..workers).map(|_| Gate::default()).collect::<Vec<_>>();
    (0..).zip(&gates).for_each(|(key, gate)| hang(&cache, gate, key));
    let loads = Count::default();
    assert_eq!(cache.get_or_load(&10, counted(&loads)).unwrap().status(), CacheStatus::Refreshing);
    assert_eq!(loads.get(), 0, "it waits for a thread");
    time.advance(S(61));
    // Any use of the cache finds it out.
    assert!(cache.get_or_load(&11, counted(&loads)).is_ok());
    eventually("both are refreshed", || loads.get() == 2);
    let failure = cache.snapshot().last_refresh_failure.unwrap();
    assert_eq!(failure.kind, RefreshFailureKind::TimedOut);
    gates.iter().for_each(Gate::open);
    eventually("they end", || cache.snapshot().refreshes == workers as u64 + 2);
}

#[test]
fn a_warm_up_waits_for_no_hung_refresh_and_no_hung_load() {
    let (cache, _clock, time) = cache_with(config().refresh_workers(2));
    (0..2).for_each(|key| cache.insert(&key, key).unwrap());
    time.advance(S(90));
    let (hung, gate) = ([Gate::default(), Gate::default()], Gate::default());
    (0..).zip(&hung).for_each(|(key, gate)| hang(&cache, gate, key));
    let report = cache.warm_up((10..20).collect(), |key| Ok(*key), |_| {});
    assert_eq!((report.ok, report.done()), (10, 10), "beside hung refreshes");
    // Three loads of its own hang; the rest is loaded by those who replace them.
    let waits = gate.clone();
    let load = move |key: &u64| {
        if *key % 10 < 3 {
            waits.pass();
        }
        Ok(*key)
    };
    let told = Count::default();
    let warming = {
        let (cache, told) = (cache.clone(), told.clone());
        thread::spawn(move || {
            cache.warm_up((30..40).collect(), load, |_| {
                told.up();
            })
        })
    };
    gate.await_arrivals(2);
    time.advance(S(60));
    gate.await_arrivals(3);
    eventually("the rest is done", || told.get() == 9);
    assert!((33..40).all(|key| cache.contains(&key)));
    time.advance(S(60));
    let report = warming.join().unwrap();
    assert_eq!((report.ok, report.timed_out, report.done()), (7, 3, 10));
    hung.iter().chain([&gate]).for_each(Gate::open);
}

#[test]
fn a_warm_up_ends_at_its_deadline_and_when_it_is_cancelled() {
    for is_cancelled in [false, true] {
        let (cache, clock, time) = cache_with(config().refresh_workers(2));
        let (gate, stop, begun) = (Gate::default(), CancelToken::new(), Count::default());
        let options = WarmUpOptions::default().deadline(Deadline::after(&clock, S(5))).cancel(&stop);
        let (waits, inside) = (gate.clone(), begun.clone());
        let load = move |key: &u64| {
            inside.up();
            waits.pass();
            Ok(*key)
        };
        let warming = {
            let cache = cache.clone();
            thread::spawn(move || cache.warm_up_with((0..10).collect(), &options, load, |_| {}))
        };
        gate.await_arrivals(2);
        if is_cancelled {
            stop.cancel()
        } else {
            time.advance(S(5))
        }
        let report = warming.join().unwrap();
        assert_eq!((report.timed_out, report.not_started, report.done()), (2, 8, 10));
        gate.open();
        eventually("what had begun ends", || cache.snapshot().loads == 2);
        assert_eq!(begun.get(), 2, "nothing more begins");
    }
    // Too late, or stopped, before it began: no load is begun at all.
    for is_cancelled in [false, true] {
        for _ in 0..50 {
            let (cache, clock, _time) = cache_with(config().refresh_workers(2));
            let (stop, begun) = (CancelToken::new(), Count::default());
            if is_cancelled {
                stop.cancel();
            }
            let by = if is_cancelled { Deadline::never() } else { Deadline::after(&clock, Duration::ZERO) };
            let options = WarmUpOptions::default().deadline(by).cancel(&stop);
            let report = cache.warm_up_with((0..10).collect(), &options, counted(&begun), |_| {});
            assert_eq!((report.not_started, report.done(), begun.get()), (10, 10, 0));
        }
    }
}

#[test]
fn loads_on_the_pool_give_the_caller_back_at_its_deadline() {
    let (cache, clock, time) = cache_with(config().foreground(Foreground::Pool).expiry(ExpiryMode::Hard));
    cache.insert(&1, 1).unwrap();
    time.advance(S(150));
    let gate = Gate::default();
    let ask = |key: u64| {
        let (cache, load, by) = (cache.clone(), waiting(&gate, 2), Deadline::after(&clock, S(1)));
        thread::spawn(move || cache.get_or_load_by(&key, by, None, load).map(|cached| (*cached, cached.status())))
    };
    let (old, none) = (ask(1), ask(2));
    gate.await_arrivals(2);
    time.advance(S(1));
    assert_eq!(old.join().unwrap().unwrap(), (1, CacheStatus::StaleOnError), "the old value");
    assert!(matches!(none.join().unwrap(), Err(LoadError::WaitTimeout)));
    // The loads go on, and what they bring is kept.
    gate.open();
    eventually("both are loaded", || [1, 2].iter().all(|key| cache.get(key).is_some_and(|value| *value == 2)));
    // A panic there is a typed error here; a loader may ask the cache.
    assert!(matches!(cache.get_or_load(&3, |_| panic!("of the host")), Err(LoadError::LoaderPanicked { .. })));
    let inner = cache.clone();
    let nested = cache.get_or_load(&4, move |_| {
        assert!(matches!(inner.get_or_load(&4, |_| Ok(0)), Err(LoadError::Reentrant)));
        inner.get_or_load(&5, |_| Ok(5)).map(|value| *value).map_err(|_| "inner")
    });
    assert_eq!(*nested.unwrap(), 5);
}

#[test]
fn a_deadline_that_has_passed_starts_no_load() {
    let (cache, clock, time) = cache_with(config());
    let loads = Count::default();
    let past = Deadline::after(&clock, Duration::ZERO);
    let ask = |key: u64| cache.get_or_load_by(&key, past, None, counted(&loads));
    let refused = ask(1).unwrap_err();
    assert!(matches!(refused, LoadError::DeadlinePassed) && !refused.reached_source(), "{refused}");
    cache.insert(&2, 2).unwrap();
    assert_eq!(ask(2).unwrap().status(), CacheStatus::Fresh);
    time.advance(S(250));
    assert_eq!(ask(2).unwrap().status(), CacheStatus::StaleOnError, "what is there");
    let many = cache.get_many_with(&[2, 3], past, |_| panic!("no call"));
    assert!(many[0].is_ok() && matches!(many[1], Err(LoadError::DeadlinePassed)));
    assert_eq!(loads.get(), 0);
    assert!(cache.get_or_load(&1, |_| Ok(1)).is_ok(), "the key is free");
}

// ===== read your write =====

#[test]
fn what_a_thread_has_written_it_can_read() {
    for eviction in EVICTIONS {
        for capacity in [1, 2, 10, 50, 100, 1_000, 10_000] {
            let (cache, _clock, _time) = cache_with(config().max_capacity(capacity).eviction(eviction));
            // A full cache of keys that are asked for often, so that the policy would rather keep them.
            for key in 0..capacity {
                cache.insert(&key, key).unwrap();
                (0..3).for_each(|_| drop(cache.get(&key)));
            }
            let gone = (0..5 * capacity.min(2_000))
                .filter(|key| {
                    let key = 1_000_000 + key;
                    cache.insert(&key, key).unwrap();
                    cache.get(&key).is_none()
                })
                .count();
            assert_eq!(gone, 0, "capacity {capacity}, {eviction:?}");
            let entries = cache.snapshot().entries as u64;
            assert!(entries <= capacity + capacity / 32 + 1, "capacity {capacity}, {eviction:?}: {entries} entries");
        }
    }
}

#[test]
fn weights_keep_the_bound_but_for_the_entry_written_last() {
    let (clock, _time) = Clock::manual();
    let cache: SmartCache<u64, Vec<u8>> = SmartCache::builder("weights")
        .config(config().max_capacity(1_000))
        .clock(clock)
        .weigher(|_, value: &Vec<u8>| value.len() as u32)
        .build()
        .unwrap();
    for key in 0..500u64 {
        let size = [1, 10, 100, 400][key as usize % 4];
        cache.insert(&key, vec![0; size]).unwrap();
        assert!(cache.get(&key).is_some(), "key {key} of {size}");
        assert!(cache.snapshot().weight <= 1_000 + 1_000 / 32 + 400, "{}", cache.snapshot().weight);
    }
    // No weight is no way around the bound.
    let cache: Cache =
        SmartCache::builder("none").config(config().max_capacity(100)).weigher(|_, _| 0).build().unwrap();
    (0..10_000).for_each(|key| cache.insert(&key, key).unwrap());
    assert!(cache.snapshot().entries <= 104, "{}", cache.snapshot().entries);
}

/// All keys of one hash: a poor `Hash` makes the cache slow, not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Colliding(u64);

impl std::hash::Hash for Colliding {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        0u8.hash(state);
    }
}

#[test]
fn keys_of_one_hash_are_told_apart_also_by_the_policy() {
    for eviction in EVICTIONS {
        let cache: SmartCache<Colliding, u64> =
            SmartCache::new("colliding", config().max_capacity(64).eviction(eviction)).unwrap();
        (0..50).for_each(|n| cache.insert(&Colliding(n), n).unwrap());
        assert!((0..50).all(|n| cache.get(&Colliding(n)).is_some_and(|value| *value == n)), "{eviction:?}");
        (0..1_000).for_each(|n| cache.insert(&Colliding(n), n).unwrap());
        assert!(cache.snapshot().entries <= 66, "{eviction:?}: {}", cache.snapshot().entries);
        cache.clear();
        assert_eq!(cache.snapshot().entries, 0);
    }
}

/// Whether a key outlives an invalidation.
type Stays = fn(&u64) -> bool;

/// What is gone takes no room from what comes: few and many, all and some.
#[test]
fn the_policy_forgets_what_is_gone() {
    let ways: [(Way, Stays); 4] = [
        (("clear", |cache| cache.clear()), |_| false),
        (("invalidate_if, all", |cache| assert!(cache.invalidate_if(|_, _| true) > 0)), |_| false),
        (("invalidate_keys_if, half", |cache| assert!(cache.invalidate_keys_if(|key| key % 2 == 0) > 0)), |key| {
            key % 2 == 1
        }),
        (("invalidate_if, a tenth", |cache| assert!(cache.invalidate_if(|key, _| key % 10 == 0) > 0)), |key| {
            key % 10 != 0
        }),
    ];
    for capacity in [1_000, 10_000] {
        for ((way, change), stays) in ways {
            let (cache, _clock, _time) = cache_with(config().max_capacity(capacity));
            let most = capacity * 9 / 10;
            (0..most).for_each(|key| cache.insert(&key, key).unwrap());
            // Asked for often: the policy would keep them, and refuse what is new.
            (0..most).for_each(|key| drop(cache.get(&key)));
            change(&cache);
            let gone = (0..most).filter(|key| !stays(key)).count() as u64;
            (0..gone).for_each(|key| cache.insert(&(1_000_000 + key), 0).unwrap());
            let there = (0..most).filter(stays).chain(1_000_000..1_000_000 + gone);
            let lost = there.filter(|key| cache.get(key).is_none()).count();
            assert_eq!((lost, cache.snapshot().entries as u64), (0, most), "{way}, capacity {capacity}");
        }
    }
}

#[test]
fn a_cleared_cache_fills_and_evicts_as_a_new_one() {
    let (cache, _clock, _time) = cache_with(config().max_capacity(1_000));
    for round in 0..5 {
        (0..3_000).for_each(|key| cache.insert(&key, round).unwrap());
        assert!((900..=1_032).contains(&cache.snapshot().entries), "round {round}: {}", cache.snapshot().entries);
        cache.clear();
        assert_eq!((cache.snapshot().entries, cache.snapshot().weight), (0, 0));
    }
    // Beside writers, what was written during a clear is still the policy's to remove.
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (cache, stop) = (&cache, &stop);
        for thread in 0..2u64 {
            scope.spawn(move || {
                let mut key = thread << 32;
                while !stop.load(Ordering::Relaxed) {
                    cache.insert(&key, 0).unwrap();
                    key += 1;
                }
            });
        }
        (0..200).for_each(|_| cache.clear());
        stop.store(true, Ordering::Relaxed);
    });
    (1u64 << 48..(1 << 48) + 5_000).for_each(|key| cache.insert(&key, 0).unwrap());
    assert!(cache.snapshot().entries <= 1_032, "{}", cache.snapshot().entries);
}

// ===== lines of loads =====

#[test]
fn a_late_value_ends_the_refresh_that_waits_and_wedges_nothing() {
    let (cache, _clock, time) = cache_with(config().refresh_workers(1));
    (1..=2).for_each(|key| cache.insert(&key, key).unwrap());
    time.advance(S(90));
    let (first, second) = (Gate::default(), Gate::default());
    hang(&cache, &first, 1);
    let loads = Count::default();
    cache.get_or_load(&2, waiting(&second, 22)).unwrap();
    // The hung thread is replaced, and the other key hangs it again; the first key's next refresh waits in line.
    time.advance(S(60));
    assert!(cache.get_or_load(&3, |_| Ok(3)).is_ok());
    second.await_arrivals(1);
    assert_eq!(cache.get_or_load(&1, counted(&loads)).unwrap().status(), CacheStatus::Stale);
    first.open();
    eventually("what hung brings its value", || cache.get(&1).is_some_and(|value| *value == 666));
    second.open();
    eventually("the other too", || cache.get(&2).is_some_and(|value| *value == 22));
    assert_eq!(loads.get(), 0, "the refresh that waited is needed no more");
    time.advance(S(85));
    let due = cache.get_or_load(&1, counted(&loads)).unwrap();
    assert_eq!((*due, due.status()), (666, CacheStatus::Refreshing));
    eventually("the key is refreshed as ever", || cache.get(&1).is_some_and(|value| *value == 1001));
    time.advance(S(10_000));
    assert_eq!(cache.get_or_load(&1, counted(&loads)).unwrap().status(), CacheStatus::Loaded);
}

#[test]
fn who_waits_for_the_newer_load_gets_what_the_older_brings_only_if_it_will_do() {
    let (cache, clock, time) = cache_with(config().expiry(ExpiryMode::Hard));
    let (first, second) = (Gate::default(), Gate::default());
    hang(&cache, &first, 1);
    time.advance(S(60));
    hang(&cache, &second, 1);
    let ask = |by: Deadline, max_age: Option<Duration>| {
        let cache = cache.clone();
        thread::spawn(move || cache.get_or_load_by(&1, by, max_age, |_| Ok(3)).map(|value| *value))
    };
    let by = Deadline::after(&clock, S(20));
    let (any, young) = (ask(by, None), ask(by, Some(S(30))));
    eventually("both wait", || cache.snapshot().waits == 2);
    first.open();
    assert_eq!(any.join().unwrap().unwrap(), 666, "at once");
    // Sixty seconds old at its birth: too old for the other, who waits on, without a turn of its own.
    eventually("it waits again", || cache.snapshot().waits == 3);
    time.advance(S(20));
    assert!(matches!(young.join().unwrap(), Err(LoadError::WaitTimeout)));
    assert!(cache.snapshot().waits <= 4, "{:?}", cache.snapshot());
    // Past its time it is no answer, while the newer one still runs.
    time.advance(S(35));
    assert_eq!(cache.get(&1).map(|value| *value), Some(666));
    time.advance(S(100));
    let late = cache.get_or_load(&1, |_| Ok(4)).unwrap();
    assert_eq!((*late, late.status()), (4, CacheStatus::Loaded));
    second.open();
}

#[test]
fn of_three_loads_of_a_line_an_older_never_puts_its_value_over_a_newer() {
    let (cache, _clock, time) = cache_with(config());
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    for (value, gate) in (0..).zip(&gates) {
        let (loader, load) = (cache.clone(), waiting(gate, value));
        thread::spawn(move || drop(loader.get_or_load(&1, load)));
        gate.await_arrivals(1);
        time.advance(S(60));
    }
    gates[1].open();
    eventually("the second is there", || cache.get(&1).is_some_and(|value| *value == 1));
    gates[0].open();
    eventually("the first has ended", || cache.snapshot().loads == 2);
    assert_eq!((*cache.get(&1).unwrap(), cache.snapshot().unpublished), (1, 1));
    gates[2].open();
    eventually("the third is there", || cache.get(&1).is_some_and(|value| *value == 2));
}

#[test]
fn a_load_that_began_before_an_invalidation_is_fenced_also_where_a_hold_stands() {
    let ways: [Way; 2] = [
        ("invalidate_if", |cache| assert_eq!(cache.invalidate_if(|_, value| *value == 7), 0)),
        ("invalidate_tag", |cache| assert_eq!(cache.invalidate_tag("none"), 0)),
    ];
    for (way, change) in ways {
        let (cache, _clock, time) = cache_with(config().expiry(ExpiryMode::Hard));
        cache.insert(&1, 1).unwrap();
        time.advance(S(150));
        let gate = Gate::default();
        hang(&cache, &gate, 1);
        time.advance(S(60));
        let old = cache.get_or_load(&1, |_| Err("down")).unwrap();
        assert_eq!(old.status(), CacheStatus::StaleOnError, "the next load fails, and holds the key");
        change(&cache);
        gate.open();
        eventually("the first has ended", || cache.snapshot().loads == 2);
        assert_eq!((cache.get(&1).map(|value| *value), cache.snapshot().unpublished), (None, 1), "{way}");
    }
}

#[test]
fn a_change_that_was_taken_over_is_made_once() {
    let (cache, _clock, time) = cache_with(config());
    let gate = Gate::default();
    let (updater, waits, made) = (cache.clone(), gate.clone(), Count::default());
    let makes = made.clone();
    let slow = thread::spawn(move || {
        updater.update(&1, |n| {
            if makes.up() == 1 {
                waits.pass();
            }
            Some(n.map_or(1, |n| n + 1))
        })
    });
    gate.await_arrivals(1);
    time.advance(S(60));
    let panics = || cache.update(&1, |_| panic!("of the host"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    gate.open();
    assert_eq!(*slow.join().unwrap().unwrap().unwrap(), 1);
    assert_eq!((*cache.get(&1).unwrap(), made.get(), cache.snapshot().updates), (1, 2, 1));
}

#[test]
fn who_waits_for_a_change_that_removes_the_key_asks_the_source() {
    let (cache, _clock, _time) = cache_with(config());
    cache.insert(&1, 1).unwrap();
    let gate = Gate::default();
    let (updater, waits) = (cache.clone(), gate.clone());
    cache.invalidate(&1);
    let updating = thread::spawn(move || {
        updater.update(&1, |_| {
            waits.pass();
            None
        })
    });
    gate.await_arrivals(1);
    let reader = cache.clone();
    let reading = thread::spawn(move || reader.get_or_load(&1, |_| Ok(5)).map(|value| *value));
    eventually("it waits", || cache.snapshot().waits == 1);
    gate.open();
    assert!(updating.join().unwrap().unwrap().is_none());
    assert_eq!(reading.join().unwrap().unwrap(), 5);
}

#[test]
fn an_error_of_the_callers_own_on_the_pool_is_the_callers_and_calls_once() {
    for is_full in [false, true] {
        let (clock, _time) = Clock::manual();
        let cache: Cache = SmartCache::builder("own")
            .config(config().foreground(Foreground::Pool).refresh_workers(1))
            .clock(clock)
            .hold_if(|error| *error != "own")
            .build()
            .unwrap();
        let gate = Gate::default();
        if is_full {
            let (busy, load) = (cache.clone(), waiting(&gate, 0));
            thread::spawn(move || drop(busy.get_or_load(&9, load)));
            gate.await_arrivals(1);
        }
        let calls = Count::default();
        let counts = calls.clone();
        let failed = cache.get_or_load(&1, move |_| {
            counts.up();
            Err("own")
        });
        assert!(matches!(&failed, Err(LoadError::Failed { error, .. }) if **error == "own"), "{failed:?}");
        assert_eq!((calls.get(), cache.snapshot().holds), (1, 0), "pool full: {is_full}");
        gate.open();
    }
}

#[test]
fn a_passed_deadline_takes_no_queued_refresh_over() {
    let (clock, time) = Clock::manual();
    let loads = Count::default();
    let own = counted(&loads);
    let cache: Cache = SmartCache::builder("late")
        .config(config().refresh_workers(1))
        .clock(clock.clone())
        .loader(move |key| own(key).map(Loaded::Value))
        .build()
        .unwrap();
    cache.insert(&7, 7).unwrap();
    time.advance(S(90));
    let gate = Gate::default();
    hang(&cache, &gate, 7);
    assert!(cache.refresh(&1), "a key that is not there, behind the busy worker");
    let past = Deadline::at(clock.now());
    let one = cache.get_or_load_by(&1, past, None, |_| panic!("no load begins"));
    assert!(matches!(one, Err(LoadError::WaitTimeout)));
    let many = cache.get_many_with(&[1, 2], past, |_| panic!("no load begins"));
    assert!(matches!(many[..], [Err(LoadError::WaitTimeout), Err(LoadError::DeadlinePassed)]));
    assert_eq!(loads.get(), 0);
    gate.open();
    eventually("the refresh comes in its turn", || cache.get(&1).is_some());
}

/// What a host drops slowly, or with a panic.
struct Value(Option<Box<dyn Fn() + Send + Sync>>);

impl Drop for Value {
    fn drop(&mut self) {
        if let Some(at_drop) = &self.0 {
            at_drop();
        }
    }
}

#[test]
fn a_clear_ends_all_refreshes_before_the_first_value_is_dropped() {
    let (clock, time) = Clock::manual();
    let calls = Count::default();
    let own = calls.clone();
    let cache: SmartCache<u64, Value> = SmartCache::builder("slow")
        .config(config().refresh_workers(1).max_capacity(10_000))
        .clock(clock)
        .loader(move |key| {
            // The marker's own load is none of those.
            if *key != 1_000_000 {
                own.up();
            }
            Ok(Loaded::Value(Value(None)))
        })
        .build()
        .unwrap();
    let gate = Gate::default();
    cache.insert(&2_000_000, Value(None)).unwrap();
    let is_first = Arc::new(AtomicBool::new(true));
    for key in 0..50 {
        let (opens, inside, is_first) = (gate.clone(), cache.clone(), Arc::clone(&is_first));
        let at_drop = move || {
            if is_first.swap(false, Ordering::SeqCst) {
                // While the first value is dropped the worker is free, and goes through all that waits.
                opens.open();
                assert!(inside.refresh(&1_000_000));
                eventually("the worker has gone through", || inside.contains(&1_000_000));
            }
        };
        cache.insert(&key, Value(Some(Box::new(at_drop)))).unwrap();
    }
    time.advance(S(90));
    let waits = gate.clone();
    cache
        .get_or_load(&2_000_000, move |_| {
            waits.pass();
            Ok(Value(None))
        })
        .unwrap();
    gate.await_arrivals(1);
    (0..50).for_each(|key| assert_eq!(cache.load(&key).unwrap().status(), CacheStatus::Refreshing));
    cache.clear();
    cache.shutdown(S(10));
    assert_eq!(calls.get(), 0);
}

#[test]
fn a_drop_that_panics_leaves_the_counts_right() {
    let (cache, is_armed) = (
        SmartCache::<u64, Value, &'static str>::new("panics", config().max_holds(10).max_capacity(10_000)).unwrap(),
        Arc::new(AtomicBool::new(true)),
    );
    for key in 0..200 {
        let is_armed = Arc::clone(&is_armed);
        let at_drop = move || assert!(!is_armed.swap(false, Ordering::SeqCst), "of the host");
        cache.insert(&key, Value(Some(Box::new(at_drop)))).unwrap();
    }
    let calls = Count::default();
    let fail = |keys: std::ops::Range<u64>| {
        for key in keys {
            let calls = calls.clone();
            let failed = cache.get_or_load(&key, move |_| {
                calls.up();
                Err("down")
            });
            assert!(failed.is_err());
        }
    };
    fail(1_000..1_010);
    let cleared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.clear()));
    assert!(cleared.is_err() && cache.snapshot().holds == 0);
    fail(2_000..2_010);
    fail(2_000..2_010);
    assert_eq!((calls.get(), cache.snapshot().holds_refused), (20, 0), "room for all of them");
}
