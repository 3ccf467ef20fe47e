//! Counter, gauge, histogram: thin handles that do nothing when unregistered and are of size zero
//! without the feature `prometheus`.

use std::time::Duration;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $inner:ident, $leaves:literal) => {
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub(crate) struct $name {
            #[cfg(feature = "prometheus")]
            inner: Option<prometheus::$inner>,
            #[cfg(feature = "prometheus")]
            _lease: Option<std::sync::Arc<super::series::SeriesLease>>,
        }

        impl $name {
            /// Whether its series leaves the page with the last that holds it.
            #[cfg(feature = "prometheus")]
            pub(super) const LEAVES: bool = $leaves;

            #[cfg(feature = "prometheus")]
            pub(super) fn on(inner: prometheus::$inner, lease: std::sync::Arc<super::series::SeriesLease>) -> Self {
                Self { inner: Some(inner), _lease: Some(lease) }
            }
        }
    };
}

/// Runs `$use` on the inner metric where there is one; the values are used up in every build.
macro_rules! with {
    ($handle:expr, $($value:ident),*; |$inner:ident| $use:expr) => {{
        #[cfg(feature = "prometheus")]
        if let Some($inner) = &$handle.inner {
            $use;
        }
        #[cfg(not(feature = "prometheus"))]
        let _ = ($handle, $($value),*);
    }};
}

handle!(
    /// A count that only grows.
    Counter, IntCounter, false
);
handle!(
    /// A sum of money or other fractional amount that only grows.
    Amount, Counter, false
);
handle!(
    /// A value that goes up and down.
    Gauge, Gauge, true
);
handle!(
    /// A distribution of durations, in seconds.
    Histogram, Histogram, false
);

impl Counter {
    #[inline]
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    #[inline]
    pub(crate) fn add(&self, by: u64) {
        with!(self, by; |inner| inner.inc_by(by));
    }
}

impl Amount {
    /// Adds an amount; negative and non-finite amounts are ignored.
    pub(crate) fn add(&self, by: f64) {
        if by.is_finite() && by > 0.0 {
            with!(self, by; |inner| inner.inc_by(by));
        }
    }
}

impl Gauge {
    /// Sets the value; NaN is ignored.
    #[inline]
    pub(crate) fn set(&self, value: f64) {
        if !value.is_nan() {
            with!(self, value; |inner| inner.set(value));
        }
    }
}

impl Gauge {
    pub(crate) fn add(&self, by: f64) {
        if by.is_finite() {
            with!(self, by; |inner| inner.add(by));
        }
    }
}

impl Histogram {
    #[inline]
    pub(crate) fn observe(&self, value: Duration) {
        with!(self, value; |inner| inner.observe(value.as_secs_f64()));
    }
}
