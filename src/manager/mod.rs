//! Manager: all rooms composed around a host's endpoint calls.
//!
//! ```text
//! fetch -> cache -> fresh: done
//!            | a miss, or a refresh in the background
//!            v
//!          round: route -> each candidate: place, limiter, breaker, router
//!            ^               ^                                  |
//!            |               |                                  v
//!            |               |               call thread: call, judge, check
//!            |               |                                  |
//!            |               +- next candidate, hedge, backup <-+ failed, flawed, slow
//!            +- pause until somebody can be called, within deadline, rounds and budget
//! ```
//! Owns: the order of the rooms, the threads of calls, what is remembered of endpoints. Locks: `plan`,
//! `changes`, and those of the engine (see `docs/LOCKS.md`). `fetch.rs` is the story of a fetch, whole;
//! `calls.rs` the engine under it.

mod answer;
mod answer_config;
mod builder;
mod caches_config;
mod call;
mod caller;
mod calls;
mod calls_config;
mod categories;
mod changes;
mod config;
mod data_source_manager;
mod endpoint_config;
mod error;
mod fetch;
mod fetch_batch;
mod fetched;
mod guard_parts;
mod guarded;
mod hedge_config;
mod hedging;
mod metrics;
mod options;
mod record;
mod snapshot;
mod source;
mod source_call;
mod story;
#[cfg(test)]
mod tests;
mod verdict;
mod watch;

pub use answer_config::{AnswerQualityConfig, JudgeRows};
pub use builder::ManagerBuilder;
pub use caches_config::CachesConfig;
pub use call::Call;
pub use calls_config::{CallsConfig, Isolation};
pub use config::ManagerConfig;
pub use data_source_manager::DataSourceManager;
pub use endpoint_config::{EndpointConfig, QuotaGroupConfig};
pub use error::{FetchError, FetchErrorKind, Refusal, RefusalReason};
pub use fetch_batch::FetchReport;
pub use fetched::Fetched;
pub use hedge_config::{HedgeConfig, HedgeSnapshot};
pub use options::FetchOptions;
pub use record::{AttemptOutcome, AttemptRecord, FetchRecord};
pub use snapshot::{EndpointHealth, ManagerSnapshot};
pub use source::{Source, SourceFn, source_fn};
pub use verdict::Verdict;
