//! Batch processor: many calls at once, each with its own time-out, none able to hold up the rest.
//!
//! ```text
//! run(items) -> drainers in the pool's queue -> worker runs one item, drainer goes to the back
//!    |                                              | hangs past the item time-out
//!    +-- the caller waits, watches the clocks ------+--> TimedOut, worker abandoned and replaced
//! ```
//! Owns: a worker pool. Locks: `progress`, one a run, held for bookkeeping only; the pool's own.
//! Must not know: caches, routers, what a call does.

mod config;
mod error;
mod metrics;
mod processor;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use config::{BatchConfig, BatchMode};
pub use error::ItemError;
pub use processor::{BatchBuilder, BatchProcessor};
pub use report::BatchReport;
