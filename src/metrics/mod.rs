//! Metrics in the host's own registry.
//!
//! [`Metrics`] is a cheap handle on one set of metric families. [`Metrics::register`] puts them on
//! the host's registry in one step, or shares the set that is there already;
//! [`Metrics::unregistered`] makes every handle a no-op. Rooms ask for their handles once, when
//! they are built, and never look a label up on a hot path.

#[cfg(feature = "prometheus")]
mod families;
mod handle;
#[cfg(feature = "prometheus")]
mod registrar;
#[cfg(feature = "prometheus")]
mod series;

#[cfg(feature = "prometheus")]
pub use registrar::MetricsError;

pub(crate) use handle::{Amount, Counter, Gauge, Histogram};

use std::fmt;
#[cfg(feature = "prometheus")]
use std::sync::Arc;

/// The metric families of this crate, on one registry or on none.
///
/// # Concurrency
/// Thread-safe; clones share the families.
///
/// # Examples
/// ```
/// # #[cfg(feature = "prometheus")] {
/// let registry = prometheus::Registry::new();
/// let metrics = feedguard::Metrics::register(&registry)?;
/// let again = feedguard::Metrics::register(&registry)?; // shares the families
/// # drop((metrics, again));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    #[cfg(feature = "prometheus")]
    families: Option<Arc<families::Families>>,
}

impl Metrics {
    /// Handles that count nothing.
    pub fn unregistered() -> Self {
        Self::default()
    }

    /// Registers all families on `registry`, or shares the ones an earlier call put there.
    ///
    /// # Errors
    /// [`MetricsError`] if a foreign metric has one of our names; nothing is registered then.
    #[cfg(feature = "prometheus")]
    pub fn register(registry: &prometheus::Registry) -> Result<Self, MetricsError> {
        registrar::register(registry).map(|families| Self { families: Some(families) })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Writes one resolver for each family: `metrics.name(label values) -> handle`. The label values
/// of open sets (sources, endpoints) are capped by the table of series.
macro_rules! resolvers {
    ($($name:ident($($label:ident),*) -> $handle:ident;)*) => {
        impl Metrics {
            $(
                pub(crate) fn $name(&self, $($label: &str),*) -> $handle {
                    #[cfg(feature = "prometheus")]
                    if let Some(families) = &self.families {
                        let family = series::Family {
                            name: stringify!($name),
                            labels: &[$(stringify!($label)),*],
                            remove: |families, values| drop(families.$name.remove_label_values(values)),
                        };
                        let make = |values: &[&str]| families.$name.with_label_values(values);
                        let (inner, lease) = series::SeriesLease::new(families, family, &[$($label),*], $handle::LEAVES, make);
                        return $handle::on(inner, lease);
                    }
                    #[cfg(not(feature = "prometheus"))]
                    let _ = ($($label),*,);
                    $handle::default()
                }
            )*
        }
    };
}

resolvers! {
    api_latency(source, endpoint, status) -> Histogram;
    api_calls(source, endpoint, status) -> Counter;
    data_quality(source, check_type) -> Gauge;
    cost(source) -> Gauge;
    cost_total(currency) -> Amount;
    cache_hits(cache) -> Counter;
    cache_misses(cache) -> Counter;
    cache_stale(cache) -> Counter;
    cache_refreshes(cache, result) -> Counter;
    cache_evictions(cache, cause) -> Counter;
    cache_entries(cache) -> Gauge;
    breaker_state(source) -> Gauge;
    breaker_transitions(source, to) -> Counter;
    rejected(source, reason) -> Counter;
    limiter_rate(source) -> Gauge;
    limiter_bound(source) -> Gauge;
    limiter_limited(source) -> Counter;
    router_picks(endpoint) -> Counter;
    router_arm_calls(router, arm, status) -> Counter;
    router_arm_latency(router, arm) -> Histogram;
    router_arm_cost(router, arm) -> Amount;
    retries(source) -> Counter;
    batch_busy(pool) -> Gauge;
    batch_abandoned(pool) -> Gauge;
    findings(rule, severity) -> Counter;
}

/// Something that passes its counts on when the host's registry is scraped.
pub(crate) trait Scrape: Send + Sync {
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "nobody scrapes then"))]
    fn scrape(&self);
}

impl Metrics {
    /// Calls `source` at each scrape for as long as it lives.
    pub(crate) fn on_scrape(&self, source: std::sync::Weak<dyn Scrape>) {
        #[cfg(feature = "prometheus")]
        if let Some(families) = &self.families {
            families.on_scrape(source);
        }
        #[cfg(not(feature = "prometheus"))]
        drop((self, source));
    }
}
