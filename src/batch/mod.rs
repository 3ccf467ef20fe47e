//! Batch processor: many calls at once, each with its own time-out, none able to hold up the rest.
//!
//! ```text
//! items -> lanes by source -> jobs in turn -> a place at the source -> a worker runs one item, then the next
//!    |     (room in the queue)                                        | hangs past the item time-out
//!    +-- the owner pulls, waits for results        an alarm watches --+--> TimedOut, worker given up, replaced
//! ```
//! Owns: a worker pool and an alarm. `board.rs` decides, pure; `engine.rs` holds it under its lock and does
//! what follows; `run.rs` knows the items of one job, `owner.rs` and `stream.rs` who reads its results.
//! Locks: `board`; `desk`, one a job; never both, and no host code under either.
//! Must not know: caches, routers, what a call does.

mod board;
mod borrowed;
mod builder;
mod config;
mod engine;
mod entry;
mod error;
mod job;
mod metrics;
#[cfg(test)]
mod oracle;
mod orders;
mod owner;
mod pending;
mod places;
mod processor;
mod report;
mod room;
mod run;
mod scope;
mod stand_in;
mod stream;
#[cfg(test)]
mod tests;
mod turn_order;

pub use crate::cancel::CancelToken;
pub use builder::BatchBuilder;
pub use config::{BatchConfig, BatchMode, WhenFull};
pub use error::ItemError;
pub use job::BatchJob;
pub use pending::Pending;
pub use processor::BatchProcessor;
pub use report::BatchReport;
pub use scope::CallScope;
pub use stream::BatchStream;
