//! What a router has seen of one endpoint, pure: latency and failures that fade with time, calls in
//! flight, calls used and reserved of the free quota, money spent.

use std::time::Duration;

use super::RouterConfig;
use super::category_stats::{CategoryStats, UNKNOWN_LATENCY};
use super::evidence::Evidence;
use super::health::{BAD_RATE_CALLS, Failed, Standing};
use super::histogram::Bucket;
use super::load::Load;
use crate::clock::Tick;

/// What a good probe leaves of earlier failures.
const FORGIVEN: f64 = 0.3;
/// A row of failures is remembered so many times longer than those before a success.
const ROW_LASTS: u32 = 3;
/// A share of failures below this is nothing.
const NEGLIGIBLE: f64 = 0.001;

#[derive(Debug, Clone)]
pub(super) struct EndpointStats {
    pub(super) load: Load,
    pub(super) calls: u64,
    pub(super) successes: u64,
    /// Latencies and quality by category; a category that was not called has none.
    by_category: Vec<CategoryStats>,
    failures: Evidence,
    pub(super) standing: Standing,
    /// Free calls used, and held by calls under way.
    pub(super) free_used: u64,
    pub(super) free_reserved: u64,
    pub(super) spent: f64,
    /// Until when a probe under way stands in the way of the next one.
    pub(super) probed_until: Tick,
    /// The number of its last call among all, for taking turns.
    pub(super) turn: u64,
    /// Known since then.
    pub(super) since: Tick,
    was_called: bool,
}

/// How a call ended, for the statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) category: usize,
    pub(super) latency: Bucket,
    pub(super) success: bool,
    /// It found a free place at the endpoint, so that its latency is the endpoint's own.
    pub(super) unqueued: bool,
    pub(super) is_probe: bool,
    pub(super) began: Tick,
    /// In 0..1, for the jitter of an ejection.
    pub(super) dice: f64,
}

impl EndpointStats {
    pub(super) fn new(turn: u64, now: Tick) -> Self {
        Self {
            load: Load::default(),
            calls: 0,
            successes: 0,
            by_category: Vec::new(),
            failures: Evidence::default(),
            standing: Standing::default(),
            free_used: 0,
            free_reserved: 0,
            spent: 0.0,
            probed_until: Tick::default(),
            turn,
            since: now,
            was_called: false,
        }
    }

    /// Nobody has ever called it.
    pub(super) fn is_untried(&self) -> bool {
        !self.was_called
    }

    /// A call begins.
    #[inline]
    pub(super) fn begin(&mut self, turn: u64, now: Tick) {
        self.load.begin(now);
        (self.turn, self.was_called) = (turn, true);
    }

    /// Books a finished call.
    pub(super) fn record(&mut self, sample: Sample, config: &RouterConfig, now: Tick) {
        let Sample { latency, success, is_probe, began, .. } = sample;
        self.calls += 1;
        self.failures.record(f64::from(u8::from(!success)), config.failure_decay, now);
        // A failure that took long says how long one waits here; a quick one must not look fast.
        let of_category = self.of_category(sample.category, 0);
        if sample.unqueued && (success || latency.seconds > of_category.mean.max(UNKNOWN_LATENCY)) {
            of_category.record_latency(latency, is_probe && success, config.decay, now);
        }
        if success {
            of_category.histogram.record(latency, now);
            self.successes += 1;
            self.standing.succeeded(began, now);
            if is_probe {
                self.failures.forgive(FORGIVEN);
            }
        } else {
            let in_flight = self.load.calls();
            let observed = self.failures.observed(BAD_RATE_CALLS);
            self.standing.failed(Failed { began, observed, in_flight, dice: sample.dice }, config, now);
        }
    }

    /// Time has passed.
    pub(super) fn age(&mut self, config: &RouterConfig, now: Tick) {
        self.load.age(now);
        for of in &mut self.by_category {
            of.age(config.decay, now);
        }
    }

    /// The same history without calls in flight: those belong to tickets of an older list.
    pub(super) fn at_rest(&self) -> Self {
        Self { load: Load::default(), free_reserved: 0, probed_until: Tick::default(), ..self.clone() }
    }

    /// `calls` of the category were made so far, for one that has no statistics yet.
    pub(super) fn of_category(&mut self, category: usize, calls: u64) -> &mut CategoryStats {
        while self.by_category.len() <= category {
            self.by_category.push(CategoryStats::new(self.since, calls));
        }
        &mut self.by_category[category]
    }

    /// The statistics of this very category, if it was called.
    pub(super) fn own_category(&self, category: usize) -> Option<&CategoryStats> {
        self.by_category.get(category)
    }

    /// What is known for a category; for one that was not called yet, what is known of the best known one.
    #[inline]
    pub(super) fn category(&self, category: usize) -> Option<&CategoryStats> {
        let own = self.by_category.get(category).filter(|own| own.samples > 0);
        own.or_else(|| self.by_category.iter().filter(|of| of.samples > 0).max_by_key(|of| of.samples))
    }

    /// Takes note of an answer's badness, 0 to 1.
    pub(super) fn record_flaws(&mut self, category: usize, badness: f64, config: &RouterConfig, now: Tick) {
        self.of_category(category, 0).flaws.record(badness.clamp(0.0, 1.0), config.failure_decay, now);
    }

    pub(super) fn flaws(&self, category: usize, config: &RouterConfig, now: Tick) -> f64 {
        self.by_category.get(category).map_or(0.0, |of| of.flaws.expected(config.failure_decay, now))
    }

    /// Time until its health lets it be called, zero now; `None`: when a call ends.
    pub(super) fn wait(&self, now: Tick) -> Option<Duration> {
        self.standing.wait(self.load.calls(), now)
    }

    /// Share of failures to expect: what is remembered of them, or what a row of failures says.
    #[inline]
    pub(super) fn expected_failures(&self, config: &RouterConfig, now: Tick) -> f64 {
        let streak = self.standing.streak();
        // A row lasts longer: nothing good has been heard since.
        let lasts = config.failure_decay.saturating_mul(ROW_LASTS);
        let streak = if streak > 0.0 { streak * self.failures.fresh(lasts, now) } else { 0.0 };
        let expected = self.failures.expected(config.failure_decay, now).max(streak);
        if expected < NEGLIGIBLE { 0.0 } else { expected }
    }

    /// p50, p95, p99 of the latest successful latencies, in seconds; `None` before the first.
    pub(super) fn percentiles(&self, category: usize) -> Option<[f64; 3]> {
        let histogram = &self.category(category)?.histogram;
        (!histogram.is_empty()).then(|| histogram.percentiles())
    }

    /// The same as they were some latencies ago, kept for policies that look at each decision.
    pub(super) fn recent_percentiles(&self, category: usize) -> Option<[f64; 3]> {
        let histogram = &self.category(category)?.histogram;
        (!histogram.is_empty()).then(|| histogram.recent_percentiles())
    }

    /// Success share over the whole life; 1 before the first call.
    pub(super) fn success_rate(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { self.successes as f64 / self.calls as f64 }
    }

    /// Whether the next call would be charged, should all that are under way succeed.
    #[inline]
    pub(super) fn is_charged(&self, free_quota: u64) -> bool {
        self.free_used.saturating_add(self.free_reserved) >= free_quota
    }
}
