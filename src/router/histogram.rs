//! Latencies of about the last minute, pure: a rotating pair of log-bucket histograms.

use std::time::Duration;

use crate::clock::Tick;

/// Buckets, each a fifth wider than the one before: 0.1 ms to about 4 min.
const BUCKETS: usize = 80;
const FIRST: f64 = 1e-4;
const RATIO: f64 = 1.2;
/// A half is replaced after this time, or this many latencies.
const HALF: Duration = Duration::from_secs(30);
const FULL: u32 = 5_000;

#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// Counts of this half and the one before.
    halves: [[u32; BUCKETS]; 2],
    totals: [u32; 2],
    since: Tick,
    /// p50, p95, p99 as of some latencies ago.
    percentiles: [f64; 3],
    since_worked_out: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            halves: [[0; BUCKETS]; 2],
            totals: [0; 2],
            since: Tick::default(),
            percentiles: [0.0; 3],
            since_worked_out: 0,
        }
    }
}

/// A latency and its place in a histogram, which takes a logarithm: worked out before any lock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) seconds: f64,
    bucket: usize,
}

impl From<Duration> for Bucket {
    #[inline]
    fn from(latency: Duration) -> Self {
        let seconds = latency.as_secs_f64();
        Self { seconds, bucket: bucket(seconds) }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, latency: Bucket, now: Tick) {
        if self.totals[0] >= FULL || now.since(self.since) >= HALF {
            // After a long rest both halves are old; the younger one still says more than nothing.
            self.halves.swap(0, 1);
            self.totals.swap(0, 1);
            self.halves[0] = [0; BUCKETS];
            self.totals[0] = 0;
            self.since = now;
        }
        self.halves[0][latency.bucket] += 1;
        self.totals[0] += 1;
        self.since_worked_out += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.totals == [0, 0]
    }

    /// Works p50, p95 and p99 out again, if enough is new.
    pub(super) fn refresh(&mut self) {
        // An eighth more or less moves them little.
        if self.since_worked_out * 8 > self.totals[0] + self.totals[1] {
            self.percentiles = self.percentiles();
            self.since_worked_out = 0;
        }
    }

    /// p50, p95, p99 in seconds, as of the last [`refresh`](Self::refresh).
    pub(super) fn recent_percentiles(&self) -> [f64; 3] {
        self.percentiles
    }

    pub(super) fn percentiles(&self) -> [f64; 3] {
        [0.5, 0.95, 0.99].map(|share| self.quantile(share))
    }

    /// The latency in seconds below which this share lies, to a tenth; 0 without any.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        let total = f64::from(self.totals[0]) + f64::from(self.totals[1]);
        let mut below = 0.0;
        for bucket in 0..BUCKETS {
            let here = f64::from(self.halves[0][bucket]) + f64::from(self.halves[1][bucket]);
            if here > 0.0 && below + here >= share * total {
                let within = ((share * total - below) / here).clamp(0.0, 1.0);
                let from = if bucket == 0 { 0.0 } else { bound(bucket) };
                return from + (bound(bucket + 1) - from) * within;
            }
            below += here;
        }
        0.0
    }
}

/// The lower bound of a bucket, in seconds.
fn bound(bucket: usize) -> f64 {
    FIRST * RATIO.powi(i32::try_from(bucket).unwrap_or(i32::MAX))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the buckets")]
fn bucket(seconds: f64) -> usize {
    let place = (seconds.max(FIRST) / FIRST).ln() / RATIO.ln();
    (place.clamp(0.0, (BUCKETS - 1) as f64)) as usize
}
