//! Batch: overhead an item, and the time of 100 items of 100 ms on 10 workers.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::mem_forget,
    clippy::print_stdout,
    clippy::allow_attributes_without_reason,
    let_underscore_drop,
    reason = "a bench measures, it is no interface"
)]

#[allow(dead_code, unreachable_pub, reason = "each bench takes what it needs")]
mod support;

use std::time::{Duration, Instant};

use feedguard::{BatchConfig, BatchProcessor, Deadline};

fn main() {
    let batch = BatchProcessor::new(BatchConfig::default().workers(10)).unwrap();
    let sleeping = batch.run((0..100).collect(), Deadline::never(), |_: &u32, _| {
        std::thread::sleep(Duration::from_millis(100));
        Ok::<_, ()>(())
    });
    println!("100 items x 100 ms on 10 workers: {:?} (ideal 1 s)", sleeping.elapsed);
    for count in [1_000u32, 100_000] {
        let begun = Instant::now();
        let report = batch.run((0..count).collect(), Deadline::never(), |n, _| Ok::<_, ()>(*n));
        let elapsed = begun.elapsed();
        assert_eq!(report.succeeded(), count as usize);
        println!(
            "{count} empty items: {:?}, {:.2} us an item",
            elapsed,
            elapsed.as_secs_f64() * 1e6 / f64::from(count)
        );
        support::repeat(1, |_| ());
    }
}
