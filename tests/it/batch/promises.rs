use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::batch::{CallScope, CancelToken, ItemError, WhenFull};
use feedguard::clock::ManualClock;
use feedguard::{BatchConfig, BatchProcessor, Clock, Deadline};

use crate::support::{Count, Gate, drive, eventually};

const S: fn(u64) -> Duration = Duration::from_secs;

fn batch(config: BatchConfig) -> (Arc<BatchProcessor>, ManualClock) {
    let (clock, time) = Clock::manual();
    (Arc::new(BatchProcessor::builder("test").config(config).clock(clock).build().unwrap()), time)
}

fn workers(count: usize) -> BatchConfig {
    BatchConfig::default().workers(count).max_abandoned(count)
}

#[test]
fn results_keep_the_order_of_the_items_and_errors_stay_with_theirs() {
    let (batch, _time) = batch(workers(8));
    let report = batch.run((0..1000).collect(), Deadline::never(), |n, _| match n % 3 {
        0 => Err(format!("no {n}")),
        1 if n % 100 == 1 => panic!("item {n}"),
        _ => Ok(n * 2),
    });
    for (n, result) in (0..1000).zip(&report.results) {
        match n % 3 {
            0 => assert_eq!(*result, Err(ItemError::Failed(format!("no {n}")))),
            1 if n % 100 == 1 => assert_eq!(*result, Err(ItemError::Panicked { message: format!("item {n}").into() })),
            _ => assert_eq!(*result, Ok(n * 2)),
        }
    }
    assert_eq!(report.succeeded() + report.failed(), 1000);
}

#[test]
fn an_empty_batch_is_done_and_a_large_one_is_bounded() {
    let (batch, _time) = batch(workers(4));
    assert!(batch.run(Vec::<u8>::new(), Deadline::never(), |_, _| Ok::<_, ()>(())).results.is_empty());
    let report = batch.run((0..100_000).collect(), Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n));
    assert_eq!(report.succeeded(), 100_000);
}

#[test]
fn items_run_at_once_up_to_the_number_of_workers() {
    let (batch, _time) = batch(workers(5));
    let gate = Gate::default();
    let (inside, running, most) = (gate.clone(), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    thread::scope(|scope| {
        scope.spawn(|| {
            batch.run((0..20).collect(), Deadline::never(), move |_: &u32, _| {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                seen.fetch_max(now, Ordering::SeqCst);
                inside.pass();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, ()>(())
            })
        });
        gate.await_arrivals(5);
        gate.open();
    });
    assert_eq!(most.load(Ordering::SeqCst), 5);
}

/// Starts a run of `hung` items that stand at a gate, and times them out.
fn hang<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    batch: &'scope BatchProcessor,
    time: &ManualClock,
    hung: usize,
) -> (Gate, Vec<Result<(), ItemError<()>>>) {
    let gate = Gate::default();
    let inside = gate.clone();
    let run = scope.spawn(move || {
        batch.run((0..hung).collect(), Deadline::never(), move |_, _| {
            inside.pass();
            Ok(())
        })
    });
    gate.await_arrivals(hung);
    time.advance(S(30));
    (gate, run.join().unwrap().results)
}

#[test]
fn hung_items_time_out_their_workers_are_replaced_and_counted_until_they_come_back() {
    let (batch, time) = batch(workers(4));
    thread::scope(|scope| {
        let (gate, results) = hang(scope, &batch, &time, 4);
        assert!(results.iter().all(|result| *result == Err(ItemError::TimedOut { after: S(30) })));
        assert_eq!(batch.snapshot().abandoned, 4);
        let report = batch.run((0..100).collect(), Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n));
        assert_eq!(report.succeeded(), 100);
        gate.open();
        eventually("they come back", || batch.snapshot().abandoned == 0);
    });
}

#[test]
fn at_the_cap_items_fail_fast_instead_of_waiting() {
    let (batch, time) = batch(workers(2).max_abandoned(0));
    thread::scope(|scope| {
        let gate = Gate::default();
        let inside = gate.clone();
        let run = scope.spawn(|| {
            batch.run((0..10).collect(), Deadline::never(), move |_: &u32, _| {
                inside.pass();
                Ok::<_, ()>(())
            })
        });
        gate.await_arrivals(2);
        time.advance(S(30));
        let results = run.join().unwrap().results;
        assert_eq!(results.iter().filter(|r| matches!(r, Err(ItemError::TimedOut { .. }))).count(), 2);
        assert_eq!(results.iter().filter(|r| matches!(r, Err(ItemError::Saturated { .. }))).count(), 8);
        gate.open();
    });
}

#[test]
fn a_run_on_a_pool_that_is_stuck_at_the_cap_fails_fast_and_the_pool_recovers() {
    let (batch, time) = batch(workers(2).max_abandoned(0));
    thread::scope(|scope| {
        let (gate, _results) = hang(scope, &batch, &time, 2);
        let second = batch.run(vec![1], Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n));
        assert_eq!(second.results, [Err(ItemError::Saturated { abandoned: 2 })]);
        gate.open();
        eventually("they come back", || batch.snapshot().abandoned == 0);
        let third = batch.run(vec![1], Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n));
        assert_eq!(third.results, [Ok(1)]);
    });
}

#[test]
fn a_shutdown_ends_when_the_last_hung_worker_is_given_up() {
    let (batch, time) = batch(workers(1));
    thread::scope(|scope| {
        let gate = Gate::default();
        let inside = gate.clone();
        let run = scope.spawn(|| {
            batch.run(vec![()], Deadline::never(), move |(), _| {
                inside.pass();
                Ok::<_, ()>(())
            })
        });
        gate.await_arrivals(1);
        let closing = scope.spawn(|| batch.shutdown(Duration::MAX));
        time.advance(S(30));
        assert!(matches!(run.join().unwrap().results[0], Err(ItemError::TimedOut { .. })));
        assert_eq!(closing.join().unwrap().abandoned, 1);
        gate.open();
    });
}

#[test]
fn serial_runs_end_at_a_shutdown_too() {
    let batch = BatchProcessor::new("batch", BatchConfig::serial()).unwrap();
    batch.shutdown(S(1));
    let late = batch.run(vec![1], Deadline::never(), |_, _| Ok::<_, ()>(()));
    assert_eq!(late.results, [Err(ItemError::ShuttingDown)]);
}

#[test]
fn the_deadline_of_the_run_ends_it_and_what_was_not_started_says_so() {
    let (clock, time) = Clock::manual();
    let batch = BatchProcessor::builder("test").config(workers(2)).clock(clock.clone()).build().unwrap();
    let gate = Gate::default();
    let (inside, calls) = (gate.clone(), Count::default());
    let counted = calls.clone();
    let report = thread::scope(|scope| {
        let deadline = Deadline::after(&clock, S(10));
        let run = scope.spawn(move || {
            batch.run((0..5).collect(), deadline, move |_: &u32, given| {
                counted.up();
                assert_eq!(given, deadline, "the earlier one is handed to the call");
                inside.pass();
                Ok::<_, ()>(())
            })
        });
        gate.await_arrivals(2);
        time.advance(S(10));
        let report = run.join().unwrap();
        gate.open();
        report
    });
    assert_eq!(calls.get(), 2);
    assert!(matches!(report.results[0], Err(ItemError::TimedOut { .. })));
    assert_eq!(report.results[4], Err(ItemError::NotStarted));
}

#[test]
fn nested_runs_do_not_deadlock() {
    let (batch, _time) = batch(workers(2));
    let inner = Arc::clone(&batch);
    let report = batch.run((0..8).collect(), Deadline::never(), move |n: &u32, _| {
        let nested = inner.run((0..4).collect(), Deadline::never(), |m: &u32, _| Ok::<_, ()>(*m));
        Ok::<_, ()>(n + nested.succeeded() as u32)
    });
    assert_eq!(report.results, (0..8).map(|n| Ok(n + 4)).collect::<Vec<_>>());
}

#[test]
fn two_runs_share_the_workers_in_turn() {
    let (batch, _time) = batch(workers(1));
    let gate = Gate::default();
    let order = Arc::new(std::sync::Mutex::new(String::new()));
    thread::scope(|scope| {
        for (at, name) in ['a', 'b'].into_iter().enumerate() {
            let (batch, inside, order) = (&batch, gate.clone(), Arc::clone(&order));
            scope.spawn(move || {
                batch.run((0..4).collect(), Deadline::never(), move |_: &u32, _| {
                    inside.pass();
                    order.lock().unwrap().push(name);
                    Ok::<_, ()>(())
                })
            });
            if at == 0 {
                gate.await_arrivals(1);
            }
        }
        eventually("both wait but for one call", || batch.snapshot().queued == 7);
        gate.open();
    });
    assert_eq!(*order.lock().unwrap(), "abababab");
}

#[test]
fn progress_runs_on_the_callers_thread_and_reaches_the_total() {
    let (batch, _time) = batch(workers(4));
    let me = thread::current().id();
    let mut last = 0;
    let job = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n));
    job.run_with_progress(0..50, |done, total| {
        assert_eq!((thread::current().id(), total), (me, 50));
        assert!(done > last);
        last = done;
    });
    assert_eq!(last, 50);
}

#[test]
fn shutdown_in_the_middle_ends_what_runs_and_fails_the_rest() {
    let (batch, time) = batch(workers(2));
    let gate = Gate::default();
    let inside = gate.clone();
    let results = thread::scope(|scope| {
        let run = scope.spawn(|| {
            batch.run((0..10).collect(), Deadline::never(), move |_: &u32, _| {
                inside.pass();
                Ok::<_, ()>(())
            })
        });
        gate.await_arrivals(2);
        let closing = scope.spawn(|| batch.shutdown(S(1)));
        // Fewer steps than the time-out of an item has seconds.
        drive(&time, S(1), 25, || closing.is_finished());
        assert_eq!(closing.join().unwrap().abandoned, 2);
        gate.open();
        run.join().unwrap().results
    });
    assert!(results.iter().all(|r| matches!(r, Ok(()) | Err(ItemError::ShuttingDown | ItemError::TimedOut { .. }))));
    assert!(results.contains(&Err(ItemError::ShuttingDown)));
    let late = batch.run(vec![1], Deadline::never(), |_, _| Ok::<_, ()>(()));
    assert_eq!(late.results, [Err(ItemError::ShuttingDown)]);
}

#[test]
fn dropping_the_processor_inside_its_own_worker_is_fine() {
    let (batch, _time) = batch(workers(2));
    let held = Arc::new(std::sync::Mutex::new(Some(Arc::clone(&batch))));
    batch.run(vec![()], Deadline::never(), move |(), _| {
        drop(held.lock().unwrap().take());
        Ok::<_, ()>(())
    });
    drop(batch);
}

#[test]
fn thirty_two_hung_calls_cost_the_next_hundred_nothing_and_are_counted_down_when_they_end() {
    let (batch, time) = batch(workers(32));
    thread::scope(|scope| {
        let (gate, results) = hang(scope, &batch, &time, 32);
        assert!(results.iter().all(|result| matches!(result, Err(ItemError::TimedOut { .. }))));
        // No time passes on the clock of the calls: the hundred wait for nobody.
        let before = batch.snapshot();
        let report = batch.run((0..100).collect(), Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n));
        assert_eq!((report.succeeded(), report.elapsed, before.abandoned), (100, S(0), 32));
        gate.open();
        eventually("they come back", || batch.snapshot().abandoned == 0);
    });
}

#[test]
fn a_source_that_hangs_holds_its_own_places_only_and_fails_fast_then() {
    let (batch, time) = batch(workers(8).per_source(3));
    let gate = Gate::default();
    let inside = gate.clone();
    let served = Count::default();
    let count = served.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            let call = move |item: &(&'static str, u32), _: &CallScope| {
                if item.0 == "hung" {
                    inside.pass()
                } else {
                    count.up();
                }
                Ok::<_, ()>(item.1)
            };
            let items = (0..200).map(|n| (if n % 2 == 0 { "hung" } else { "good" }, n));
            batch.job(call).source(|item: &(&str, u32)| item.0.into()).run(items.collect::<Vec<_>>())
        });
        // All hundred good ones end while three calls hang: they never wait for them.
        gate.await_arrivals(3);
        eventually("the good ones are done", || served.get() == 100 && batch.snapshot().busy == 3);
        time.advance(S(30));
        let report = job.join().unwrap();
        let timed_out = report.results.iter().filter(|r| matches!(r, Err(ItemError::TimedOut { .. }))).count();
        let saturated =
            report.results.iter().filter(|r| matches!(r, Err(ItemError::Saturated { abandoned: 3 }))).count();
        assert_eq!((report.succeeded(), timed_out, saturated), (100, 3, 97));
        gate.open();
    });
}

#[test]
fn the_places_of_a_source_hold_over_all_jobs_and_are_taken_before_a_worker() {
    let (batch, _time) = batch(workers(8).per_source(2));
    let gate = Gate::default();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for _ in 0..3 {
            let (batch, inside, running, most) = (&batch, gate.clone(), Arc::clone(&running), Arc::clone(&most));
            scope.spawn(move || {
                let call = move |_: &u32, _: &CallScope| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    inside.pass();
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, ()>(())
                };
                assert_eq!(batch.job(call).source(|_| "one".into()).run(0..10).succeeded(), 10);
            });
        }
        gate.await_arrivals(2);
        eventually("the others hold no worker", || batch.snapshot().busy == 2);
        gate.open();
    });
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn a_stream_of_a_million_items_pulls_no_more_than_it_has_room_for() {
    let (batch, _time) = batch(workers(4).max_queued(50));
    let pulled = Count::default();
    let count = pulled.clone();
    let items = (0..1_000_000u32).inspect(move |_| {
        count.up();
    });
    let mut done = 0;
    let mut seen = vec![false; 1_000_000];
    for (index, result) in batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).stream(items) {
        assert_eq!(result, Ok(u32::try_from(index).unwrap()));
        assert!(!std::mem::replace(&mut seen[index], true));
        done += 1;
        assert!(pulled.get() - done <= 54, "{} pulled, {done} done", pulled.get());
    }
    assert_eq!(done, 1_000_000);
}

#[test]
fn a_dropped_stream_starts_nothing_more_and_leaves_no_item_in_the_queue() {
    let (batch, _time) = batch(workers(2));
    let started = Count::default();
    let count = started.clone();
    let mut stream = batch.job(move |_: &u32, _: &CallScope| Ok::<_, ()>(count.up())).stream(0..10_000);
    assert!(stream.next().is_some());
    drop(stream);
    eventually("the pool is quiet", || batch.snapshot().busy == 0 && batch.snapshot().queued == 0);
    let after = started.get();
    assert!(after < 10_000);
    assert_eq!(batch.run(vec![1], Deadline::never(), |_, _| Ok::<_, ()>(())).succeeded(), 1);
    assert_eq!(started.get(), after);
}

#[test]
fn a_token_stops_what_has_not_started_and_is_seen_inside() {
    let (batch, _time) = batch(workers(2));
    let (gate, token) = (Gate::default(), CancelToken::new());
    let inside = gate.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            let call = move |_: &u32, scope: &CallScope| {
                inside.pass();
                if scope.is_cancelled() { Err("seen") } else { Ok(()) }
            };
            batch.job(call).cancel(&token).run(0..100)
        });
        gate.await_arrivals(2);
        token.cancel();
        gate.open();
        let report = job.join().unwrap();
        let count = |error: &ItemError<&str>| report.results.iter().filter(|r| r.as_ref() == Err(error)).count();
        assert_eq!((count(&ItemError::Failed("seen")), count(&ItemError::Cancelled)), (2, 98));
    });
    let late = batch.job(|_: &u32, _: &CallScope| Ok::<_, ()>(())).cancel(&token).run(0..3);
    assert_eq!(late.results, vec![Err(ItemError::Cancelled); 3]);
}

#[test]
fn equal_items_are_called_for_once_and_all_get_the_result() {
    let (batch, _time) = batch(workers(4));
    let calls = Count::default();
    let count = calls.clone();
    let call = move |n: &u32, _: &CallScope| {
        count.up();
        if *n == 3 { Err(*n) } else { Ok(*n) }
    };
    let report = batch.job(call).run_coalesced((0..1000).map(|n| n % 7));
    assert_eq!(calls.get(), 7);
    for (n, result) in report.results.iter().enumerate() {
        let n = u32::try_from(n % 7).unwrap();
        assert_eq!(*result, if n == 3 { Err(ItemError::Failed(3)) } else { Ok(n) });
    }
}

#[test]
fn a_full_queue_rejects_or_makes_wait() {
    for when_full in [WhenFull::Reject, WhenFull::Wait] {
        let (batch, _time) = batch(workers(1).max_queued(2).when_full(when_full));
        let gate = Gate::default();
        thread::scope(|scope| {
            let inside = gate.clone();
            let first = scope.spawn(|| {
                batch
                    .job(move |_: &u32, _: &CallScope| {
                        inside.pass();
                        Ok::<_, ()>(())
                    })
                    .run(0..4)
            });
            gate.await_arrivals(1);
            eventually("one runs and two wait", || batch.queued() == 2);
            let second = scope.spawn(|| batch.run(vec![7], Deadline::never(), |n: &u32, _| Ok::<_, ()>(*n)));
            if when_full == WhenFull::Reject {
                assert_eq!(second.join().unwrap().results, [Err(ItemError::QueueFull)]);
                gate.open();
            } else {
                gate.open();
                assert_eq!(second.join().unwrap().results, [Ok(7)]);
            }
            assert_eq!(first.join().unwrap().succeeded(), 4);
        });
    }
}

#[test]
fn paced_items_wait_on_the_callers_thread_not_on_a_worker() {
    let (batch, time) = batch(workers(4));
    let opened = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        let gate = Arc::clone(&opened);
        let job = scope.spawn(|| {
            let pace = move |_: &u32| if gate.load(Ordering::SeqCst) > 0 { S(0) } else { S(1) };
            batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).pace(pace).run(0..10)
        });
        // As many as there are workers have their times, all before the clock moves.
        eventually("four wait for their time", || batch.queued() == 4);
        assert_eq!(batch.snapshot().busy, 0, "nothing is given to a worker");
        opened.store(1, Ordering::SeqCst);
        time.advance(S(1));
        assert_eq!(job.join().unwrap().succeeded(), 10);
    });
}

#[test]
fn a_shutdown_runs_out_what_waits_and_says_what_it_did() {
    let (batch, _time) = batch(workers(2));
    let gate = Gate::default();
    let inside = gate.clone();
    thread::scope(|scope| {
        let job = scope.spawn(|| {
            batch
                .job(move |n: &u32, _: &CallScope| {
                    inside.pass();
                    Ok::<_, ()>(*n)
                })
                .run(0..10)
        });
        gate.await_arrivals(2);
        // One that is handed in after the shutdown is refused.
        eventually("the others wait", || batch.queued() == 8);
        let shutdown = scope.spawn(|| batch.shutdown(S(60)));
        let over = Deadline::at(Clock::manual().0.now());
        eventually("it is closed", || {
            batch.run(vec![1], over, |_, _| Ok::<_, ()>(())).results == [Err(ItemError::ShuttingDown)]
        });
        gate.open();
        assert_eq!(job.join().unwrap().succeeded(), 10, "no time has passed: all are run out");
        let report = shutdown.join().unwrap();
        assert!(report.done >= 8, "{report:?}");
        assert_eq!((report.cancelled, report.abandoned), (0, 0));
    });
}
