#![doc = include_str!("../README.md")]
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types,
    private_bounds,
    private_interfaces,
    single_use_lifetimes,
    unused_qualifications,
    let_underscore_drop,
    rust_2018_idioms
)]
#![warn(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::mem_forget,
    clippy::significant_drop_in_scrutinee,
    clippy::significant_drop_tightening,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::allow_attributes_without_reason
)]
#![allow(
    clippy::module_name_repetitions,
    clippy::must_use_candidate,
    clippy::similar_names,
    clippy::cast_precision_loss,
    reason = "`BreakerConfig` in `breaker/` is meant; guards carry `must_use` by hand; `spec` and `specs` are the \
              field's words; statistics turn counters into `f64`"
)]
#![warn(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)]

pub mod batch;
pub mod breaker;
pub mod cache;
mod cancel;
mod chain;
pub mod clock;
mod config;
pub mod error;
mod hint;
pub mod limiter;
mod listeners;
pub mod manager;
pub mod metrics;
mod name;
mod outcome;
pub mod pool;
pub mod quality;
pub mod registry;
pub mod retry;
pub mod router;
mod sync;
mod tally;
mod wakers;

// Crates whose types stand in signatures, so that a host need not guess their versions.
pub use chrono;
pub use chrono_tz;
#[cfg(feature = "prometheus")]
pub use prometheus;

pub use batch::{BatchConfig, BatchProcessor};
pub use breaker::{BreakerConfig, CircuitBreaker};
pub use cache::{CacheConfig, SmartCache};
pub use clock::{Clock, Deadline};
pub use error::{CallError, ConfigError};
pub use limiter::{AdaptiveRateLimiter, LimiterConfig};
pub use manager::{
    DataSourceManager, EndpointConfig, FetchError, FetchErrorKind, Fetched, ManagerConfig, Source, Verdict,
};
pub use metrics::Metrics;
pub use name::Name;
pub use outcome::Outcome;
pub use quality::{DataQualityValidator, QualityConfig};
pub use router::{EndpointSpec, RouterConfig, SmartRouter};
