//! What is told of a fetch, and what one fetch may ask for.

use std::sync::{Arc, Mutex};

use feedguard::cache::CacheStatus;
use feedguard::manager::{AttemptOutcome, FetchOptions, FetchRecord};
use feedguard::retry::RetryConfig;
use feedguard::{Clock, DataSourceManager, FetchErrorKind};

use super::host::{BarsHost, MS, S, Table, config, manager};

fn key() -> String {
    "x".to_owned()
}

#[test]
fn the_record_has_every_turn_with_latency_cost_and_quality() {
    let (clock, time) = Clock::manual();
    let host = BarsHost::default();
    let records: Arc<Mutex<Vec<FetchRecord>>> = Arc::default();
    let sink = Arc::clone(&records);
    let manager = DataSourceManager::builder(host.clone())
        .config(config(&["a", "b", "c"]).retry(RetryConfig::off()))
        .clock(clock)
        .on_fetch(|_| panic!("a listener"))
        .on_fetch(move |record| sink.lock().unwrap().push(record.clone()))
        .build()
        .unwrap();
    manager.breaker("b").unwrap().force_open();
    host.set("a", move |_, _| {
        time.advance(MS(70));
        Err(std::io::Error::other("connection\nreset \u{1b}[31m"))
    });
    let fetched = manager.fetch(&key()).unwrap();
    manager.fetch(&key()).unwrap();
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 1, "hits are not told");
    let outcomes: Vec<(&str, AttemptOutcome)> =
        records[0].attempts.iter().map(|attempt| (&*attempt.endpoint, attempt.outcome)).collect();
    assert_eq!(outcomes, [("a", AttemptOutcome::Failed), ("c", AttemptOutcome::Ok), ("b", AttemptOutcome::Refused)]);
    assert_eq!(records[0].attempts[0].latency, MS(70));
    assert_eq!((records[0].attempts[1].cost, records[0].attempts[1].quality), (2.0, Some(100.0)));
    assert_eq!((records[0].rounds, records[0].status), (1, Some(CacheStatus::Loaded)));
    assert_eq!(fetched.attempts().len(), 3);
    let line = records[0].to_string();
    assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line}");
    assert!(line.starts_with("default ok from c in "), "{line}");
    assert!(serde_json::to_string(&records[0]).unwrap().contains(r#""latency":"70ms""#));
}

#[test]
fn an_error_prints_every_turn_in_one_line() {
    let (manager, host, time, _clock) = manager(config(&["a", "b"]).retry(RetryConfig::off()));
    host.set("a", move |_, _| {
        time.advance(std::time::Duration::from_nanos(12_345_678));
        Err(std::io::Error::other("down"))
    });
    host.set("b", |_, _| Ok(Table::new(10, |_, cells| cells.swap(1, 2))));
    let text = manager.fetch(&key()).unwrap_err().to_string();
    assert!(text.contains("a failed in 12.3ms (down)"), "{text}");
    assert!(text.contains("b bad_data") && text.contains("high_below_low 10"), "{text}");
    assert!(text.contains("(retry in 1s)"), "{text}");
}

#[test]
fn refresh_skips_the_cache_and_stores_the_answer() {
    let (manager, host, time, _clock) = manager(config(&["a"]));
    manager.fetch(&key()).unwrap();
    time.advance(S(5));
    let fetched = manager.fetch_with(&key(), &FetchOptions::new().refresh()).unwrap();
    assert_eq!((fetched.status(), host.calls("a")), (CacheStatus::Loaded, 2));
    assert!(manager.fetch(&key()).unwrap().age().is_zero());
}

#[test]
fn max_age_only_and_except_are_kept() {
    let (manager, host, time, _clock) = manager(config(&["a", "b"]));
    manager.fetch(&key()).unwrap();
    time.advance(S(5));
    assert_eq!(manager.fetch_with(&key(), &FetchOptions::new().max_age(S(5))).unwrap().status(), CacheStatus::Fresh);
    let young = FetchOptions::new().max_age(S(4)).only("b");
    assert_eq!(&**manager.fetch_with(&key(), &young).unwrap().endpoint(), "b");
    let not_a = FetchOptions::new().refresh().except("a");
    assert_eq!(&**manager.fetch_with(&key(), &not_a).unwrap().endpoint(), "b");
    let nobody = FetchOptions::new().refresh().only("nobody");
    let error = manager.fetch_with(&key(), &nobody).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::Unserved { .. }), "{error}");
    assert_eq!(host.calls("a"), 1);
}

#[test]
fn no_source_takes_what_is_there_stale_or_not() {
    let (manager, host, time, _clock) = manager(config(&["a"]));
    let cache_only = FetchOptions::new().no_source();
    let error = manager.fetch_with(&key(), &cache_only).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::NotCached), "{error}");
    manager.fetch(&key()).unwrap();
    for (after, status) in [(S(3500), CacheStatus::Fresh), (S(200), CacheStatus::Stale)] {
        time.advance(after);
        assert_eq!(manager.fetch_with(&key(), &cache_only).unwrap().status(), status);
    }
    assert_eq!((host.calls("a"), manager.health().caches[0].1.refreshes), (1, 0));
}

#[test]
fn wishes_of_one_caller_teach_nobody_else() {
    use crate::support::{Manner, ScriptedSource};
    let new = || feedguard::DataSourceManager::new("feed", config(&["a", "b"]), ScriptedSource::default()).unwrap();
    for manner in [Manner::NotHere, Manner::Fail] {
        let manager = new();
        manager.source().set("a", manner);
        assert!(manager.fetch_with(&key(), &FetchOptions::new().only("a")).is_err());
        assert_eq!(&**manager.fetch(&key()).unwrap().endpoint(), "b");
    }
    // A drained endpoint may have it.
    let manager = new();
    manager.source().set("a", Manner::NotHere);
    manager.drain("b");
    let error = manager.fetch(&key()).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::Missing), "{error}");
    manager.restore("b");
    assert_eq!(&**manager.fetch(&key()).unwrap().endpoint(), "b");
}

#[test]
fn a_refresh_by_hand_gets_past_what_is_held() {
    use crate::support::{Manner, ScriptedSource};
    for manner in [Manner::Missing, Manner::Fail] {
        let config = config(&["a"]).retry(feedguard::retry::RetryConfig::off());
        let manager = feedguard::DataSourceManager::new("feed", config, ScriptedSource::default()).unwrap();
        manager.source().set("a", manner);
        assert!(manager.fetch(&key()).is_err());
        manager.source().set("a", Manner::Answer);
        assert!(manager.fetch(&key()).is_err(), "held");
        assert!(manager.fetch_with(&key(), &FetchOptions::new().refresh()).is_ok());
        assert!(manager.fetch(&key()).is_ok(), "and stored");
    }
}
