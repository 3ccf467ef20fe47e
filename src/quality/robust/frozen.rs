//! Runs of equal bars.

use crate::quality::sink::{Detail, Sink};
use crate::quality::{QualityConfig, RowSet, Rule, Series};

/// Range of a bar, as a share of its low, from which on equal bars of unequal volumes are no
/// coincidence of a coarse price step.
const WIDE_BAR: f64 = 0.005;

/// Price steps that are tried.
const STEPS: [f64; 5] = [1.0, 0.1, 0.01, 0.001, 0.0001];
/// Steps from low to high that do not repeat by chance.
const MIN_STEPS: f64 = 4.5;

pub(super) fn judge(series: &Series<'_>, config: &QualityConfig, repeats: &RowSet, sink: &mut Sink<'_>) {
    let mut found = Found::default();
    for (first, last) in repeats.ranges() {
        judge_run(series, config, first, last, &mut found);
    }
    let close =
        |row: usize, bound: usize| Detail { value: series.bars().close[row], expected: bound as f64, factor: f64::NAN };
    sink.hit_rows(Rule::FlatRows, &found.flat, |row| close(row, config.max_flat_rows));
    sink.hit_rows(Rule::Frozen, &found.frozen, |row| close(row, config.robust.frozen_rows));
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
        for (first, last) in runs_of(volumes, |volume| volume == 0.0) {
            if last - first + 1 >= config.max_flat_rows {
                found.flat.insert_range(base + first..base + last + 1);
            }
        }
    }
    #[expect(clippy::float_cmp, reason = "a frozen feed repeats its bits")]
    let is_same_volume = volumes.iter().all(|other| *other == volume);
    if !has_range && is_same_volume && volume == 0.0 {
        return;
    }
    let is_frozen = match (has_range, is_same_volume) {
        (true, true) => equal_bars >= config.robust.frozen_rows,
        (true, false) => {
            equal_bars >= config.robust.frozen_rows && high > low * (1.0 + WIDE_BAR) && is_fine_bar(series, base)
        }
        // One price and one volume: the same trade over and over, or one order a day.
        (false, true) => equal_bars > config.robust.frozen_rows,
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
    let is_multiple = |step: &f64| prices.iter().all(|price| (price / step - (price / step).round()).abs() < 1e-3);
    let step = STEPS.into_iter().find(is_multiple).unwrap_or(0.0);
    has_inner && high - low >= MIN_STEPS * step
}

/// Runs of values for which a condition holds, first and last.
fn runs_of(values: &[f64], holds: impl Fn(f64) -> bool) -> Vec<(usize, usize)> {
    let places = (0..values.len()).filter(|place| holds(values[*place]));
    places.fold(Vec::new(), |mut runs, place| {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => runs.push((place, place)),
        }
        runs
    })
}
