//! What a host would expect of a cache: its own loader, borrowed keys, changes in place, listeners, a warm start,
//! a logger that may do as it likes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use feedguard::cache::{
    BoxError, CacheMode, CacheStatus, Eviction, ExpiryMode, LoadError, Loaded, RefreshFailureKind, RemovalCause,
    SavedCache,
};
use feedguard::clock::ManualClock;
use feedguard::{CacheConfig, Clock, Deadline, SmartCache};
use tracing::subscriber::with_default;

use super::{S, config};
use crate::support::{Count, Gate, eventually};

type Texts = SmartCache<String, usize, &'static str>;

fn texts(config: CacheConfig) -> (Texts, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    (SmartCache::builder("texts").config(config).clock(clock.clone()).build().unwrap(), clock, time)
}

fn key(text: &str) -> String {
    text.to_owned()
}

// ===== keys and closures =====

#[test]
fn keys_may_be_borrowed_as_in_a_map() {
    let (cache, _clock, _time) = texts(config());
    cache.insert(&key("600519.SH"), 1).unwrap();
    assert_eq!(cache.get("600519.SH").map(|value| *value), Some(1));
    assert!(cache.contains("600519.SH") && !cache.contains("000001.SZ"));
    assert_eq!(cache.remove("600519.SH").map(|value| *value), Some(1));
    assert!(!cache.invalidate("600519.SH") && cache.remove("600519.SH").is_none());
    let bytes: SmartCache<Vec<u8>, u32> = SmartCache::new("bytes", config()).unwrap();
    bytes.insert(&vec![1, 2], 7).unwrap();
    assert_eq!(bytes.get([1u8, 2].as_slice()).map(|value| *value), Some(7));
}

#[test]
fn closures_need_no_annotations_and_may_borrow() {
    let boxed: SmartCache<String, usize> = SmartCache::new("boxed", config()).unwrap();
    assert!(boxed.get_or_load(&key("a"), |_| Err("x".into())).is_err());
    assert!(boxed.get_or_load(&key("b"), |text| Ok(text.parse()?)).is_err(), "`?` into the boxed error");
    let texts: SmartCache<String, usize, String> = SmartCache::new("texts", config()).unwrap();
    assert!(texts.get_or_load(&key("a"), |_| Err("x".into())).is_err());
    // A closure that borrows and moves what it has: called once, on this thread.
    let (owned, mut calls) = (key("of the caller"), 0);
    let load = |_: &String| {
        calls += 1;
        Ok(owned.len())
    };
    assert_eq!(*texts.get_or_load_with(&key("b"), Deadline::never(), load).unwrap(), 13);
    let moved = texts.get_or_load_with(&key("c"), Deadline::never(), move |_| Ok(owned.into_bytes().len()));
    assert_eq!((*moved.unwrap(), calls), (13, 1));
}

#[test]
fn a_borrowing_load_follows_the_rules_of_all_loads() {
    let (cache, _clock, time) = texts(config());
    let fail = |cache: &Texts| cache.get_or_load_with(&key("a"), Deadline::never(), |_| Err("down"));
    assert!(matches!(fail(&cache), Err(LoadError::Failed { .. })));
    assert!(matches!(fail(&cache), Err(LoadError::Held { .. })), "a failed key is held");
    time.advance(S(2));
    assert_eq!(*cache.get_or_load_with(&key("a"), Deadline::never(), |_| Ok(1)).unwrap(), 1);
    // Due, and stale: nobody could refresh it in the background.
    time.advance(S(90));
    assert_eq!(fail(&cache).unwrap().status(), CacheStatus::Fresh);
    time.advance(S(20));
    assert_eq!(fail(&cache).unwrap().status(), CacheStatus::StaleOnError);
    // A panic of it frees the key.
    let panics = || cache.get_or_load_with(&key("b"), Deadline::never(), |_| panic!("of the host"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(cache.get_or_load(&key("b"), |_| Ok(2)).is_ok());
}

#[test]
fn an_error_tells_its_source() {
    use std::error::Error as _;
    let boxed: SmartCache<u8, u8> = SmartCache::new("boxed", config()).unwrap();
    let error = boxed.get_or_load(&1, |_| "no number".parse::<u8>().map_err(BoxError::from)).unwrap_err();
    let held = boxed.get_or_load(&1, |_| Ok(1)).unwrap_err();
    for error in [error, held] {
        let source = error.source().expect("a source");
        assert!(source.is::<std::num::ParseIntError>(), "the boxed error itself: {source}");
    }
    let typed: SmartCache<u8, u8, std::num::ParseIntError> = SmartCache::new("typed", config()).unwrap();
    let error = typed.get_or_load(&1, |_| "no number".parse()).unwrap_err();
    assert_eq!(error.source().expect("a source").to_string(), "invalid digit found in string");
    assert!(LoadError::<BoxError>::WaitTimeout.source().is_none());
}

/// A key that counts how often it is hashed.
#[derive(Clone)]
struct CountsHashes(u64, Count);

impl PartialEq for CountsHashes {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for CountsHashes {}

impl std::hash::Hash for CountsHashes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.1.up();
        self.0.hash(state);
    }
}

#[test]
fn a_load_hashes_its_key_once_or_twice() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let cache: SmartCache<CountsHashes, u64> = SmartCache::new("hashes", config().eviction(eviction)).unwrap();
        let hashes = Count::default();
        for n in 0..100 {
            cache.get_or_load(&CountsHashes(n, hashes.clone()), |_| Ok(1)).unwrap();
        }
        assert!(hashes.get() <= 200, "{eviction:?}: {}", hashes.get());
    }
}

// ===== the cache's own loader =====

#[test]
fn a_cache_with_a_loader_loads_refreshes_and_refreshes_all() {
    let (clock, time) = Clock::manual();
    let (calls, bulk_calls) = (Count::default(), Count::default());
    let (one, many) = (calls.clone(), bulk_calls.clone());
    let cache: Texts = SmartCache::builder("own")
        .config(config())
        .clock(clock)
        .loader(move |text: &String| {
            let call = one.up();
            if text == "gone" { Ok(Loaded::Missing) } else { Ok(Loaded::Value(100 * call + text.len())) }
        })
        .bulk_loader(move |texts| {
            many.up();
            Ok(texts
                .iter()
                .filter(|text| *text != "gone")
                .map(|text| (text.clone(), Loaded::Value(text.len())))
                .collect())
        })
        .build()
        .unwrap();
    assert_eq!(*cache.load(&key("abc")).unwrap(), 103);
    assert!(matches!(cache.load(&key("gone")), Err(LoadError::Missing { .. })));
    assert_eq!(calls.get(), 2);
    // Due: served, and refreshed by the cache's own loader.
    time.advance(S(85));
    assert_eq!(cache.load(&key("abc")).unwrap().status(), CacheStatus::Refreshing);
    eventually("refreshed", || cache.get("abc").is_some_and(|value| *value == 303));
    // Asked for: fresh or not.
    assert!(cache.refresh(&key("abc")) && cache.refresh(&key("new")));
    eventually("both are there", || cache.get("abc").is_some_and(|value| *value > 303) && cache.contains("new"));
    let before = calls.get();
    let report = cache.refresh_all(Deadline::never());
    assert_eq!((report.ok, report.done(), calls.get() - before), (2, 2, 2));
    // Many: one call for all that are not there.
    let keys = ["abc", "x", "yy", "gone2"].map(key);
    let loaded = cache.load_many(&keys, Deadline::never());
    assert_eq!(bulk_calls.get(), 1);
    assert_eq!(
        loaded[1..].iter().map(|value| value.as_ref().map_or(0, |value| **value)).collect::<Vec<_>>(),
        [1, 2, 5]
    );
    // Without a loader they say so.
    let (none, _clock, _time) = texts(config());
    assert!(matches!(none.load(&key("a")), Err(LoadError::NotCached)) && !none.refresh(&key("a")));
    assert!(matches!(none.load_many(&[key("a")], Deadline::never())[0], Err(LoadError::NotCached)));
}

// ===== many keys =====

#[test]
fn many_keys_follow_the_rules_of_one() {
    let (cache, _clock, time) = texts(config());
    ["due", "stale", "old"].iter().for_each(|text| cache.insert(&key(text), 0).unwrap());
    cache.insert_for(&key("stale"), 0, S(60)).unwrap();
    cache.insert_for(&key("old"), 0, S(20)).unwrap();
    time.advance(S(85));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let down = move |keys: &[String]| {
        let mut keys = keys.to_vec();
        keys.sort();
        record.lock().unwrap().push(keys);
        Err::<HashMap<String, usize>, _>("down")
    };
    let keys = ["due", "stale", "old", "none"].map(key);
    let answers = cache.get_many(&keys, Deadline::never(), down);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(|cached| cached.status()).ok()).collect();
    let expected = [CacheStatus::Refreshing, CacheStatus::Stale, CacheStatus::StaleOnError].map(Some);
    assert_eq!((&statuses[..3], &statuses[3]), (&expected[..], &None));
    eventually("one call in the background for what is due", || asked.lock().unwrap().len() == 2);
    let mut calls = asked.lock().unwrap().clone();
    calls.sort();
    assert_eq!(calls, [vec![key("due"), key("stale")], vec![key("none"), key("old")]]);
    eventually("booked", || cache.snapshot().refresh_failures == 2);
}

#[test]
fn many_keys_ask_anew_after_a_load_that_came_to_nothing() {
    // The joined load fails by a fault of its own caller, or hangs; without a deadline the list comes back.
    for hangs in [false, true] {
        let (clock, time) = Clock::manual();
        let cache: Texts =
            SmartCache::builder("many").config(config()).clock(clock).hold_if(|error| *error != "own").build().unwrap();
        let gate = Gate::default();
        let leading = {
            let (cache, gate) = (cache.clone(), gate.clone());
            thread::spawn(move || {
                cache.get_or_load(&key("a"), move |_| {
                    gate.pass();
                    Err("own")
                })
            })
        };
        gate.await_arrivals(1);
        let calls = Count::default();
        let joining = {
            let (cache, calls) = (cache.clone(), calls.clone());
            thread::spawn(move || {
                cache.get_many(&[key("a"), key("b")], Deadline::never(), move |keys| {
                    calls.up();
                    Ok(keys.iter().map(|text| (text.clone(), 5)).collect())
                })
            })
        };
        eventually("it waits", || cache.snapshot().waits == 1);
        if hangs {
            time.advance(S(60));
        } else {
            gate.open();
        }
        let answers = joining.join().unwrap();
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|value| **value == 5)), "hangs: {hangs}");
        assert_eq!(calls.get(), 2, "once for what nobody loaded, once for what came to nothing");
        gate.open();
        // Its own error, or what the others have loaded meanwhile.
        assert!(leading.join().unwrap().is_ok_and(|value| *value == 5) || !hangs);
    }
}

#[test]
fn the_old_modes_load_a_repeated_key_once_a_list() {
    for mode in [CacheMode::PlainLru, CacheMode::Off] {
        let (cache, _clock, _time) = texts(config().mode(mode));
        let keys = ["a", "a", "b"].map(key);
        let answers = cache.get_many_with(&keys, Deadline::never(), |keys| {
            Ok(keys.iter().map(|text| (text.clone(), text.len())).collect())
        });
        assert!(answers.iter().all(Result::is_ok), "{mode:?}");
    }
}

// ===== changes in place =====

#[test]
fn updates_of_one_key_lose_nothing() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let cache: Texts = SmartCache::new("counts", config().eviction(eviction)).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        cache.update(&key("n"), |n| Some(n.map_or(1, |n| n + 1))).unwrap();
                    }
                });
            }
        });
        assert_eq!((*cache.get("n").unwrap(), cache.snapshot().updates), (2_000, 2_000));
    }
}

#[test]
fn an_update_is_fenced_by_writes_and_asked_again() {
    let (cache, _clock, _time) = texts(config());
    cache.insert(&key("a"), 1).unwrap();
    let seen = Mutex::new(Vec::new());
    let changed = cache.update(&key("a"), |value| {
        let mut seen = seen.lock().unwrap();
        seen.push(value.copied());
        if seen.len() == 1 {
            cache.insert(&key("a"), 10).unwrap();
        } else if seen.len() == 2 {
            cache.invalidate("a");
        }
        Some(value.copied().unwrap_or_default() + 1)
    });
    assert_eq!(*changed.unwrap().unwrap(), 1);
    assert_eq!(*seen.lock().unwrap(), [Some(1), Some(10), None]);
    // Nothing: the key goes. A panic: nothing changes, and the key is free.
    let panics = || cache.update(&key("a"), |_| panic!("of the host"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(cache.get("a").map(|value| *value), Some(1));
    assert!(cache.update(&key("a"), |_| None).unwrap().is_none());
    assert!(!cache.contains("a"));
    // From within a load of the key, or of itself.
    let inner = cache.clone();
    let nested = cache.get_or_load(&key("b"), move |text| match inner.update(text, |_| Some(1)) {
        Err(LoadError::Reentrant) => Ok(7),
        _ => Err("not refused"),
    });
    assert_eq!(*nested.unwrap(), 7);
}

#[test]
fn an_update_waits_for_a_load_and_lookups_wait_for_an_update() {
    let (cache, _clock, _time) = texts(config());
    let gate = Gate::default();
    let (loader, waits) = (cache.clone(), gate.clone());
    let loading = thread::spawn(move || {
        loader.get_or_load(&key("a"), move |_| {
            waits.pass();
            Ok(5)
        })
    });
    gate.await_arrivals(1);
    let updating = cache.clone();
    let updating = thread::spawn(move || updating.update(&key("a"), |value| value.map(|value| value * 2)));
    gate.open();
    assert_eq!(*loading.join().unwrap().unwrap(), 5);
    assert_eq!(*updating.join().unwrap().unwrap().unwrap(), 10);
    let (gate, calls) = (Gate::default(), Count::default());
    let (updater, waits) = (cache.clone(), gate.clone());
    let updating = thread::spawn(move || {
        updater.update(&key("new"), |_| {
            waits.pass();
            Some(3)
        })
    });
    gate.await_arrivals(1);
    let (reader, counts) = (cache.clone(), calls.clone());
    let reading = thread::spawn(move || {
        reader.get_or_load(&key("new"), move |_| {
            counts.up();
            Ok(4)
        })
    });
    eventually("it waits", || cache.snapshot().waits >= 1);
    gate.open();
    assert!(updating.join().unwrap().is_ok());
    assert_eq!((*reading.join().unwrap().unwrap(), calls.get()), (3, 0));
}

#[test]
fn insert_if_absent_keeps_what_is_fresh() {
    let (cache, _clock, time) = texts(config());
    assert_eq!(cache.insert_if_absent(&key("a"), 1).unwrap().status(), CacheStatus::Loaded);
    assert_eq!(*cache.insert_if_absent(&key("a"), 2).unwrap(), 1);
    time.advance(S(100));
    assert_eq!(*cache.insert_if_absent(&key("a"), 3).unwrap(), 3, "past its time it is absent");
    let winners = Count::default();
    thread::scope(|scope| {
        for thread in 0..8 {
            let (cache, winners) = (&cache, &winners);
            scope.spawn(move || {
                let mine = cache.insert_if_absent(&key("race"), thread).unwrap();
                if mine.status() == CacheStatus::Loaded {
                    winners.up();
                }
            });
        }
    });
    assert_eq!(winners.get(), 1);
}

#[test]
fn contains_says_what_get_would_and_leaves_no_trace() {
    let (cache, _clock, time) = texts(config().eviction(Eviction::Lru).max_capacity(2));
    cache.insert(&key("a"), 1).unwrap();
    cache.insert(&key("b"), 2).unwrap();
    assert!(cache.contains("a"));
    cache.insert(&key("c"), 3).unwrap();
    assert!(!cache.contains("a") && cache.contains("b"), "it was not used by the question");
    assert_eq!(cache.snapshot().gets(), 0);
    assert!(cache.get_or_load(&key("d"), |_| Err("down")).is_err());
    assert!(!cache.contains("d"), "a hold is no value");
    time.advance(S(99));
    assert!(cache.contains("b"));
    time.advance(S(1));
    assert!(!cache.contains("b") && cache.get("b").is_none(), "within its grace, and expired");
}

#[test]
fn for_each_visits_what_is_fresh_and_may_use_the_cache() {
    let (cache, _clock, time) = texts(config());
    cache.insert_for(&key("short"), 1, S(10)).unwrap();
    cache.insert(&key("long"), 2).unwrap();
    time.advance(S(20));
    let mut seen = Vec::new();
    cache.for_each(|text, value| {
        cache.insert(&key("more"), 3).unwrap();
        seen.push((text.clone(), **value));
    });
    assert!(seen.contains(&(key("long"), 2)) && !seen.iter().any(|(text, _)| text == "short"));
}

// ===== listeners =====

#[test]
fn listeners_hear_why_an_entry_left() {
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let (clock, time) = Clock::manual();
        let heard: Arc<Mutex<Vec<(u64, u64, RemovalCause)>>> = Arc::default();
        let (tell, own) = (Arc::clone(&heard), Arc::new(Mutex::new(None::<SmartCache<u64, u64>>)));
        let inside = Arc::clone(&own);
        let cache: SmartCache<u64, u64> = SmartCache::builder("heard")
            .config(config().max_capacity(4).eviction(eviction).stale_if_error(Duration::ZERO))
            .clock(clock)
            .on_evict(move |key, value, cause| {
                tell.lock().unwrap().push((*key, *value, cause));
                // Under no lock: it may use the cache, and panic.
                if let Some(cache) = &*inside.lock().unwrap() {
                    assert!(cache.get(key).is_none_or(|now| *now != *value));
                }
                assert!(*key != 13, "of the listener");
            })
            .build()
            .unwrap();
        *own.lock().unwrap() = Some(cache.clone());
        let take = || {
            let mut heard = std::mem::take(&mut *heard.lock().unwrap());
            heard.sort_by_key(|(key, ..)| *key);
            heard
        };
        cache.insert(&1, 10).unwrap();
        cache.insert(&1, 11).unwrap();
        assert_eq!(take(), [(1, 10, RemovalCause::Replaced)], "{eviction:?}");
        cache.invalidate(&1);
        assert_eq!(take(), [(1, 11, RemovalCause::Invalidated)]);
        cache.insert(&13, 1).unwrap();
        assert!(cache.remove(&13).is_some(), "a listener that panics changes nothing");
        assert_eq!(take().len(), 1);
        cache.insert_for(&2, 2, S(1)).unwrap();
        time.advance(S(3));
        assert!(cache.get(&2).is_none());
        assert_eq!(take(), [(2, 2, RemovalCause::Expired)]);
        (100..120).for_each(|key| cache.insert(&key, key).unwrap());
        let evicted = take();
        assert!(evicted.len() >= 15 && evicted.iter().all(|(.., cause)| *cause == RemovalCause::Size), "{evicted:?}");
        let left = cache.snapshot().entries;
        cache.clear();
        assert_eq!(take().len(), left);
        own.lock().unwrap().take();
    }
}

#[test]
fn failed_refreshes_are_told_and_stand_in_the_snapshot() {
    let (clock, time) = Clock::manual();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&heard);
    let cache: Texts = SmartCache::builder("heard")
        .config(config())
        .clock(clock.clone())
        .on_refresh_failed(move |key: &String, failure, error| {
            tell.lock().unwrap().push((key.clone(), failure.kind, error.copied()));
            panic!("of the listener");
        })
        .build()
        .unwrap();
    cache.insert(&key("a"), 1).unwrap();
    cache.insert(&key("b"), 1).unwrap();
    time.advance(S(90));
    cache.get_or_load(&key("a"), |_| Err("down")).unwrap();
    eventually("told", || heard.lock().unwrap().len() == 1);
    let failure = cache.snapshot().last_refresh_failure.unwrap();
    assert_eq!((failure.kind, failure.at), (RefreshFailureKind::Failed, clock.wall()));
    assert_eq!(cache.last_refresh_error().as_deref(), Some(&"down"));
    cache.get_or_load(&key("b"), |_| panic!("of the loader")).unwrap();
    eventually("told", || heard.lock().unwrap().len() == 2);
    assert_eq!(cache.snapshot().last_refresh_failure.unwrap().kind, RefreshFailureKind::Panicked);
    let expected =
        [(key("a"), RefreshFailureKind::Failed, Some("down")), (key("b"), RefreshFailureKind::Panicked, None)];
    assert_eq!(*heard.lock().unwrap(), expected);
    let counts = cache.snapshot();
    assert_eq!((counts.refreshes, counts.refresh_failures, counts.load_panics), (2, 2, 1));
}

#[test]
fn refreshing_means_that_one_is_on_its_way() {
    // A full queue, and a pool that is shut down.
    for is_shut_down in [false, true] {
        let (cache, _clock, time) = texts(config().refresh_workers(1).refresh_queue(0));
        cache.insert(&key("busy"), 1).unwrap();
        cache.insert(&key("a"), 1).unwrap();
        time.advance(S(90));
        let gate = Gate::default();
        if is_shut_down {
            cache.shutdown(Duration::ZERO);
        } else {
            let waits = gate.clone();
            cache
                .get_or_load(&key("busy"), move |_| {
                    waits.pass();
                    Ok(1)
                })
                .unwrap();
            gate.await_arrivals(1);
        }
        for _ in 0..3 {
            assert_eq!(cache.get_or_load(&key("a"), |_| Ok(2)).unwrap().status(), CacheStatus::Fresh);
        }
        let many = cache.get_many(&[key("a")], Deadline::never(), |_| Ok(HashMap::new()));
        assert_eq!(many[0].as_ref().unwrap().status(), CacheStatus::Fresh);
        let counts = cache.snapshot();
        assert_eq!((counts.fresh, counts.refreshes_dropped), (4, 4), "shut down: {is_shut_down}");
        gate.open();
    }
}

#[test]
fn loads_are_timed_and_counted() {
    let (cache, _clock, time) = texts(config());
    for (text, takes) in [("a", 1), ("b", 3)] {
        let time = time.clone();
        let load = move |_: &String| {
            time.advance(S(takes));
            Ok(1)
        };
        cache.get_or_load(&key(text), load).unwrap();
    }
    let counts = cache.snapshot();
    assert_eq!((counts.loads, counts.load_time, counts.slowest_load), (2, S(4), S(3)));
}

// ===== host code that panics =====

#[test]
fn host_code_that_panics_in_a_refresh_backs_off_like_a_loader() {
    type Build = fn(feedguard::cache::CacheBuilder<String, usize, &'static str>) -> Texts;
    let ways: [(&str, Build); 3] = [
        ("weigher", |builder| {
            builder.weigher(|_, value| if *value > 1 { panic!("weigher") } else { 1 }).build().unwrap()
        }),
        ("tags", |builder| builder.tags(|_, value| if *value > 1 { panic!("tags") } else { vec![] }).build().unwrap()),
        ("hold_if", |builder| builder.hold_if(|_| panic!("hold_if")).build().unwrap()),
    ];
    for (way, build) in ways {
        let (clock, time) = Clock::manual();
        let cache = build(SmartCache::builder("panics").config(config()).clock(clock));
        cache.insert(&key("a"), 1).unwrap();
        time.advance(S(90));
        let calls = Count::default();
        for n in 1..=20 {
            let counts = calls.clone();
            let load = move |_: &String| {
                counts.up();
                if way == "hold_if" { Err("down") } else { Ok(2) }
            };
            assert_eq!(*cache.get_or_load(&key("a"), load).unwrap(), 1);
            if n == 1 {
                eventually("the first refresh ends", || cache.snapshot().refreshes == 1);
            }
        }
        assert_eq!((calls.get(), cache.snapshot().load_panics), (1, 1), "{way}");
        time.advance(S(2));
        cache.get_or_load(&key("a"), |_| Ok(1)).unwrap();
        eventually("the next one comes after the hold", || cache.snapshot().refreshes == 2);
    }
}

/// A host's logger, for one thread.
struct Logger(Box<dyn Fn() + Send + Sync>);

impl tracing::Subscriber for Logger {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        (self.0)();
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_logger_may_panic_and_nothing_is_lost() {
    let (cache, _clock, time) = texts(config());
    cache.insert(&key("a"), 1).unwrap();
    time.advance(S(110));
    let logged = Count::default();
    let counts = logged.clone();
    let panics = Logger(Box::new(move || {
        counts.up();
        panic!("of the logger");
    }));
    let read = || cache.get_or_load(&key("a"), |_| Ok(2));
    assert!(with_default(panics, || catch_unwind(AssertUnwindSafe(read))).is_err(), "it is the host's own panic");
    assert_eq!(logged.get(), 1);
    eventually("the refresh was on its way", || cache.get("a").is_some_and(|value| *value == 2));
}

#[test]
fn a_logger_may_use_the_cache() {
    let (cache, _clock, time) = texts(config().refresh_queue(0).refresh_workers(1));
    ["a", "b", "c"].iter().for_each(|text| cache.insert(&key(text), 1).unwrap());
    time.advance(S(110));
    let (inside, depth) = (cache.clone(), Count::default());
    let uses = Logger(Box::new(move || {
        if depth.up() < 5 {
            drop(inside.get_or_load(&key("b"), |_| Ok(2)));
            inside.clear();
            assert!(inside.snapshot().gets() > 0);
        }
    }));
    with_default(uses, || {
        for text in ["a", "b", "c"] {
            drop(cache.get_or_load(&key(text), |_| Ok(2)));
        }
    });
}

// ===== warm start =====

#[test]
fn a_saved_cache_comes_back_as_old_as_it_is() {
    let (cache, _clock, time) = texts(config().stale_if_error(S(1_000)));
    cache.insert(&key("old"), 1).unwrap();
    cache.insert_for(&key("dying"), 2, S(5)).unwrap();
    time.advance(S(150));
    cache.insert(&key("new"), 3).unwrap();
    cache.insert(&key("kept"), 4).unwrap();
    time.advance(S(10));
    let text = serde_json::to_string(&cache.dump()).unwrap();
    let saved: SavedCache<String, usize> = serde_json::from_str(&text).unwrap();
    let find = |name: &str| saved.entries.iter().find(|entry| entry.key == name).unwrap();
    assert_eq!((find("new").age, find("new").ttl_left, find("new").expired_for), (S(10), S(90), Duration::ZERO));
    assert_eq!((find("old").age, find("old").ttl_left, find("old").expired_for), (S(160), Duration::ZERO, S(60)));
    // The next process: another clock, half a minute later, with a value of its own.
    let (after, _clock, time) = texts(config().stale_if_error(S(1_000)).grace(Some(Duration::ZERO)));
    time.jump_wall_millis(160_000 + 30_000);
    after.insert(&key("kept"), 40).unwrap();
    assert_eq!(after.restore(saved.clone()), 3);
    let new = after.get("new").unwrap();
    assert_eq!((*new, new.status(), new.age()), (3, CacheStatus::Fresh, S(40)));
    assert_eq!(*after.get("kept").unwrap(), 40, "what it has is newer");
    let old = after.get_or_load(&key("old"), |_| Err("down")).unwrap();
    assert_eq!((*old, old.status(), old.age()), (1, CacheStatus::StaleOnError, S(190)));
    time.advance(S(60));
    assert!(after.get("new").is_none(), "ninety seconds from then, not from now");
    // Much later all of it is of no use; a clock that was set back makes nothing younger than it was.
    let (late, _clock, time) = texts(config().stale_if_error(S(1_000)));
    time.jump_wall_millis(100_000_000);
    assert_eq!(late.restore(saved.clone()), 0);
    let (back, _clock, time) = texts(config().stale_if_error(S(1_000)).expiry(ExpiryMode::Hard));
    time.jump_wall_millis(-100_000_000);
    assert_eq!(back.restore(saved), 4);
    assert_eq!(back.get("new").unwrap().age(), S(10));
}

#[test]
fn a_warm_start_keeps_the_capacity_and_an_old_mode_has_none() {
    let (cache, _clock, _time) = texts(config().max_capacity(10_000));
    (0..1_000).for_each(|n| cache.insert(&n.to_string(), n).unwrap());
    let text = serde_json::to_string(&cache.dump()).unwrap();
    let read = || serde_json::from_str::<SavedCache<String, usize>>(&text).unwrap();
    let (small, _clock, time) = texts(config().max_capacity(100));
    time.jump_wall_millis(0);
    small.restore(read());
    assert!(small.snapshot().entries <= 104, "{}", small.snapshot().entries);
    let (off, _clock, _time) = texts(config().mode(CacheMode::Off));
    assert_eq!((off.restore(read()), off.snapshot().entries), (0, 0));
}

#[test]
fn the_old_modes_start_no_thread() {
    for mode in [CacheMode::PlainLru, CacheMode::Off] {
        let name = if mode == CacheMode::Off { "oldoff" } else { "oldlru" };
        let cache: SmartCache<u64, u64> = SmartCache::new(name, config().mode(mode)).unwrap();
        for key in 0..10_000 {
            drop(cache.get_or_load(&(key % 100), |key| Ok(*key)));
        }
        assert_eq!(crate::support::threads_named(name), 0, "{mode:?}");
    }
}

#[test]
fn a_seed_of_zero_is_a_random_one() {
    let ages = |seed| {
        let (cache, _clock, _time) = texts(config().jitter(0.5).seed(seed));
        (0..20).for_each(|n| cache.insert(&n.to_string(), n).unwrap());
        let mut left: Vec<_> = cache.dump().entries.into_iter().map(|entry| (entry.key, entry.ttl_left)).collect();
        left.sort();
        left
    };
    assert_eq!(ages(7), ages(7));
    assert_ne!(ages(7), ages(8));
    assert_ne!(ages(0), ages(0));
}
