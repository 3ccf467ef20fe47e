//! Manager: all rooms composed around a host's endpoint calls.
//!
//! ```text
//! fetch -> cache -> hit: done
//!            | miss, or refresh in the background
//!            v
//!          route -> for each candidate: breaker -> limiter -> Source::call -> judge -> validate
//!            ^                                                     |
//!            +---------- next candidate, inside the deadline <-----+ failure
//! ```
//! Owns: the order of the rooms. Locks: none of its own. `fetch.rs` is the hot path, whole.

mod builder;
mod config;
mod data_source_manager;
mod error;
mod fetch;
mod fetched;
mod hedge;
mod metrics;
mod snapshot;
mod source;

pub use builder::ManagerBuilder;
pub use config::{CachesConfig, EndpointConfig, ManagerConfig, QuotaGroupConfig};
pub use data_source_manager::{DataSourceManager, FetchReport};
pub use error::{FetchError, FetchErrorKind, Refusal, RefusalReason};
pub use fetched::Fetched;
pub use hedge::{HedgeConfig, HedgeSnapshot};
pub use snapshot::{EndpointHealth, ManagerSnapshot};
pub use source::{Category, Source, Verdict};
