//! Metrics in the host's own registry.
//!
//! [`Metrics`] is a cheap handle on one set of metric families. [`Metrics::register`] puts them on
//! the host's registry in one step, or shares the set that is there already;
//! [`Metrics::unregistered`] makes every handle a no-op. Rooms ask for their handles once, when
//! they are built, and never look a label up on a hot path.

mod catalogue;
#[cfg(feature = "prometheus")]
mod families;
mod handle;
#[cfg(feature = "prometheus")]
mod reading;
#[cfg(feature = "prometheus")]
mod registrar;
#[cfg(feature = "prometheus")]
mod series;
mod timed_mutex;

#[cfg(feature = "prometheus")]
pub use registrar::MetricsError;

pub(crate) use handle::{Amount, Counter, Gauge, Histogram};
pub(crate) use timed_mutex::TimedMutex;

use std::fmt;
#[cfg(feature = "prometheus")]
use std::sync::Arc;

use catalogue::catalogue;
#[cfg(feature = "prometheus")]
use handle::Handle;

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
    #[cfg(feature = "prometheus")]
    vendor: Option<Arc<str>>,
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
        registrar::register(registry).map(|families| Self { families: Some(families), vendor: None })
    }

    /// The same families for guards of this vendor's endpoints: their label `source` is the vendor, `endpoint`
    /// the guard's name. Otherwise both are the guard's name. A manager does so by itself, by
    /// [`EndpointSpec::vendor`](crate::EndpointSpec::vendor).
    ///
    /// # Examples
    /// ```
    /// use feedguard::{BreakerConfig, CircuitBreaker, Metrics};
    /// let metrics = Metrics::unregistered(); // or on the registry of the host
    /// let breaker = CircuitBreaker::builder("sina.daily").metrics(&metrics.of_vendor("sina")).build()?;
    /// # drop(breaker);
    /// # Ok::<(), feedguard::ConfigError>(())
    /// ```
    #[must_use]
    pub fn of_vendor(&self, vendor: &str) -> Self {
        #[cfg(feature = "prometheus")]
        return Self { families: self.families.clone(), vendor: Some(vendor.into()) };
        #[cfg(not(feature = "prometheus"))]
        {
            let _ = vendor;
            self.clone()
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(feature = "prometheus")]
impl Metrics {
    /// The vendor of an endpoint's series.
    fn vendor_of<'a>(&'a self, endpoint: &'a str) -> &'a str {
        self.vendor.as_deref().unwrap_or(endpoint)
    }
}

/// The values of a family's labels, by those of its resolver.
#[cfg(feature = "prometheus")]
macro_rules! values {
    ($metrics:expr, endpoint $endpoint:ident $(, $label:ident $value:ident)*) => {
        &[$metrics.vendor_of($endpoint), $endpoint $(, $value)*]
    };
    ($metrics:expr, $($label:ident $value:ident),+) => { &[$($value),+] };
}

/// The handle on a family's series.
#[cfg(feature = "prometheus")]
macro_rules! held {
    ($families:expr, $family:expr, $field:ident, $values:expr, Gauge $merge:ident) => {{
        let show: fn(&families::Families, &[&str], f64) = |families, values, value| {
            families.$field.with_label_values(values).set(value);
        };
        let gauge = Some(series::Shown { merge: reading::Merge::$merge, show });
        let (reading, lease) = series::SeriesLease::read($families, series::Family { gauge, ..$family }, $values);
        Gauge::on(reading, lease)
    }};
    ($families:expr, $family:expr, $field:ident, $values:expr, $kind:ident $($rest:ident)?) => {{
        let make = |values: &[&str]| $families.$field.with_label_values(values);
        let (inner, lease) = series::SeriesLease::counted($families, $family, $values, make);
        $kind::on(inner, lease)
    }};
}

/// Writes one resolver for each family: `metrics.name(label values) -> handle`. The values of open labels
/// (sources, endpoints) are capped by the table of series.
macro_rules! resolvers {
    ($($metric:literal, $help:literal: $field:ident($($label:ident),+) -> $kind:ident $($of:ident)?;)*) => {
        impl Metrics {
            $(
                #[doc = concat!("`", $metric, "`")]
                pub(crate) fn $field(&self, $($label: &str),+) -> $kind {
                    #[cfg(feature = "prometheus")]
                    if let Some(families) = &self.families {
                        let family = series::Family {
                            name: $metric,
                            labels: families::labels!($($label),+),
                            remove: |families, values| drop(families.$field.remove_label_values(values)),
                            gauge: None,
                        };
                        return held!(families, family, $field, values!(self, $($label $label),+), $kind $($of)?);
                    }
                    #[cfg(not(feature = "prometheus"))]
                    let _ = ($($label),+,);
                    $kind::default()
                }
            )*
        }
    };
}

catalogue!(resolvers);

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
