//! `05_batch`: twenty calls at once; one hangs, one panics, one fails, the others never notice.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedguard::batch::ItemError;
use feedguard::{BatchConfig, BatchProcessor, Deadline};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = BatchConfig::default().workers(8).item_timeout(Duration::from_millis(200));
    let batch = BatchProcessor::builder("nightly").config(config).build()?;
    // A call on this channel never comes back by itself.
    let (release, hung) = mpsc::channel::<()>();
    let hung = Arc::new(Mutex::new(hung));

    let report = batch.run((0..20).collect(), Deadline::never(), move |n: &u32, _deadline| match n {
        3 => Ok(hung.lock().map_or(0, |hung| hung.recv().map_or(0, |()| 3))),
        7 => panic!("a bug in the host's parser"),
        11 => Err("404"),
        n => Ok(n * n),
    });
    for (n, result) in report.results.iter().enumerate().filter(|(_, result)| result.is_err()) {
        println!("item {n}: {}", result.as_ref().unwrap_err());
    }
    println!("{} of {} done in {:?}", report.succeeded(), report.results.len(), report.elapsed);
    println!("the pool: {:?}", batch.snapshot());
    assert_eq!(report.succeeded(), 17);
    assert!(matches!(report.results[3], Err(ItemError::TimedOut { .. })));
    drop(release);
    Ok(())
}
