//! Handles of one endpoint's calls.

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

pub(super) struct CallMetrics {
    calls: Vec<Vec<(Counter, Histogram)>>,
    cost: Gauge,
    cost_total: Amount,
}

impl CallMetrics {
    /// `source` is the endpoint, `endpoint` the category of the data, as dashboards expect.
    pub(super) fn new(metrics: &Metrics, endpoint: &str, currency: &str) -> Self {
        let row = |category: Category| {
            CallStatus::ALL.iter().map(move |status| {
                let labels = (endpoint, category.as_str(), status.as_str());
                (metrics.api_calls(labels.0, labels.1, labels.2), metrics.api_latency(labels.0, labels.1, labels.2))
            })
        };
        Self {
            calls: Category::ALL.into_iter().map(|category| row(category).collect()).collect(),
            cost: metrics.cost(endpoint),
            cost_total: metrics.cost_total(currency),
        }
    }

    pub(super) fn record(&self, category: Category, status: CallStatus, latency: Duration, charged: f64) {
        let (count, time) = &self.calls[category as usize][status as usize];
        count.inc();
        time.observe(latency);
        if charged > 0.0 {
            self.cost.add(charged);
            self.cost_total.add(charged);
        }
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
            self.metrics.calls[self.category as usize][CallStatus::Panicked as usize].0.inc();
        }
    }
}
