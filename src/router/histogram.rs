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
}

impl Default for Histogram {
    fn default() -> Self {
        Self { halves: [[0; BUCKETS]; 2], totals: [0; 2], since: Tick::default() }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, seconds: f64, now: Tick) {
        if self.totals[0] >= FULL || now.since(self.since) >= HALF {
            // After a long rest both halves are old; the younger one still says more than nothing.
            self.halves.swap(0, 1);
            self.totals.swap(0, 1);
            self.halves[0] = [0; BUCKETS];
            self.totals[0] = 0;
            self.since = now;
        }
        self.halves[0][bucket(seconds)] += 1;
        self.totals[0] += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.totals == [0, 0]
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
