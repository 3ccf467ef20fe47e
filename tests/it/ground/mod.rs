//! What all rooms share: configuration, metrics, switches.

mod config;
#[cfg(feature = "prometheus")]
mod metrics_catalogue;
#[cfg(feature = "prometheus")]
mod metrics_use;
#[cfg(feature = "prometheus")]
mod monitoring;
mod switches;
