//! Batch: overhead an item, and the time of 100 items of 100 ms on 10 workers.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

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
            let job = batch.job(|n: &u32, _: &feedguard::batch::CallScope| Ok::<_, ()>(*n));
            job.source(|n| if n % 2 == 0 { "a".into() } else { "b".into() }).stream(0..count).count()
        });
        micros_an_item("plain pool of boxed jobs", count, |count| plain.run(count));
        micros_an_item("rayon (no time-outs)", count, |count| {
            let results: Vec<Result<u32, ()>> = rayon.install(|| (0..count).into_par_iter().map(Ok).collect());
            results.len()
        });
    }
    support::repeat(1, |_| ());
}
