//! Batch: overhead an item, and the time of 100 items of 100 ms on 10 workers.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use feedguard::batch::{CallScope, CancelToken};
use feedguard::{BatchConfig, BatchProcessor, Deadline};
use rayon::prelude::*;

const WORKERS: usize = 10;

/// The pool everybody writes once: a channel of boxed jobs, and one of results.
struct PlainPool(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl PlainPool {
    fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..WORKERS {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                loop {
                    let job = queue.lock().unwrap().recv();
                    let Ok(job) = job else { return };
                    job();
                }
            });
        }
        Self(jobs)
    }

    fn run(&self, count: u32) -> usize {
        let (done, results) = mpsc::channel();
        for n in 0..count {
            let done = done.clone();
            self.0.send(Box::new(move || done.send((n, Ok::<u32, ()>(n))).unwrap())).unwrap();
        }
        drop(done);
        let mut all = vec![None; count as usize];
        for (n, result) in results {
            all[n as usize] = Some(result);
        }
        all.iter().flatten().filter(|result| result.is_ok()).count()
    }
}

/// The median of five runs, in microseconds an item.
fn micros_an_item(name: &str, count: u32, run: impl Fn(u32) -> usize) {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(run(count), count as usize);
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(count)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{count:>7} empty items, {name:<28} {:>8.2} us an item", times[2]);
}

fn main() {
    let batch = BatchProcessor::new("batch", BatchConfig::default().workers(WORKERS)).unwrap();
    let sleeping = batch.run((0..100).collect(), Deadline::never(), |_: &u32, _| {
        std::thread::sleep(Duration::from_millis(100));
        Ok::<_, ()>(())
    });
    println!("100 items x 100 ms on 10 workers: {:?} (ideal 1 s)", sleeping.elapsed);
    let plain = PlainPool::new();
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().unwrap();
    for count in [1_000, 100_000] {
        micros_an_item("feedguard run", count, |count| {
            batch.run((0..count).collect(), Deadline::never(), |n, _| Ok::<_, ()>(*n)).succeeded()
        });
        micros_an_item("feedguard stream, by source", count, |count| {
            let job = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n));
            job.source(|n| if n % 2 == 0 { "a".into() } else { "b".into() }).stream(0..count).count()
        });
        micros_an_item("plain pool of boxed jobs", count, |count| plain.run(count));
        micros_an_item("rayon (no time-outs)", count, |count| {
            let results: Vec<Result<u32, ()>> = rayon.install(|| (0..count).into_par_iter().map(Ok).collect());
            results.len()
        });
    }
    for sources in [1, 10, 1_000, 10_000] {
        micros_an_item(&format!("feedguard, {sources} sources"), 100_000, |count| {
            let job = batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n));
            job.source(|n| (n % sources).to_string().as_str().into()).stream(0..count).count()
        });
    }
    micros_an_item("feedguard run_scoped", 10_000, |count| {
        batch.job(|n: &u32, _: &CallScope| Ok::<_, ()>(*n)).run_scoped(0..count).succeeded()
    });
    many_callers();
    small_beside_large();
    support::repeat(1, |_| ());
}

fn rest(millis: u64) -> impl Fn(&u32, &CallScope) -> Result<(), ()> + Send + Sync + 'static {
    move |_, _| {
        std::thread::sleep(Duration::from_millis(millis));
        Ok(())
    }
}

/// 1,000 callers at once, each with a batch of its own.
fn many_callers() {
    let batch = BatchProcessor::new("batch", BatchConfig::default().workers(32)).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..1_000 {
            scope.spawn(|| assert_eq!(batch.job(rest(1)).run(0..18).succeeded(), 18));
        }
    });
    println!("1,000 callers x 18 items x 1 ms on 32 workers: {:?} (ideal 563 ms)", begun.elapsed());
}

/// A batch of 320 items alone, and beside one of very many.
fn small_beside_large() {
    let batch = BatchProcessor::new("batch", BatchConfig::default().workers(32)).unwrap();
    let small = || batch.job(rest(10)).run(0..320).elapsed;
    // The first one starts the threads.
    small();
    let alone = small();
    let token = CancelToken::new();
    let beside = std::thread::scope(|scope| {
        let large = scope.spawn(|| batch.job(rest(10)).cancel(&token).stream(0..1_000_000).count());
        std::thread::sleep(Duration::from_millis(200));
        let beside = small();
        token.cancel();
        drop(large.join());
        beside
    });
    println!("320 items x 10 ms on 32 workers, alone and beside a large one: {alone:?}, {beside:?}");
}
