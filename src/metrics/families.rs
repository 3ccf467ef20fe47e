//! The families themselves: name, help, labels, buckets. Listed in `docs/METRICS.md`, which a test
//! compares with what a scrape shows. Renaming one is a breaking change.

use std::sync::{Arc, Weak};

use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::Scrape;
use super::series::SeriesTable;
use crate::sync::Mutex;

/// Latency buckets in seconds: 1 ms to 30 s, dense around the 100 ms and 500 ms goals.
const LATENCY_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

pub(crate) struct Families {
    pub(super) api_latency: HistogramVec,
    pub(super) api_calls: IntCounterVec,
    pub(super) data_quality: GaugeVec,
    pub(super) cost: GaugeVec,
    pub(super) cost_total: CounterVec,
    pub(super) cache_hits: IntCounterVec,
    pub(super) cache_misses: IntCounterVec,
    pub(super) cache_stale: IntCounterVec,
    pub(super) cache_refreshes: IntCounterVec,
    pub(super) cache_evictions: IntCounterVec,
    pub(super) cache_entries: GaugeVec,
    pub(super) breaker_state: GaugeVec,
    pub(super) breaker_transitions: IntCounterVec,
    pub(super) rejected: IntCounterVec,
    pub(super) limiter_rate: GaugeVec,
    pub(super) limiter_bound: GaugeVec,
    pub(super) limiter_limited: IntCounterVec,
    pub(super) router_picks: IntCounterVec,
    pub(super) router_arm_calls: IntCounterVec,
    pub(super) router_arm_latency: HistogramVec,
    pub(super) router_arm_cost: CounterVec,
    pub(super) retries: IntCounterVec,
    pub(super) batch_busy: GaugeVec,
    pub(super) batch_abandoned: GaugeVec,
    pub(super) findings: IntCounterVec,
    pub(super) series: Mutex<SeriesTable>,
    scraped: Mutex<Vec<Weak<dyn Scrape>>>,
}

impl Families {
    pub(super) fn new() -> prometheus::Result<Self> {
        let counter = |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauge = |name, help, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        let latency = HistogramOpts::new("datasource_api_latency_seconds", "Latency of source calls in seconds")
            .buckets(LATENCY_BUCKETS.to_vec());
        Ok(Self {
            api_latency: HistogramVec::new(latency, &["source", "endpoint", "status"])?,
            api_calls: counter(
                "datasource_api_calls_total",
                "Source calls by outcome",
                &["source", "endpoint", "status"],
            )?,
            data_quality: gauge(
                "datasource_data_quality",
                "Latest quality score, 0 to 100",
                &["source", "check_type"],
            )?,
            cost: gauge("datasource_api_cost_estimated", "Estimated cost of source calls since start", &["source"])?,
            cost_total: CounterVec::new(Opts::new("datasource_api_cost_total", "Cost of source calls"), &["currency"])?,
            cache_hits: counter("datasource_cache_hits_total", "Lookups answered from the cache", &["cache"])?,
            cache_misses: counter("datasource_cache_misses_total", "Lookups not answered from the cache", &["cache"])?,
            cache_stale: counter("datasource_cache_stale_served_total", "Stale values served", &["cache"])?,
            cache_refreshes: counter(
                "datasource_cache_refreshes_total",
                "Background refreshes by result",
                &["cache", "result"],
            )?,
            cache_evictions: counter(
                "datasource_cache_evictions_total",
                "Entries that left the cache by cause",
                &["cache", "cause"],
            )?,
            cache_entries: gauge("datasource_cache_entries", "Entries in the cache", &["cache"])?,
            breaker_state: gauge("datasource_circuit_breaker_state", "0 closed, 1 open, 2 half-open", &["source"])?,
            breaker_transitions: counter(
                "datasource_circuit_breaker_transitions_total",
                "Breaker transitions by target state",
                &["source", "to"],
            )?,
            rejected: counter(
                "datasource_rejected_total",
                "Calls refused before the source was reached",
                &["source", "reason"],
            )?,
            limiter_rate: gauge("datasource_limiter_rate", "Permits per second the limiter grants now", &["source"])?,
            limiter_bound: gauge(
                "datasource_limiter_bound",
                "-1 the rate is at its floor, 1 at its ceiling, 0 between",
                &["source"],
            )?,
            limiter_limited: counter(
                "datasource_limiter_limited_total",
                "Answers of the source that said 'too many requests'",
                &["source"],
            )?,
            router_picks: counter("datasource_router_picks_total", "Calls sent to an endpoint", &["endpoint"])?,
            router_arm_calls: counter(
                "datasource_router_arm_calls_total",
                "Calls by the router's own policy and by its split",
                &["router", "arm", "status"],
            )?,
            router_arm_latency: HistogramVec::new(
                HistogramOpts::new("datasource_router_arm_latency_seconds", "Latency of an arm's successes in seconds")
                    .buckets(LATENCY_BUCKETS.to_vec()),
                &["router", "arm"],
            )?,
            router_arm_cost: CounterVec::new(
                Opts::new("datasource_router_arm_cost_total", "Cost of an arm's calls"),
                &["router", "arm"],
            )?,
            retries: counter("datasource_retries_total", "Second calls and second rounds", &["source"])?,
            batch_busy: gauge("datasource_batch_busy_workers", "Batch workers that run an item", &["pool"])?,
            batch_abandoned: gauge(
                "datasource_batch_abandoned_workers",
                "Batch workers stuck in a call past its time-out",
                &["pool"],
            )?,
            findings: counter("datasource_quality_findings_total", "Data-quality findings", &["rule", "severity"])?,
            series: Mutex::new(SeriesTable::default()),
            scraped: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn collectors(&self) -> [&dyn Collector; 25] {
        [
            &self.api_latency,
            &self.api_calls,
            &self.data_quality,
            &self.cost,
            &self.cost_total,
            &self.cache_hits,
            &self.cache_misses,
            &self.cache_stale,
            &self.cache_refreshes,
            &self.cache_evictions,
            &self.cache_entries,
            &self.breaker_state,
            &self.breaker_transitions,
            &self.rejected,
            &self.limiter_rate,
            &self.limiter_bound,
            &self.limiter_limited,
            &self.router_picks,
            &self.router_arm_calls,
            &self.router_arm_latency,
            &self.router_arm_cost,
            &self.retries,
            &self.batch_busy,
            &self.batch_abandoned,
            &self.findings,
        ]
    }

    pub(super) fn on_scrape(&self, source: Weak<dyn Scrape>) {
        let mut scraped = self.scraped.lock();
        scraped.retain(|known| known.strong_count() > 0);
        scraped.push(source);
    }

    /// Lets all sources pass their counts on; they run outside the lock.
    pub(super) fn scrape(&self) {
        let sources: Vec<Arc<dyn Scrape>> = self.scraped.lock().iter().filter_map(Weak::upgrade).collect();
        for source in sources {
            source.scrape();
        }
    }
}
