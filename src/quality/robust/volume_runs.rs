//! Runs of rows whose volumes are far from those before, and what is usual beside them.

use super::bounds::SWELL;
use super::evidence::Evidence;
use crate::quality::median::median;
use crate::quality::report_builder::ReportBuilder;

/// Volumes on either side that tell what is usual.
const WINDOW: usize = 10;
/// Fewest of them.
const MIN_WINDOW: usize = 5;
/// Rows that are searched for them.
const MAX_SEARCH: usize = 64;
/// Factor that a row of a run keeps from what was before.
const AWAY: f64 = 10.0;
/// Factor by which the volumes on both sides of a run may differ.
const ALIKE: f64 = 4.0;
/// Spread of volumes at least.
const MIN_SPREAD: f64 = 0.25;

/// Rows whose volumes are far from what is usual.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) end: usize,
    /// It reaches to an end of the series: there is nothing on one side.
    pub(super) is_at_end: bool,
    /// It ends as it began, from one row to the next.
    pub(super) is_sharp: bool,
}

/// What is usual beside a run, in logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbourhood {
    /// Usual volume.
    pub(super) median: f64,
    /// How far the run is from it.
    pub(super) offset: f64,
    /// Standard deviation of the volumes beside the run.
    pub(super) spread: f64,
    /// The same within.
    pub(super) own_spread: f64,
}

/// The run that begins on a row that is far from those before.
pub(super) fn run_from(evidence: &Evidence<'_>, row: usize, report: &ReportBuilder<'_>) -> Option<Run> {
    let volume = evidence.series.bars().volume;
    let usual = usual_before(evidence, row, report)?.0;
    let distance = |row: usize| volume[row].ln() - usual.ln();
    let side = distance(row);
    if !is_number(volume[row]) || side.abs() < AWAY.ln() {
        return None;
    }
    let is_away = |row: &usize| !is_number(volume[*row]) || distance(*row) * side.signum() >= AWAY.ln();
    let mut end = (row + 1..volume.len()).find(|row| !is_away(row)).unwrap_or(volume.len());
    while end > row + 1 && !is_number(volume[end - 1]) {
        end -= 1;
    }
    let is_at_end = (end..volume.len()).all(|row| !is_number(volume[row]));
    let back = volume.get(end).map_or(1.0, |next| (volume[end - 1] / next).ln() * side.signum());
    Some(Run { first: row, end, is_at_end, is_sharp: back >= (SWELL / 2.0).ln() })
}

/// The run from the start of the series to a row near it, which is far from those after.
pub(super) fn run_to(evidence: &Evidence<'_>, row: usize, report: &ReportBuilder<'_>) -> Option<Run> {
    let volume = evidence.series.bars().volume;
    if row == 0 || row > WINDOW || usual_before(evidence, row, report).is_some() {
        return None;
    }
    let first = (0..row).rev().take_while(|row| is_number(volume[*row])).last()?;
    Some(Run { first, end: row, is_at_end: true, is_sharp: true })
}

/// What is usual beside a run; `None` where the two sides do not agree or say too little.
pub(super) fn neighbourhood(evidence: &Evidence<'_>, run: &Run, report: &ReportBuilder<'_>) -> Option<Neighbourhood> {
    let volume = evidence.series.bars().volume;
    let before = usual_before(evidence, run.first, report);
    let after = usual(logs(volume, run.end..volume.len(), report));
    let (median, spread) = match (before, after) {
        (Some((one, a)), Some((other, b))) if !run.is_at_end => {
            if (one / other).ln().abs() > ALIKE.ln() {
                return None;
            }
            ((one.ln().midpoint(other.ln())).exp(), a.max(b))
        }
        (Some(before), None) => before,
        (None, Some(after)) => after,
        (Some(before), Some(_)) if run.end >= volume.len() => before,
        _ => return None,
    };
    let mut own: Vec<f64> = volume[run.first..run.end].iter().filter(|v| is_number(**v)).map(|v| v.ln()).collect();
    let (middle, own_spread) = center(&mut own)?;
    Some(Neighbourhood { median, offset: middle - median.ln(), spread, own_spread })
}

/// Usual volume and spread of the rows before one.
fn usual_before(evidence: &Evidence<'_>, row: usize, report: &ReportBuilder<'_>) -> Option<(f64, f64)> {
    usual(logs(evidence.series.bars().volume, (0..row).rev(), report))
}

fn usual(mut logs: Vec<f64>) -> Option<(f64, f64)> {
    if logs.len() < MIN_WINDOW {
        return None;
    }
    center(&mut logs).map(|(middle, spread)| (middle.exp(), spread))
}

/// Median and standard deviation by the median deviation.
fn center(logs: &mut [f64]) -> Option<(f64, f64)> {
    let middle = median(logs)?;
    for log in logs.iter_mut() {
        *log = (*log - middle).abs();
    }
    Some((middle, (1.4826 * median(logs)?).max(MIN_SPREAD)))
}

/// Logarithms of the nearest volumes that are not known to be wrong.
fn logs(volume: &[f64], rows: impl Iterator<Item = usize>, report: &ReportBuilder<'_>) -> Vec<f64> {
    rows.take(MAX_SEARCH)
        .filter(|row| is_number(volume[*row]) && !report.is_suspect(*row))
        .take(WINDOW)
        .map(|row| volume[row].ln())
        .collect()
}

fn is_number(volume: f64) -> bool {
    volume > 0.0 && volume.is_finite()
}
