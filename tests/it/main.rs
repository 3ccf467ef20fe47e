//! Behaviour of every room through the public API; one module a room, names are promises.

#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::significant_drop_tightening,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::mem_forget,
    clippy::print_stdout,
    clippy::allow_attributes_without_reason,
    let_underscore_drop,
    reason = "a test plays host, source and operator"
)]

mod batch;
mod breaker;
mod cache;
mod cache_model;
mod config;
mod limiter;
mod manager;
#[cfg(feature = "prometheus")]
mod metrics_catalogue;
mod quality;
mod quality_files;
mod quality_frame;
mod quality_hosted;
mod quality_injection;
mod quality_labels;
mod quality_properties;
mod quality_regressions;
mod quality_table;
mod quality_table_more;
mod regressions;
mod regressions_router;
mod router;
mod support;
mod switches;
