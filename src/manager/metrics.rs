//! Handles of one endpoint's calls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::record::AttemptOutcome;
use crate::metrics::{Amount, Counter, Gauge, Histogram, Metrics};

/// Series of a category and a status come into being with their first call: most never do.
pub(super) struct CallMetrics {
    metrics: Metrics,
    name: Arc<str>,
    categories: Arc<[Arc<str>]>,
    calls: Vec<OnceLock<(Counter, Histogram)>>,
    cost: Gauge,
    cost_total: Amount,
}

impl CallMetrics {
    /// `source` is the endpoint, `endpoint` the category of the data, as dashboards expect.
    pub(super) fn new(metrics: &Metrics, name: &Arc<str>, currency: &str, categories: &Arc<[Arc<str>]>) -> Self {
        Self {
            metrics: metrics.clone(),
            name: Arc::clone(name),
            categories: Arc::clone(categories),
            calls: (0..categories.len() * AttemptOutcome::ALL.len()).map(|_| OnceLock::new()).collect(),
            cost: metrics.cost(name),
            cost_total: metrics.cost_total(currency),
        }
    }

    pub(super) fn record(&self, category: usize, status: AttemptOutcome, latency: Duration, charged: f64) {
        let Some(series) = self.calls.get(category * AttemptOutcome::ALL.len() + status as usize) else { return };
        let (count, time) = series.get_or_init(|| {
            let (name, category, status) = (&*self.name, &*self.categories[category], status.as_str());
            (self.metrics.api_calls(name, category, status), self.metrics.api_latency(name, category, status))
        });
        count.inc();
        time.observe(latency);
        if charged > 0.0 {
            self.cost.add(charged);
            self.cost_total.add(charged);
        }
    }
}
