//! Many fetches at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use feedguard::cache::CacheStatus;
use feedguard::{BatchConfig, Clock, DataSourceManager, Deadline, EndpointSpec, LimiterConfig, ManagerConfig};

use super::host::{BarsHost, Driver, MS, S, Table, config, endpoints, manager};
use crate::support::{Manner, ScriptedSource};

fn requests(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn a_hundred_cold_requests_at_ten_a_second_are_all_answered_in_ten_seconds() {
    let mut settings = config(&["a"]).batch(BatchConfig::default().workers(32));
    settings.endpoints[0].limiter = LimiterConfig::fixed(10.0);
    let (manager, _host, time, clock) = manager(settings);
    let driver = Driver::start(&time, MS(5));
    let started = clock.now();
    let report = manager.fetch_batch(requests(0..100), Deadline::never());
    let took = clock.now().since(started);
    drop(driver);
    assert_eq!(report.succeeded(), 100, "{:?}", report.results.iter().find(|result| result.is_err()));
    assert!(took >= S(9) && took <= S(13), "{took:?}");
}

#[test]
fn cached_items_are_not_behind_those_that_wait() {
    let mut settings = config(&["a"]).batch(BatchConfig::default().workers(4));
    settings.endpoints[0].limiter = LimiterConfig::fixed(10.0).burst(50);
    let (manager, _host, time, _clock) = manager(settings);
    for request in requests(0..50) {
        manager.fetch(&request).unwrap();
    }
    // The permits are spent: whatever is not cached would wait for ever on this clock.
    let mut first = Vec::new();
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            let mut mixed = requests(50..90);
            mixed.extend(requests(0..50));
            manager.fetch_batch_with_progress(mixed, Deadline::never(), |done, _| first.push(done))
        });
        let driver = Driver::start(&time, MS(5));
        let report = run.join().unwrap();
        drop(driver);
        assert_eq!(report.succeeded(), 90);
        let fresh = report
            .results
            .iter()
            .skip(40)
            .filter(|result| result.as_ref().is_ok_and(|fetched| fetched.status() == CacheStatus::Fresh));
        assert_eq!(fresh.count(), 50);
    });
}

#[test]
fn equal_requests_are_one_call_and_all_are_answered() {
    let (manager, host, _time, _clock) = manager(config(&["a"]));
    let mut seen = Vec::new();
    let doubled: Vec<String> = (0..300).map(|n| (n % 7).to_string()).collect();
    let report = manager.fetch_batch_with_progress(doubled, Deadline::never(), |done, total| seen.push((done, total)));
    assert_eq!((report.succeeded(), host.calls("a")), (300, 7));
    assert_eq!(seen.len(), 300);
    assert!(seen.iter().enumerate().all(|(at, seen)| *seen == (at + 1, 300)), "each item counted once");
}

#[test]
fn limits_by_vendor_hold() {
    let batch = BatchConfig::default().workers(16).source_limits([("sina".to_owned(), 2)].into());
    let mut settings = config(&["sina.daily"]).batch(batch);
    settings.endpoints[0].spec = EndpointSpec::named("sina.daily");
    let (manager, host, _time, _clock) = manager(settings);
    manager.fetch(&"warm".to_owned()).unwrap();
    let (now, most) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (now.clone(), most.clone());
    host.set("sina.daily", move |_, _| {
        peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Table::clean())
    });
    assert_eq!(manager.fetch_batch(requests(0..200), Deadline::never()).succeeded(), 200);
    assert!(most.load(Ordering::SeqCst) <= 2, "{}", most.load(Ordering::SeqCst));
}

#[test]
fn beside_callers_that_saturate_the_limiters_a_batch_comes_through() {
    let mut settings =
        config(&["a", "b", "c"]).fetch_timeout(S(600)).batch(BatchConfig::default().item_timeout(S(600)));
    for endpoint in &mut settings.endpoints {
        endpoint.limiter = LimiterConfig::fixed(10.0);
    }
    let (manager, _host, time, _clock) = manager(settings);
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for user in 0..50 {
            let (manager, stop) = (&manager, &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    drop(manager.fetch(&format!("user {user} {n}")));
                    n += 1;
                }
            });
        }
        let driver = Driver::start(&time, MS(20));
        let report = manager.fetch_batch(requests(0..100), Deadline::never());
        assert_eq!(report.succeeded(), 100);
        stop.store(true, Ordering::Relaxed);
        manager.shutdown(MS(0));
        drop(driver);
    });
}

#[test]
fn a_batch_after_a_shutdown_is_refused_item_by_item() {
    let (manager, host, _time, _clock) = manager(config(&["a"]));
    manager.shutdown(S(1));
    let report = manager.fetch_batch(requests(0..5), Deadline::never());
    assert_eq!((report.failed(), host.calls("a")), (5, 0));
}

#[test]
fn unknown_symbols_in_a_batch_are_their_own_errors_only() {
    let endpoints = endpoints(&["a", "b"]);
    let config = ManagerConfig::default().endpoints(endpoints);
    let (clock, _time) = Clock::manual();
    let manager = DataSourceManager::builder(ScriptedSource::default()).config(config).clock(clock).build().unwrap();
    for name in ["a", "b"] {
        manager.source().set(name, Manner::NotHere);
    }
    let report = manager.fetch_batch(requests(0..6), Deadline::never());
    assert_eq!(report.failed(), 6);
    assert!(manager.health().endpoints.iter().all(|endpoint| endpoint.breaker.times_opened == 0));
    let _ = BarsHost::default();
}
