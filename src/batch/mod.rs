//! Batch processor: many calls at once, each with its own time-out, none able to hold up the rest.
//!
//! ```text
//! items -> lanes by source -> a place at the source -> a thread runs one item, its batch worker goes to the back
//!    |     (room in the queue)                          | hangs past the item time-out
//!    +-- the caller pulls, waits, watches the clocks ----+--> TimedOut, worker abandoned and replaced
//! ```
//! Owns: a worker pool. Locks: `progress`, one a job, held for bookkeeping only; `shared` of the
//! places, after it; the pool's own.
//! Must not know: caches, routers, what a call does.

mod builder;
mod cancel;
mod config;
mod error;
mod job;
mod metrics;
mod processor;
mod report;
mod run;
mod scope;
mod slots;
#[cfg(test)]
mod tests;
mod wakers;

pub use builder::BatchBuilder;
pub use cancel::CancelToken;
pub use config::{BatchConfig, BatchMode, WhenFull};
pub use error::ItemError;
pub use job::{BatchJob, BatchStream};
pub use processor::BatchProcessor;
pub use report::BatchReport;
pub use scope::CallScope;
