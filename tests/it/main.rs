//! Behaviour of every room through the public API; one module a room, names are promises.

mod batch;
mod breaker;
mod cache;
mod config;
mod limiter;
mod manager;
#[cfg(feature = "prometheus")]
mod metrics_catalogue;
mod quality;
mod router;
mod support;
mod switches;
