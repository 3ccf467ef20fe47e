//! Calls that borrow.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::batch::{BatchMode, CallScope, CancelToken, ItemError};
use feedguard::{BatchConfig, BatchProcessor, Clock, Deadline};

use crate::support::{Gate, eventually};

fn batch(config: BatchConfig) -> BatchProcessor {
    BatchProcessor::new("scoped", config).unwrap()
}

#[test]
fn a_call_and_its_items_may_borrow_and_results_keep_the_order() {
    let text = "the quick brown fox jumps over the lazy dog".repeat(20);
    let words: Vec<&str> = text.split(' ').collect();
    for mode in [BatchMode::Concurrent, BatchMode::Serial] {
        let seen = AtomicUsize::new(0);
        let batch = batch(BatchConfig::default().workers(4).mode(mode));
        let call = |word: &&str, _: &CallScope| {
            seen.fetch_add(1, Ordering::SeqCst);
            if word.contains("fox") { Err(word.len()) } else { Ok(word.chars().next()) }
        };
        let report = batch.job(call).run_scoped(words.iter().copied());
        assert_eq!(seen.load(Ordering::SeqCst), words.len());
        for (word, result) in words.iter().zip(&report.results) {
            match result {
                Ok(first) => assert_eq!(*first, word.chars().next()),
                Err(error) => assert_eq!(*error, ItemError::Failed(word.len())),
            }
        }
        let none = batch.job(|(): &(), _: &CallScope| Ok::<(), ()>(())).run_scoped([]);
        assert!(none.results.is_empty(), "{mode:?}");
    }
}

#[test]
fn borrowed_calls_run_at_once_up_to_the_workers_and_the_places_of_their_source() {
    let batch = batch(BatchConfig::default().workers(4).per_source(2));
    for (by_source, expected) in [(false, 4), (true, 2)] {
        let (at_once, most, gate) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let call = |_: &usize, _: &CallScope| {
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Each waits until as many are there as may be, once.
            while !gate.load(Ordering::SeqCst) {
                gate.fetch_or(most.load(Ordering::SeqCst) >= expected, Ordering::SeqCst);
                thread::yield_now();
            }
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok::<(), ()>(())
        };
        let job = batch.job(call);
        let report = if by_source { job.source(|_| "one".into()).run_scoped(0..40) } else { job.run_scoped(0..40) };
        assert_eq!(report.succeeded(), 40);
        assert_eq!(most.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn a_panic_is_an_error_of_its_item_and_keeps_its_message() {
    let batch = batch(BatchConfig::default().workers(2));
    let words = ["well", "bad", "well"];
    let call =
        |word: &&str, _: &CallScope| if *word == "bad" { panic!("{word} luck") } else { Ok::<_, ()>(word.len()) };
    let report = batch.job(call).run_scoped(words);
    assert_eq!(report.results[1], Err(ItemError::Panicked { message: "bad luck".into() }));
    assert_eq!(report.succeeded(), 2);
}

#[test]
fn a_borrowed_call_that_is_late_is_told_so_and_holds_its_place_and_the_return() {
    let (clock, time) = Clock::manual();
    let config = BatchConfig::default().workers(1).max_abandoned(1).item_timeout(Duration::from_secs(1));
    let batch = BatchProcessor::builder("scoped").config(config).clock(clock).build().unwrap();
    let (gate, started) = (Gate::default(), AtomicUsize::new(0));
    let call = |item: &usize, _: &CallScope| {
        started.fetch_add(1, Ordering::SeqCst);
        if *item == 0 {
            gate.pass();
        }
        Ok::<usize, ()>(*item)
    };
    thread::scope(|scope| {
        let run = scope.spawn(|| batch.job(call).run_scoped(0..3));
        eventually("the first has begun", || started.load(Ordering::SeqCst) == 1);
        time.advance(Duration::from_secs(1));
        eventually("the others go on", || started.load(Ordering::SeqCst) == 3);
        eventually("one is abandoned", || batch.snapshot().abandoned == 1);
        assert!(!run.is_finished(), "what is borrowed is in use");
        gate.open();
        let results = run.join().unwrap().results;
        assert_eq!(results, [Err(ItemError::TimedOut { after: Duration::from_secs(1) }), Ok(1), Ok(2)]);
    });
}

#[test]
fn borrowed_runs_inside_borrowed_calls_do_not_deadlock() {
    let batch = batch(BatchConfig::default().workers(2));
    let inner = |n: &usize, _: &CallScope| Ok::<usize, ()>(*n + 1);
    let outer = |n: &usize, _: &CallScope| {
        let scoped = batch.job(inner).run_scoped(0..*n).succeeded();
        let owned = batch.job(inner).run(0..*n).succeeded();
        Ok::<_, ()>((scoped, owned))
    };
    let report = batch.job(outer).run_scoped(0..16);
    for (n, result) in report.results.iter().enumerate() {
        assert_eq!(*result, Ok((n, n)));
    }
}

#[test]
fn a_cancel_a_deadline_and_a_shutdown_end_a_borrowed_run() {
    for by_shutdown in [false, true] {
        let batch = batch(BatchConfig::default().workers(2));
        let (token, gate, started) = (CancelToken::new(), Gate::default(), AtomicUsize::new(0));
        let call = |n: &usize, _: &CallScope| {
            started.fetch_add(1, Ordering::SeqCst);
            gate.pass();
            Ok::<usize, ()>(*n)
        };
        thread::scope(|scope| {
            let run = scope.spawn(|| batch.job(call).cancel(&token).run_scoped(0..50));
            eventually("two have begun", || started.load(Ordering::SeqCst) == 2);
            if by_shutdown {
                batch.shutdown(Duration::ZERO);
            } else {
                token.cancel();
            }
            gate.open();
            let report = run.join().unwrap();
            assert_eq!((report.succeeded(), report.failed()), (2, 48), "by shutdown: {by_shutdown}");
        });
    }
    let batch = batch(BatchConfig::default().workers(2));
    let past = Deadline::after(&Clock::system(), Duration::ZERO);
    let report = batch.job(|n: &usize, _: &CallScope| Ok::<usize, ()>(*n)).deadline(past).run_scoped(0..5);
    assert!(report.results.iter().all(|result| *result == Err(ItemError::NotStarted)));
}

#[test]
fn a_panic_of_the_host_ends_the_scope() {
    let batch = batch(BatchConfig::default().workers(2));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let job = batch.job(|n: &usize, _: &CallScope| Ok::<usize, ()>(*n));
        job.source(|n| if *n == 3 { panic!("no such source") } else { "a".into() }).run_scoped(0..10)
    }));
    assert!(caught.is_err());
    assert_eq!(batch.run(vec![1], Deadline::never(), |n, _| Ok::<i32, ()>(*n)).succeeded(), 1, "nothing is held");
}
