//! Faults that a review found, each by the promise it broke.

use std::thread;
use std::time::Duration;

use feedguard::batch::{CallScope, CancelToken, ItemError};
use feedguard::clock::ManualClock;
use feedguard::{BatchConfig, BatchProcessor, Clock, Deadline};

use crate::support::{Count, Gate, eventually};

#[test]
fn a_panicking_source_of_an_item_takes_no_room() {
    let batch = BatchProcessor::new("batch", BatchConfig::default().max_queued(1)).unwrap();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        batch.job(|_: &u32, _: &CallScope| Ok::<_, ()>(())).source(|_| panic!("host")).run([1])
    }));
    assert_eq!(batch.queued(), 0);
}
#[test]
fn any_name_makes_threads() {
    for name in ["a/b \"c\"", "\u{4e0a}\u{6d77}".repeat(20).as_str(), &"x".repeat(200)] {
        let batch = BatchProcessor::builder(name).build().unwrap();
        let r = batch.run(vec![1, 2, 3], Deadline::never(), |n, _| Ok::<_, ()>(*n));
        assert_eq!(r.succeeded(), 3);
    }
}

const S: fn(u64) -> Duration = Duration::from_secs;

fn manual(config: BatchConfig) -> (BatchProcessor, ManualClock) {
    let (clock, time) = Clock::manual();
    (BatchProcessor::builder("batch").config(config).clock(clock).build().unwrap(), time)
}

#[test]
fn a_pace_however_short_loses_no_item() {
    for pace in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(50)] {
        let batch = BatchProcessor::new("batch", BatchConfig::default().workers(2)).unwrap();
        let job = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).deadline(Deadline::never());
        assert_eq!(job.pace(move |_| pace).run(0..50).succeeded(), 50);
    }
}

#[test]
fn a_pace_is_asked_once_for_each_item_and_those_of_other_sources_do_not_wait_behind_it() {
    let (batch, time) = manual(BatchConfig::default().workers(4));
    let asked = Count::default();
    let count = asked.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            let pace = move |n: &u64| {
                count.up();
                if n % 2 == 0 { S(10) } else { S(0) }
            };
            let mut order = Vec::new();
            let job = batch.job(|n: &u64, _: &CallScope| Ok::<_, ()>(*n)).pace(pace);
            job.stream(0..6).for_each(|(index, _)| order.push(index));
            order
        });
        eventually("three wait for their time", || asked.get() == 6 && batch.queued() == 3);
        time.advance(S(10));
        let order = job.join().unwrap();
        assert!(order[..3].iter().all(|index| index % 2 == 1), "{order:?}");
        assert_eq!((order.len(), asked.get()), (6, 6));
    });
}

/// Its drop panics.
struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_late_result_whose_drop_panics_frees_its_place_and_its_worker() {
    let (batch, time) = manual(BatchConfig::default().workers(2).per_source(1));
    let gate = Gate::default();
    let inside = gate.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            let call = move |(): &(), _: &CallScope| {
                inside.pass();
                Ok::<_, ()>(Loud)
            };
            let report = batch.job(call).source(|()| "one".into()).run([()]);
            matches!(report.results[0], Err(ItemError::TimedOut { .. }))
        });
        gate.await_arrivals(1);
        time.advance(S(30));
        assert!(job.join().unwrap());
        assert_eq!(batch.snapshot().abandoned, 1);
        gate.open();
        eventually("it comes back", || batch.snapshot().abandoned == 0);
        let report = batch.job(|(): &(), _: &CallScope| Ok::<_, ()>(())).source(|()| "one".into()).run([(); 3]);
        assert_eq!(report.succeeded(), 3);
    });
}

#[test]
fn the_first_item_starts_when_the_iterator_has_given_it() {
    let (batch, _time) = manual(BatchConfig::default().workers(2));
    let started = Count::default();
    let count = started.clone();
    let items = (0..5_usize).inspect(|at| {
        eventually("those before it were started", || started.get() == *at);
    });
    let job = batch.job(move |_: &usize, _: &CallScope| Ok::<_, ()>(count.up()));
    assert_eq!(job.run(items).succeeded(), 5);
}

#[test]
fn a_time_out_is_told_while_the_iterator_is_slow_and_its_worker_replaced() {
    let (batch, time) = manual(BatchConfig::default().workers(1).item_timeout(S(1)));
    let gate = Gate::default();
    let inside = gate.clone();
    let call = move |n: &u32, _: &CallScope| {
        if *n == 0 {
            inside.pass();
        }
        Ok::<_, ()>(*n)
    };
    let items = (0..2).inspect(|n| {
        if *n == 1 {
            gate.await_arrivals(1);
            time.advance(S(1));
            eventually("it is given up meanwhile", || batch.snapshot().abandoned == 1);
        }
    });
    let report = batch.job(call).run(items);
    assert_eq!(report.results, [Err(ItemError::TimedOut { after: S(1) }), Ok(1)]);
    gate.open();
}

#[test]
fn who_waits_for_a_place_or_for_room_hears_of_a_cancel_and_of_a_shutdown() {
    for by_shutdown in [false, true] {
        let (batch, _time) = manual(BatchConfig::default().workers(4).per_source(1).max_queued(3));
        let (gate, token) = (Gate::default(), CancelToken::new());
        let inside = gate.clone();
        thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let call = move |(): &(), _: &CallScope| {
                    inside.pass();
                    Ok::<_, ()>(())
                };
                batch.job(call).source(|()| "one".into()).run([()]).succeeded()
            });
            gate.await_arrivals(1);
            let waits = |items: u32| {
                let job = batch.job(|_: &u32, _: &CallScope| Ok::<_, ()>(())).cancel(&token);
                job.source(|_| "one".into()).run(0..items).results
            };
            let (first, second) = (scope.spawn(move || waits(2)), scope.spawn(move || waits(9)));
            eventually("the queue is full", || batch.queued() == 3);
            if by_shutdown {
                // The one who holds the place never ends in time.
                assert_eq!(batch.shutdown(S(0)).cancelled, 3);
            } else {
                token.cancel();
            }
            let stop = if by_shutdown { ItemError::ShuttingDown } else { ItemError::Cancelled };
            assert_eq!(first.join().unwrap(), vec![Err(stop.clone()); 2]);
            assert_eq!(second.join().unwrap(), vec![Err(stop); 9]);
            gate.open();
            assert_eq!(holder.join().unwrap(), 1);
        });
    }
}

#[test]
fn a_shutdown_counts_no_more_than_the_items() {
    let (batch, _time) = manual(BatchConfig::default().workers(3));
    let gate = Gate::default();
    let inside = gate.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            let call = move |n: &u32, _: &CallScope| {
                inside.pass();
                Ok::<_, ()>(*n)
            };
            batch.job(call).run(0..24).succeeded()
        });
        gate.await_arrivals(3);
        eventually("all wait", || batch.queued() == 21);
        let shutdown = scope.spawn(|| batch.shutdown(S(60)));
        gate.open();
        assert_eq!(job.join().unwrap(), 24);
        let report = shutdown.join().unwrap();
        assert!(report.done <= 24 && report.cancelled == 0 && report.abandoned == 0, "{report:?}");
    });
}

#[test]
fn one_item_may_be_submitted_alone() {
    let (batch, _time) = manual(BatchConfig::default().workers(1));
    let gate = Gate::default();
    let inside = gate.clone();
    let call = move |(): &(), _: &CallScope| {
        inside.pass();
        Ok::<_, ()>(())
    };
    let first = batch.job(call).submit(());
    gate.await_arrivals(1);
    let mut second = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).submit(2);
    let dropped = batch.job(|(): &(), _: &CallScope| -> Result<(), ()> { panic!("never called") }).submit(());
    assert_eq!(batch.queued(), 2);
    drop(dropped);
    assert_eq!(batch.queued(), 1, "an item that nobody waits for has left");
    let passed = Deadline::at(Clock::manual().0.now());
    assert!(!second.is_done_by(passed));
    gate.open();
    assert_eq!((first.wait(), second.wait()), (Ok(()), Ok(2)));
}

#[test]
fn a_thousand_small_runs_at_once_all_end() {
    let (batch, _time) = manual(BatchConfig::default().workers(8).max_queued(50));
    let batch = &batch;
    thread::scope(|scope| {
        let runs: Vec<_> = (0..1_000_u64)
            .map(|run| {
                scope.spawn(move || {
                    let job = batch.job(|n: &u64, _: &CallScope| Ok::<_, ()>(*n));
                    job.source(move |n| format!("s{}", (n + run) % 7).into()).run(0..5).succeeded()
                })
            })
            .collect();
        assert_eq!(runs.into_iter().map(|run| run.join().unwrap()).sum::<usize>(), 5_000);
    });
    assert_eq!((batch.queued(), batch.snapshot().abandoned), (0, 0));
}

#[test]
fn a_call_that_outlives_a_shutdown_or_its_processor_is_told_to_be_late() {
    for by_shutdown in [true, false] {
        // Real time: under a manual clock who waits looks at it himself.
        let config = BatchConfig::default().workers(1).item_timeout(Duration::from_millis(100));
        let batch = BatchProcessor::new("batch", config).unwrap();
        let gate = Gate::default();
        let inside = gate.clone();
        let call = move |(): &(), _: &CallScope| {
            inside.pass();
            Ok::<_, ()>(())
        };
        let pending = batch.job(call).submit(());
        gate.await_arrivals(1);
        let waits = thread::spawn(move || pending.wait());
        if by_shutdown {
            // Time for him to fall asleep in.
            assert_eq!(batch.shutdown(Duration::from_millis(30)).done, 0);
        } else {
            drop(batch);
        }
        eventually("it is told", || waits.is_finished());
        assert!(matches!(waits.join().unwrap(), Err(ItemError::TimedOut { .. })));
        gate.open();
    }
}

#[test]
fn what_an_owner_left_behind_harms_no_worker_when_its_drop_panics() {
    let (batch, _time) = manual(BatchConfig::default().workers(1));
    let gate = Gate::default();
    let (inside, loud) = (gate.clone(), Loud);
    let call = move |(): &(), _: &CallScope| {
        let _captured = &loud;
        inside.pass();
        Ok::<_, ()>(Loud)
    };
    let pending = batch.job(call).submit(());
    gate.await_arrivals(1);
    drop(pending);
    let second = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).submit(2);
    gate.open();
    assert_eq!(second.wait(), Ok(2));
    assert_eq!(batch.run(vec![3], Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n)).results, [Ok(3)]);
}
