//! What an endpoint has shown for one category of requests, pure: latencies that fade with time, and
//! how good its data was.

use std::time::Duration;

use super::evidence::{Evidence, fade};
use super::histogram::{Bucket, Histogram};
use super::probes::Probing;
use crate::clock::Tick;

/// Latency assumed before the first call, in seconds.
pub(super) const UNKNOWN_LATENCY: f64 = 0.1;
/// Least weight of a sample, and its largest.
const LIGHTEST: f64 = 0.02;
const HEAVIEST: f64 = 0.5;
/// The most samples a mean stands on, and the square root of that.
const MOST_SAMPLES: f64 = 1.0 / LIGHTEST;
const MOST_ROOT: f64 = 7.071_067_811_865_475;
/// Samples that count still after the longest rest.
const KEPT: f64 = 3.0;
/// The fewest samples that a mean is taken to stand on, however long ago they were.
const FEWEST: f64 = 4.0;
const MOST_ERROR: f64 = 0.1;
/// A latency counts at most as so many means: one absurd sample is no verdict.
const ABSURD: f64 = 8.0;
/// What was known counts at most as so many times what a probe shows that is better.
const OUTDATED: f64 = 4.0;
/// Of fewer samples than these the slow ones are taken back by the first quick one.
const FEW: u64 = 3;

#[derive(Debug, Clone)]
pub(super) struct CategoryStats {
    /// Decayed mean and variance of the latency, in seconds, of calls that did not queue.
    pub(super) mean: f64,
    variance: f64,
    /// Its square root, and the standard error of the mean, at most a tenth of it.
    pub(super) deviation: f64,
    pub(super) error: f64,
    pub(super) samples: u64,
    /// Samples that count still.
    fresh: f64,
    sampled_at: Tick,
    pub(super) histogram: Histogram,
    pub(super) flaws: Evidence,
    pub(super) probing: Probing,
}

impl CategoryStats {
    pub(super) fn new(since: Tick, calls: u64) -> Self {
        Self {
            mean: 0.0,
            variance: 0.0,
            deviation: 0.0,
            error: 0.0,
            samples: 0,
            fresh: 0.0,
            sampled_at: Tick::default(),
            histogram: Histogram::default(),
            flaws: Evidence::default(),
            probing: Probing::new(since, calls),
        }
    }

    /// Time has passed: the longer ago the samples, the larger the error.
    pub(super) fn age(&mut self, decay: Duration, now: Tick) {
        self.work_out_error(self.fresh * fade(now.since(self.sampled_at), decay));
    }

    #[inline]
    fn work_out_error(&mut self, samples: f64) {
        // The square root of the usual number is known.
        let root = if samples >= MOST_SAMPLES { MOST_ROOT } else { samples.max(FEWEST).sqrt() };
        self.error = (self.deviation / root).min(self.mean * MOST_ERROR);
    }

    pub(super) fn record_latency(&mut self, latency: Bucket, is_probe: bool, decay: Duration, now: Tick) {
        let seconds = latency.seconds;
        let is_outdated = self.samples < FEW && seconds * OUTDATED < self.mean;
        if self.samples == 0 || is_outdated {
            (self.mean, self.variance, self.fresh) = (seconds, (seconds * 0.5) * (seconds * 0.5), 1.0);
        } else {
            if is_probe && seconds < self.mean {
                // Better than all that is known from before: that is from before.
                self.fresh = self.fresh.min(1.0);
                self.mean = self.mean.min(seconds * OUTDATED);
                self.variance = self.variance.min(self.mean * self.mean);
            }
            let seconds = if self.mean > 0.0 { seconds.min(self.mean * ABSURD) } else { seconds };
            // However long the rest: a single sample is no knowledge.
            let faded = self.fresh * fade(now.since(self.sampled_at), decay);
            self.fresh = faded.max(self.fresh.min(KEPT)) + 1.0;
            let weight = (1.0 / self.fresh).clamp(LIGHTEST, HEAVIEST);
            let difference = seconds - self.mean;
            self.mean += difference * weight;
            self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
        }
        self.deviation = self.variance.max(0.0).sqrt();
        self.samples += 1;
        self.sampled_at = now;
        self.work_out_error(self.fresh);
    }
}
