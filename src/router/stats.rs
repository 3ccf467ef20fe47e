//! What a router has seen of one endpoint, pure: decayed latency and failure rate, a histogram, calls
//! in flight, calls used and reserved of the free quota.

use std::time::Duration;

use super::RouterConfig;
use super::health::{Health, Standing};
use super::histogram::Histogram;
use crate::clock::Tick;

/// Least weight of a sample in the decayed latency, and its largest.
const LIGHTEST: f64 = 0.02;
const HEAVIEST: f64 = 0.5;
/// Largest weight of a call in the failure rate.
const HEAVIEST_FAILURE: f64 = 0.1;

#[derive(Debug, Clone, Default)]
pub(super) struct EndpointStats {
    pub(super) in_flight: u32,
    pub(super) calls: u64,
    pub(super) successes: u64,
    /// Latencies and quality by category; a category that was not called has none.
    by_category: Vec<CategoryStats>,
    /// Decayed share of failures.
    pub(super) failure_rate: f64,
    failed_at: Tick,
    pub(super) standing: Standing,
    /// Free calls used, and held by calls under way.
    pub(super) free_used: u64,
    pub(super) free_reserved: u64,
    pub(super) charged_calls: u64,
    /// The last pick, for probes of idle endpoints.
    pub(super) picked_at: Tick,
    /// The number of that pick among all, for taking turns.
    pub(super) picked: u64,
}

/// What an endpoint has shown for one category of requests.
#[derive(Debug, Clone, Default)]
pub(super) struct CategoryStats {
    /// Decayed mean and variance of the latency, in seconds, of calls that did not queue.
    pub(super) mean: f64,
    pub(super) variance: f64,
    samples: u64,
    sampled_at: Tick,
    pub(super) histogram: Histogram,
    /// Decayed badness of answers, 0 to 1.
    pub(super) flaws: f64,
}

/// How a call ended, for the statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) category: usize,
    pub(super) latency: Duration,
    pub(super) success: bool,
    /// It found a free place at the endpoint, so that its latency is the endpoint's own.
    pub(super) unqueued: bool,
    /// In 0..1, for the jitter of an ejection.
    pub(super) dice: f64,
}

impl EndpointStats {
    pub(super) fn new(now: Tick) -> Self {
        Self { picked_at: now, ..Self::default() }
    }

    /// Books a finished call.
    pub(super) fn record(&mut self, sample: Sample, config: &RouterConfig, now: Tick) {
        let seconds = sample.latency.as_secs_f64();
        self.calls += 1;
        let weight = weight(now.since(self.failed_at), config).min(HEAVIEST_FAILURE);
        self.failed_at = now;
        self.failure_rate += (f64::from(u8::from(!sample.success)) - self.failure_rate) * weight;
        // A failure that took long says how long one waits here; a quick one must not look fast.
        let of_category = self.of_category(sample.category);
        if sample.unqueued && (sample.success || seconds > of_category.mean) {
            of_category.record_latency(seconds, config, now);
        }
        if sample.success {
            of_category.histogram.record(seconds, now);
            self.successes += 1;
            self.standing.succeeded(now);
        } else {
            self.standing.failed(self.failure_rate, self.calls, config, sample.dice, now);
        }
    }

    /// The same history without calls in flight: those belong to tickets of an older list.
    pub(super) fn at_rest(&self) -> Self {
        Self { in_flight: 0, free_reserved: 0, ..self.clone() }
    }

    fn of_category(&mut self, category: usize) -> &mut CategoryStats {
        if self.by_category.len() <= category {
            self.by_category.resize_with(category + 1, CategoryStats::default);
        }
        &mut self.by_category[category]
    }

    /// What is known for a category; for one that was not called yet, what is known of the best known one.
    pub(super) fn category(&self, category: usize) -> Option<&CategoryStats> {
        let own = self.by_category.get(category).filter(|own| own.samples > 0);
        own.or_else(|| self.by_category.iter().filter(|of| of.samples > 0).max_by_key(|of| of.samples))
    }

    /// Takes note of an answer's badness, 0 to 1.
    pub(super) fn record_flaws(&mut self, category: usize, badness: f64) {
        let of_category = self.of_category(category);
        of_category.flaws += (badness.clamp(0.0, 1.0) - of_category.flaws) * HEAVIEST_FAILURE;
    }

    pub(super) fn flaws(&self, category: usize) -> f64 {
        self.by_category.get(category).map_or(0.0, |of| of.flaws)
    }

    /// It is new and nobody has tried it, its ejection is over, or it has been idle for long.
    pub(super) fn wants_probe(&self, config: &RouterConfig, now: Tick) -> bool {
        let is_idle = self.in_flight == 0 && now.since(self.picked_at) >= config.probe_idle_after;
        let is_new = matches!(self.standing.health, Health::Ramp { .. });
        is_idle || (self.standing.wants_probe(self.in_flight, now) && (!is_new || self.picked == 0))
    }

    /// Share of failures to expect: the decayed rate, or what a row of failures says.
    pub(super) fn expected_failures(&self) -> f64 {
        self.failure_rate.max(self.standing.streak())
    }

    /// p50, p95, p99 of the latest successful latencies, in seconds; `None` before the first.
    pub(super) fn percentiles(&self, category: usize) -> Option<[f64; 3]> {
        let histogram = &self.category(category)?.histogram;
        (!histogram.is_empty()).then(|| [0.5, 0.95, 0.99].map(|share| histogram.quantile(share)))
    }

    /// Success share over the whole life; 1 before the first call.
    pub(super) fn success_rate(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { self.successes as f64 / self.calls as f64 }
    }

    /// Whether the next call would be charged, should all that are under way succeed.
    pub(super) fn is_charged(&self, free_quota: u64) -> bool {
        self.free_used.saturating_add(self.free_reserved) >= free_quota
    }
}

impl CategoryStats {
    fn record_latency(&mut self, seconds: f64, config: &RouterConfig, now: Tick) {
        let difference = seconds - self.mean;
        if self.samples == 0 {
            (self.mean, self.variance) = (seconds, (seconds * 0.5) * (seconds * 0.5));
        } else {
            // A plain mean at first: the guess of the variance must not last.
            let by_count = 1.0 / (self.samples as f64 + 1.0);
            let weight = weight(now.since(self.sampled_at), config).max(by_count);
            self.mean += difference * weight;
            self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
        }
        self.samples += 1;
        self.sampled_at = now;
    }
}

/// The first sample of a rest weighs more than one of a burst.
fn weight(gap: Duration, config: &RouterConfig) -> f64 {
    (1.0 - (-gap.as_secs_f64() / config.decay.as_secs_f64()).exp()).clamp(LIGHTEST, HEAVIEST)
}
