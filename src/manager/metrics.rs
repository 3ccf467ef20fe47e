//! Handles of a manager: of its fetches, and of each endpoint's calls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::categories::DEFAULT_CATEGORY;
use super::endpoint_config::EndpointConfig;
use super::record::AttemptOutcome;
use crate::metrics::{Amount, Counter, Gauge, Histogram, Metrics};
use crate::pool::PoolSnapshot;
use crate::quality::metrics::ScoreMetrics;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Of one endpoint. Series of a category and a status come into being with their first call: most never do.
pub(super) struct CallMetrics {
    metrics: Metrics,
    name: Arc<str>,
    categories: Arc<[Arc<str>]>,
    calls: Vec<OnceLock<(Counter, Histogram)>>,
    attempts: Vec<OnceLock<Counter>>,
    cost: Gauge,
    cost_total: Amount,
    pub(super) quality: ScoreMetrics,
}

impl CallMetrics {
    pub(super) fn new(metrics: &Metrics, config: &EndpointConfig, categories: &Arc<[Arc<str>]>) -> Self {
        let (metrics, name) = (metrics.of_vendor(config.spec.vendor()), &config.spec.name);
        let outcomes = AttemptOutcome::ALL.len();
        Self {
            name: Arc::clone(name),
            categories: Arc::clone(categories),
            calls: (0..categories.len() * outcomes).map(|_| OnceLock::new()).collect(),
            attempts: (0..outcomes).map(|_| OnceLock::new()).collect(),
            cost: metrics.cost(name),
            cost_total: metrics.cost_total(&config.spec.currency),
            quality: ScoreMetrics::new(&metrics, name),
            metrics,
        }
    }

    /// Out of use, whoever holds it.
    pub(super) fn end(&self) {
        self.cost.end();
        self.quality.end();
    }

    /// A call has ended.
    pub(super) fn record(&self, category: usize, status: AttemptOutcome, latency: Duration, charged: f64) {
        self.attempt(status);
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

    /// Its turn in a fetch is over.
    pub(super) fn attempt(&self, outcome: AttemptOutcome) {
        let make = || self.metrics.attempts(&self.name, outcome.as_str());
        self.attempts[outcome as usize].get_or_init(make).inc();
    }
}

/// Of the manager.
pub(super) struct ManagerMetrics {
    metrics: Metrics,
    name: Arc<str>,
    categories: Arc<[Arc<str>]>,
    /// By category: those that have been, by their result.
    fetches: Vec<Mutex<Vec<(&'static str, Counter)>>>,
    /// By category: fresh answers passed on.
    fresh: Mutex<Vec<u64>>,
    /// By category: fresh answers of those without a cache of their own.
    shared: Vec<AtomicU64>,
    busy: Gauge,
    abandoned: Gauge,
}

/// Result of a fetch that the cache answered at once; the cache counts them.
const FRESH: &str = "fresh";

impl ManagerMetrics {
    pub(super) fn new(metrics: &Metrics, name: &Arc<str>, categories: &Arc<[Arc<str>]>) -> Self {
        Self {
            metrics: metrics.clone(),
            name: Arc::clone(name),
            categories: Arc::clone(categories),
            fetches: categories.iter().map(|_| Mutex::default()).collect(),
            fresh: Mutex::new(vec![0; categories.len()]),
            shared: categories.iter().map(|_| AtomicU64::new(0)).collect(),
            busy: metrics.call_busy(name),
            abandoned: metrics.call_abandoned(name),
        }
    }

    /// A fetch has ended, and not by a look into the cache alone.
    pub(super) fn fetched(&self, category: usize, result: &'static str, shares_cache: bool) {
        if result != FRESH {
            self.count(category, result, 1);
        } else if shares_cache {
            self.fresh_shared(category);
        }
    }

    fn count(&self, category: usize, result: &'static str, by: u64) {
        let Some(counters) = self.fetches.get(category) else { return };
        let mut counters = counters.lock();
        if let Some((_, counter)) = counters.iter().find(|(of, _)| *of == result) {
            counter.add(by);
            return;
        }
        let counter = self.metrics.fetches(&self.name, &self.categories[category], result);
        counter.add(by);
        counters.push((result, counter));
    }

    /// A fresh answer for a category that shares the cache of `default`.
    pub(super) fn fresh_shared(&self, category: usize) {
        self.shared[category].fetch_add(1, Ordering::Relaxed);
    }

    /// Passes on what the cache of a category has answered at once; read under the lock, so that of two
    /// scrapes at a time none passes on what the other has.
    pub(super) fn pass_fresh_on(&self, category: usize, fresh: impl FnOnce() -> u64) {
        let mut passed_on = self.fresh.lock();
        // The cache first: an answer that comes between is counted the next time.
        let now = fresh();
        let shared = self.shared.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let now = match self.shared[category].load(Ordering::Relaxed) {
            0 if category == DEFAULT_CATEGORY => now.saturating_sub(shared),
            0 => now,
            own => own,
        };
        let last = passed_on[category];
        passed_on[category] = now.max(last);
        drop(passed_on);
        if now > last {
            self.count(category, FRESH, now - last);
        }
    }

    pub(super) fn show(&self, calls: PoolSnapshot) {
        self.busy.set(calls.busy as f64);
        self.abandoned.set(calls.abandoned as f64);
    }
}
