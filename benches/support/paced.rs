//! Measuring hits at the pace of real use: a reader waits between its reads, so that each finds cold lines and
//! entries that were not read for long. A tight loop over a few keys keeps every line in the processor's caches
//! and asks no policy anything.

use std::time::{Duration, Instant};

pub const KEYS: usize = 10_000;
/// Each subject's turn at one pace; they take turns, so that a noisy neighbour hits all.
const TURN: Duration = Duration::from_millis(400);
const TURNS: usize = 7;
const REST: Duration = Duration::from_millis(150);

/// A cache to read from.
pub type Read<'a, K> = (&'static str, Box<dyn Fn(&K) + 'a>);

/// Measures all subjects at 10, 100 and 1,000 reads a millisecond, and in rounds with rests between.
pub fn paces<K>(title: &str, keys: &[K], subjects: &[Read<'_, K>]) {
    let clock = overhead();
    println!("\n{title}: a hit in ns (median, 99th percentile), {KEYS} keys, the clock's {clock} ns taken off");
    for pace in [10u32, 100, 1_000] {
        let every = Duration::from_millis(1) / pace;
        report(&format!("{pace} reads a millisecond"), subjects, clock, |read, dice, costs| {
            let start = Instant::now();
            let mut next = start;
            while start.elapsed() < TURN {
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
                next += every;
                costs.push(timed(read, &keys[dice.usize(..KEYS)]));
            }
        });
    }
    report("rounds over all keys, 150 ms of rest between", subjects, clock, |read, _, costs| {
        std::thread::sleep(REST);
        let begun = Instant::now();
        keys.iter().for_each(read);
        costs.push(begun.elapsed().as_nanos() as u64 / KEYS as u64 + clock);
    });
}

fn report<K>(
    title: &str,
    subjects: &[Read<'_, K>],
    clock: u64,
    turn: impl Fn(&dyn Fn(&K), &mut fastrand::Rng, &mut Vec<u64>),
) {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut costs: Vec<Vec<u64>> = vec![Vec::new(); subjects.len()];
    for _ in 0..TURNS {
        for (at, (_, read)) in subjects.iter().enumerate() {
            turn(read, &mut dice, &mut costs[at]);
        }
    }
    println!("\n{title}");
    let mut first = None;
    for ((name, _), mut costs) in subjects.iter().zip(costs) {
        costs.sort_unstable();
        let at = |share: f64| costs[((costs.len() - 1) as f64 * share) as usize].saturating_sub(clock);
        let ratio = at(0.5) as f64 / *first.get_or_insert(at(0.5)) as f64;
        println!("{name:<34} {:>8} {:>8} {ratio:>8.2}", at(0.5), at(0.99));
    }
}

fn timed<K>(read: &dyn Fn(&K), key: &K) -> u64 {
    let begun = Instant::now();
    read(key);
    begun.elapsed().as_nanos() as u64
}

/// What reading the clock twice costs by itself.
fn overhead() -> u64 {
    let mut costs: Vec<u64> = (0..10_000).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}
