//! Statistics of one endpoint, pure: decayed latency and failure rate, a window for percentiles,
//! calls in flight, ejection.

use std::collections::VecDeque;
use std::time::Duration;

use super::RouterConfig;
use crate::clock::Tick;

/// Latencies kept for the percentiles.
const WINDOW: usize = 100;
/// The back-off of an ejection doubles at most this often.
const MAX_DOUBLINGS: u32 = 4;

#[derive(Debug, Clone, Default)]
pub(super) struct EndpointStats {
    pub(super) in_flight: u32,
    pub(super) calls: u64,
    pub(super) successes: u64,
    pub(super) consecutive_failures: u32,
    /// Decayed mean and variance of successful latencies, in seconds.
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// Decayed share of failures.
    pub(super) failure_rate: f64,
    pub(super) ejected_until: Tick,
    ejections: u32,
    last_sample: Tick,
    window: VecDeque<f64>,
}

impl EndpointStats {
    /// Books a finished call.
    pub(super) fn record(&mut self, latency: Duration, success: bool, config: &RouterConfig, now: Tick) {
        // The first sample of a rest weighs more than one of a burst; none weighs less than 2 %.
        let gap = now.since(self.last_sample).as_secs_f64();
        let weight =
            if self.calls == 0 { 1.0 } else { (1.0 - (-gap / config.decay.as_secs_f64()).exp()).clamp(0.02, 0.5) };
        self.last_sample = now;
        self.calls += 1;
        let failed = if success { 0.0 } else { 1.0 };
        self.failure_rate += (failed - self.failure_rate) * weight.min(0.1);
        if success {
            self.record_latency(latency.as_secs_f64(), weight);
            self.successes += 1;
            (self.consecutive_failures, self.ejections) = (0, 0);
        } else {
            self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            // Calls that were under way when it was set aside say nothing new.
            if self.consecutive_failures >= config.eject_after && now >= self.ejected_until {
                let factor = 1 << self.ejections.min(MAX_DOUBLINGS);
                self.ejected_until = now.after(config.eject_for.saturating_mul(factor));
                self.ejections += 1;
            }
        }
    }

    /// The same history without calls in flight: those belong to tickets of an older list.
    pub(super) fn at_rest(&self) -> Self {
        Self { in_flight: 0, ..self.clone() }
    }

    fn record_latency(&mut self, seconds: f64, weight: f64) {
        let difference = seconds - self.mean;
        if self.successes == 0 {
            (self.mean, self.variance) = (seconds, 0.0);
        } else {
            self.mean += difference * weight;
            self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
        }
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(seconds);
    }

    /// p50, p95, p99 of the last successful latencies, in seconds; `None` before the first.
    pub(super) fn percentiles(&self) -> Option<[f64; 3]> {
        if self.window.is_empty() {
            return None;
        }
        let mut sorted: Vec<f64> = self.window.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        Some([50, 95, 99].map(|percent| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]))
    }

    /// Success share over the whole life; 1 before the first call.
    pub(super) fn success_rate(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { self.successes as f64 / self.calls as f64 }
    }

    /// Whether the next call would be charged, should all that are under way succeed.
    pub(super) fn is_charged(&self, free_quota: u64) -> bool {
        self.successes.saturating_add(u64::from(self.in_flight)) >= free_quota
    }
}
