//! What all rooms share: configuration, metrics, switches.

mod config;
#[cfg(feature = "prometheus")]
mod metrics_catalogue;
mod switches;
