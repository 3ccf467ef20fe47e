//! Runs of equal bars.

use super::evidence::decimal_step;
use super::marks::Marks;
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{QualityConfig, RowSet, Rule, Series};

/// Range of a bar, as a share of its low, from which on equal bars of unequal volumes are no
/// coincidence of a coarse price step.
const WIDE_BAR: f64 = 0.005;

/// Price steps that are tried.
const STEPS: [f64; 12] = [1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005, 0.001, 0.0005, 0.0001, 0.00005, 0.00001];
/// Rows on either side that tell the price step.
const STEP_ROWS: usize = 16;
/// Volume that does not come twice by chance.
const MIN_VOLUME: f64 = 100.0;
/// Steps from low to high that do not repeat by chance.
const MIN_STEPS: f64 = 4.5;

pub(super) fn judge(series: &Series<'_>, config: &QualityConfig, marks: &Marks, report: &mut ReportBuilder<'_>) {
    let repeats = &marks.repeats;
    if repeats.is_empty() {
        return;
    }
    // One price and no volume is what values of funds and indices are made of.
    let bars = series.bars();
    let has_volumes = series.feed().volume && bars.volume.iter().any(|volume| *volume > 0.0);
    let mut found = Found { has_volumes, ..Found::default() };
    for (first, last) in repeats.ranges() {
        judge_run(series, config, first, last, &mut found);
    }
    let close = |row: usize, bound: usize| Detail::new(series.bars().close[row], bound as f64);
    report.hit_rows(Rule::FlatRows, &found.flat, |row| close(row, config.max_flat_rows));
    report.hit_rows(Rule::RepeatedRow, &found.repeated, |row| close(row, 1));
    report.hit_rows(Rule::Frozen, &found.frozen, |row| close(row, config.robust.frozen_rows));
}

/// The rows of the runs that are too long.
#[derive(Default)]
struct Found {
    flat: RowSet,
    frozen: RowSet,
    repeated: RowSet,
    has_volumes: bool,
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
    if !has_range && found.has_volumes {
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
        // Nobody measures: neither can it stand still.
        (false, _) if !found.has_volumes => false,
        // One price and one volume: the same trade over and over, or one order a day.
        (false, true) => volume != 0.0 && equal_bars > config.robust.frozen_rows,
        (false, false) => false,
    };
    if is_frozen {
        found.frozen.insert_range(first..last + 1);
    } else if has_range && is_same_volume && volume > MIN_VOLUME && is_fine_bar(series, base) {
        found.repeated.insert_range(first..last + 1);
    }
}

/// Whether a bar is too detailed to come twice by chance: open or close between high and low, and
/// several price steps from low to high.
fn is_fine_bar(series: &Series<'_>, row: usize) -> bool {
    let bars = series.bars();
    let [open, high, low, close] = [bars.open[row], bars.high[row], bars.low[row], bars.close[row]];
    let has_inner = [open, close].iter().any(|price| *price > low && *price < high);
    let around = row.saturating_sub(STEP_ROWS)..(row + STEP_ROWS).min(series.len());
    let learned = || {
        let known = around.flat_map(|row| [bars.open[row], bars.high[row], bars.low[row], bars.close[row]]);
        let known: Vec<f64> = known.filter(|price| price.is_finite()).collect();
        decimal_step(&STEPS, known.iter().copied(), 1e-3)
    };
    let step = series.price_step().unwrap_or_else(learned);
    has_inner && high - low >= MIN_STEPS * step
}
