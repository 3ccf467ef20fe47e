//! Counter, gauge, histogram: thin handles that do nothing when unregistered and are of size zero
//! without the feature `prometheus`.

use std::time::Duration;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub(crate) struct $name {
            #[cfg(feature = "prometheus")]
            inner: Option<$inner>,
            #[cfg(feature = "prometheus")]
            _lease: Option<std::sync::Arc<super::series::SeriesLease>>,
        }

        #[cfg(feature = "prometheus")]
        impl Handle for $name {
            type Inner = $inner;

            fn on(inner: $inner, lease: std::sync::Arc<super::series::SeriesLease>) -> Self {
                Self { inner: Some(inner), _lease: Some(lease) }
            }
        }
    };
}

/// Made of a metric and of the hold on its series.
#[cfg(feature = "prometheus")]
pub(super) trait Handle: Default {
    type Inner;

    fn on(inner: Self::Inner, lease: std::sync::Arc<super::series::SeriesLease>) -> Self;
}

/// Runs `$use` on the inner metric where there is one; the values are used up in every build.
macro_rules! with {
    ($handle:expr $(, $value:ident)*; |$inner:ident| $use:expr) => {{
        #[cfg(feature = "prometheus")]
        if let Some($inner) = &$handle.inner {
            $use;
        }
        #[cfg(not(feature = "prometheus"))]
        let _ = ($handle, $($value,)*);
    }};
}

handle!(
    /// A count that only grows.
    Counter, prometheus::IntCounter
);
handle!(
    /// A sum of money, seconds or another fractional amount that only grows.
    Amount, prometheus::Counter
);
handle!(
    /// A value that goes up and down, of one holder; a scrape shows what all holders of a series make together.
    Gauge, std::sync::Arc<super::reading::Reading>
);
handle!(
    /// A distribution of durations, in seconds.
    Histogram, prometheus::Histogram
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

    /// Says nothing any more: its guard is out of use, though somebody may hold it.
    pub(crate) fn end(&self) {
        with!(self; |inner| inner.end());
    }

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
