//! Runs of equal bars.

use super::evidence::decimal_step;
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{QualityConfig, RowSet, Rule, Series};

/// Range of a bar, as a share of its low, from which on equal bars of unequal volumes are no
/// coincidence of a coarse price step.
const WIDE_BAR: f64 = 0.005;

/// Price steps that are tried.
const STEPS: [f64; 5] = [1.0, 0.1, 0.01, 0.001, 0.0001];
/// Steps from low to high that do not repeat by chance.
const MIN_STEPS: f64 = 4.5;

pub(super) fn judge(series: &Series<'_>, config: &QualityConfig, repeats: &RowSet, report: &mut ReportBuilder<'_>) {
    let mut found = Found::default();
    for (first, last) in repeats.ranges() {
        judge_run(series, config, first, last, &mut found);
    }
    let close = |row: usize, bound: usize| Detail::new(series.bars().close[row], bound as f64);
    report.hit_rows(Rule::FlatRows, &found.flat, |row| close(row, config.max_flat_rows));
    report.hit_rows(Rule::Frozen, &found.frozen, |row| close(row, config.robust.frozen_rows));
}

/// The rows of the runs that are too long.
#[derive(Default)]
struct Found {
    flat: RowSet,
    frozen: RowSet,
}

/// Rows `first` to `last` repeat the bar of the row before `first`.
///
/// A bar with a range does not come thrice from a living market. One price without volume is what a
/// suspended or a thinly traded instrument shows.
fn judge_run(series: &Series<'_>, config: &QualityConfig, first: usize, last: usize, found: &mut Found) {
    let bars = series.bars();
    let base = first - 1;
    let equal_bars = last - base + 1;
    let (high, low, volume) = (bars.high[base], bars.low[base], bars.volume[base]);
    let volumes = &bars.volume[base..=last];
    let has_range = high > low;
    if !has_range {
        let mut at = base;
        for run in volumes.chunk_by(|a, b| (*a == 0.0) == (*b == 0.0)) {
            if run[0] == 0.0 && run.len() >= config.max_flat_rows {
                found.flat.insert_range(at..at + run.len());
            }
            at += run.len();
        }
    }
    #[expect(clippy::float_cmp, reason = "a frozen feed repeats its bits")]
    let is_same_volume = volumes.iter().all(|other| *other == volume);
    let is_frozen = match (has_range, is_same_volume) {
        (true, true) => equal_bars >= config.robust.frozen_rows,
        (true, false) => {
            equal_bars >= config.robust.frozen_rows && high > low * (1.0 + WIDE_BAR) && is_fine_bar(series, base)
        }
        // One price and one volume: the same trade over and over, or one order a day.
        (false, true) => volume != 0.0 && equal_bars > config.robust.frozen_rows,
        (false, false) => false,
    };
    if is_frozen {
        found.frozen.insert_range(first..last + 1);
    }
}

/// Whether a bar is too detailed to come twice by chance: open or close between high and low, and
/// several price steps from low to high.
fn is_fine_bar(series: &Series<'_>, row: usize) -> bool {
    let bars = series.bars();
    let prices @ [open, high, low, close] = [bars.open[row], bars.high[row], bars.low[row], bars.close[row]];
    let has_inner = [open, close].iter().any(|price| *price > low && *price < high);
    let step = decimal_step(&STEPS, prices, 1e-3);
    has_inner && high - low >= MIN_STEPS * step
}
