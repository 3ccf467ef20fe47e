//! Measuring rivals in one run: all subjects take turns in short rounds, so that a noisy
//! neighbour hits all of them; the figure is the median round, the ratio is to the first subject.

pub mod paced;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 25;
const ROUND: Duration = Duration::from_millis(20);

/// One thing to measure: `run(thread, iterations)` does the work.
pub struct Subject<'a> {
    name: &'static str,
    run: Box<dyn Fn(usize, u64) + Sync + 'a>,
}

pub fn subject<'a>(name: &'static str, run: impl Fn(usize, u64) + Sync + 'a) -> Subject<'a> {
    Subject { name, run: Box::new(run) }
}

/// Repeats `work(iteration)`.
pub fn repeat<T>(iterations: u64, work: impl Fn(u64) -> T) {
    for iteration in 0..iterations {
        black_box(work(iteration));
    }
}

/// Measures all subjects at each number of threads and prints nanoseconds an iteration.
pub fn compare(title: &str, threads: &[usize], subjects: &[Subject<'_>]) {
    for &threads in threads {
        println!("\n{title}, {threads} thread(s)");
        println!("{:<34} {:>10} {:>10} {:>8}", "", "ns", "best ns", "ratio");
        let iterations: Vec<u64> = subjects.iter().map(|subject| calibrate(subject, threads)).collect();
        let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
        for _ in 0..ROUNDS {
            for (at, subject) in subjects.iter().enumerate() {
                rounds[at].push(nanos(subject, threads, iterations[at]));
            }
        }
        let mut first = None;
        for (subject, mut rounds) in subjects.iter().zip(rounds) {
            rounds.sort_by(f64::total_cmp);
            let (median, best) = (rounds[rounds.len() / 2], rounds[0]);
            let ratio = median / *first.get_or_insert(median);
            println!("{:<34} {median:>10.1} {best:>10.1} {ratio:>8.2}", subject.name);
        }
    }
}

/// Nanoseconds an iteration on each thread.
fn nanos(subject: &Subject<'_>, threads: usize, iterations: u64) -> f64 {
    let start = Barrier::new(threads);
    let longest = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let begun = Instant::now();
                    (subject.run)(thread, iterations);
                    begun.elapsed()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_default()).max().unwrap_or_default()
    });
    longest.as_nanos() as f64 / iterations as f64
}

fn calibrate(subject: &Subject<'_>, threads: usize) -> u64 {
    let mut iterations = 1;
    loop {
        let took = nanos(subject, threads, iterations) * iterations as f64;
        if took >= ROUND.as_nanos() as f64 / 4.0 || iterations >= 1 << 30 {
            let scale = ROUND.as_nanos() as f64 / took.max(1.0);
            return ((iterations as f64 * scale) as u64).max(1);
        }
        iterations *= 4;
    }
}
