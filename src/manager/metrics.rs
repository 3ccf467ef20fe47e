//! Handles of one endpoint's calls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::metrics::{Amount, Counter, Gauge, Histogram, Metrics};

use super::source::Category;

/// Outcome of a call, a closed set of label values.
#[derive(Debug, Clone, Copy)]
pub(super) enum CallStatus {
    Ok,
    Missing,
    Failed,
    Limited,
    BadData,
    Ignored,
    Panicked,
}

impl CallStatus {
    const ALL: [Self; 7] =
        [Self::Ok, Self::Missing, Self::Failed, Self::Limited, Self::BadData, Self::Ignored, Self::Panicked];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::Limited => "limited",
            Self::BadData => "bad_data",
            Self::Ignored => "ignored",
            Self::Panicked => "panicked",
        }
    }
}

/// Series of a category and a status come into being with their first call: most never do.
pub(super) struct CallMetrics {
    metrics: Metrics,
    name: Arc<str>,
    calls: Vec<OnceLock<(Counter, Histogram)>>,
    cost: Gauge,
    cost_total: Amount,
}

impl CallMetrics {
    /// `source` is the endpoint, `endpoint` the category of the data, as dashboards expect.
    pub(super) fn new(metrics: &Metrics, name: &Arc<str>, currency: &str) -> Self {
        Self {
            metrics: metrics.clone(),
            name: Arc::clone(name),
            calls: (0..Category::ALL.len() * CallStatus::ALL.len()).map(|_| OnceLock::new()).collect(),
            cost: metrics.cost(name),
            cost_total: metrics.cost_total(currency),
        }
    }

    pub(super) fn record(&self, category: Category, status: CallStatus, latency: Duration, charged: f64) {
        let (count, time) = self.series(category, status);
        count.inc();
        time.observe(latency);
        if charged > 0.0 {
            self.cost.add(charged);
            self.cost_total.add(charged);
        }
    }

    fn series(&self, category: Category, status: CallStatus) -> &(Counter, Histogram) {
        let at = category as usize * CallStatus::ALL.len() + status as usize;
        self.calls[at].get_or_init(|| {
            let (name, category, status) = (&*self.name, category.as_str(), status.as_str());
            (self.metrics.api_calls(name, category, status), self.metrics.api_latency(name, category, status))
        })
    }
}

/// Counts a call whose host code panics; a call that ends otherwise is counted by its status.
pub(super) struct CountPanic<'a> {
    pub(super) metrics: &'a CallMetrics,
    pub(super) category: Category,
}

impl Drop for CountPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.metrics.series(self.category, CallStatus::Panicked).0.inc();
        }
    }
}
