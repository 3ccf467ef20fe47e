//! The usual time from row to row, in the series' own unit.

use crate::quality::Series;
use crate::quality::median::median_of_integers;

/// Differences that are looked at.
const SAMPLES: usize = 255;

/// The usual time from row to row.
#[derive(Debug, Clone, Copy)]
pub(in crate::quality) struct GridStep {
    pub(in crate::quality) ticks: i64,
}

impl GridStep {
    /// The median of differences spread over the series; the same for every share of its rows.
    pub(in crate::quality) fn of(series: &Series<'_>) -> Self {
        let mut found = sampled(series, SAMPLES);
        Self { ticks: median_of_integers(&mut found).unwrap_or(1).max(1) }
    }

    /// A time between two rows that is a long pause in the series: twenty times what all but a hundredth of the
    /// pauses are.
    pub(in crate::quality) fn long_pause(series: &Series<'_>) -> i64 {
        let mut found = sampled(series, 4 * SAMPLES);
        found.sort_unstable();
        let usual = found.get(found.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(i64::MAX);
        usual.max(1).saturating_mul(20)
    }
}

fn sampled(series: &Series<'_>, count: usize) -> Vec<i64> {
    let time = series.timestamps();
    let every = time.len().div_ceil(count).max(1);
    (1..time.len()).step_by(every).map(|row| time[row].saturating_sub(time[row - 1])).collect()
}
