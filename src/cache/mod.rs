//! Smart cache: answers from memory while it may, refreshes ahead of time, and loads each key once.
//!
//! ```text
//! age:   0 ------ refresh_at ------ soft_until ------ stale_until ------ error_until ->
//!        |  Fresh     |  Refreshing     |     Stale        |  only after a      |  gone
//!        |            |  (one refresh)  |  (soft expiry)   |  failed load       |
//! ```
//! Owns: entries, flights (one load a key), holds (failed and missing keys). Locks: one a shard,
//! held for map access only; one a flight, for its outcome; one a policy lane, for the order of
//! events; one for the entries written last (see `docs/LOCKS.md`). Must not know: sources, breakers, limiters.
//!
//! **Fencing.** A load publishes only if its flight still stands in the table, and leaves the table
//! in the same critical section. Insert, invalidate and clear take the flight out of the table in
//! the critical section that changes the entries. So an older load never overwrites a newer write
//! and never brings an invalidated value back. One that runs for longer than `load_timeout` gives its place in the
//! table to the next caller.

mod backoff;
mod backoffs;
mod builder;
mod bulk;
mod config;
mod core;
mod entry;
mod error;
mod flight;
mod flights;
mod freshness;
mod host;
mod invalidation;
mod keeper;
mod key;
mod lead;
mod load;
mod load_guard;
mod lookup;
mod metrics;
mod own_loader;
mod refresh;
mod removed;
mod saved;
mod settle;
mod shard;
mod shards;
mod smart_cache;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod warm_up;
mod writes;

pub use builder::CacheBuilder;
pub(crate) use config::preset;
pub use config::{CacheConfig, CacheMode, Eviction, ExpiryMode, Foreground};
pub use entry::{CacheStatus, Cached};
pub use error::{KeyTooLong, LoadError, SharedError};
pub(crate) use keeper::Keeper;
pub use key::Key;
pub use load::{BoxError, Loaded};
pub(crate) use load_guard::{LateTicket, LoadContext};
pub use removed::RemovalCause;
pub use saved::{SavedCache, SavedEntry};
pub(crate) use smart_cache::LookupOptions;
pub use smart_cache::SmartCache;
pub use stats::{CacheSnapshot, RefreshFailure, RefreshFailureKind};
pub use warm_up::{WarmUpOptions, WarmUpReport};
