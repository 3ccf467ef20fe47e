//! Runs of rows whose volumes are far from those before, and what is usual beside them.

use std::ops::Range;

use super::bounds::SWELL;
use super::evidence::Evidence;
use crate::quality::median::{median, median_and_deviation, median_of};
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
/// Rows after a run at the start whose volumes have to be those right after it.
const LATER: [usize; 6] = [20, 50, 80, 120, 300, 700];
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
    let is_away = |row: usize| distance(row) * side.signum() >= AWAY.ln();
    let end = end_of(row + 1..volume.len(), |row| is_number(volume[row]), is_away);
    // A few rows after it are no level that it could have come back to.
    let after = (end..volume.len()).filter(|row| is_number(volume[*row])).take(MIN_WINDOW);
    let is_at_end = after.count() < MIN_WINDOW;
    let end = if is_at_end && end - row > MIN_WINDOW { volume.len() } else { end };
    let back = volume.get(end).map_or(1.0, |next| (volume[end - 1] / next).ln() * side.signum());
    Some(Run { first: row, end, is_at_end, is_sharp: back >= (SWELL / 2.0).ln() })
}

/// The run from the start of the series to a row near it, which is far from those after.
pub(super) fn run_to(evidence: &Evidence<'_>, row: usize, report: &ReportBuilder<'_>) -> Option<Run> {
    let volume = evidence.series.bars().volume;
    if row == 0 || row > WINDOW || usual_before(evidence, row, report).is_some() {
        return None;
    }
    let after = usual(logs(volume, row..volume.len(), report))?.0;
    let side = volume[row - 1].ln() - after.ln();
    let is_away =
        |row: &usize| is_number(volume[*row]) && (volume[*row].ln() - after.ln()) * side.signum() >= AWAY.ln();
    // One row of another size among them, and nobody knows what is usual.
    let is_one = (0..row).all(|row| is_away(&row)) && lasts(evidence, row, after);
    is_one.then_some(Run { first: 0, end: row, is_at_end: true, is_sharp: true })
}

/// For a step that lasts to the end: the run before it that it is the end of, if there is one.
pub(super) fn run_before(evidence: &Evidence<'_>, row: usize) -> Option<Run> {
    let volume = evidence.series.bars().volume;
    let after = median_of(&volume[row..(row + WINDOW).min(volume.len())])?;
    let side = volume[row - 1].ln() - after.ln();
    let is_away = |row: usize| (volume[row].ln() - after.ln()) * side.signum() >= AWAY.ln();
    // Backwards.
    let nth = |at: usize| row - 1 - at;
    let first = row - end_of(1..row, |at| is_number(volume[nth(at)]), |at| is_away(nth(at)));
    let before = median_of(&volume[first.saturating_sub(WINDOW)..first])?;
    let is_back = (before.ln() - after.ln()).abs() <= ALIKE.ln();
    is_back.then_some(Run { first, end: row, is_at_end: false, is_sharp: true })
}

/// Whether the volumes from a row on are what they are right after it, also later on.
fn lasts(evidence: &Evidence<'_>, row: usize, usual: f64) -> bool {
    let volume = evidence.series.bars().volume;
    LATER.into_iter().map(|later| row + later).filter(|first| first + WINDOW <= volume.len()).all(|first| {
        median_of(&volume[first..first + WINDOW])
            .is_none_or(|later| (later.ln() - usual.ln()).abs() <= 2.0 * ALIKE.ln())
    })
}

/// Whether the volumes farther away from a run, as far as it is long, are those beside it rather than its own: of
/// two levels the one that lasts is the usual one.
fn is_exception(volume: &[f64], run: &Run, usual: f64, own: f64) -> bool {
    let length = (run.end - run.first).max(2 * WINDOW);
    let is_usual = |rows: Range<usize>| {
        median_of(&volume[rows]).is_none_or(|far| (far.ln() - usual).abs() <= (far.ln() - own).abs())
    };
    LATER.into_iter().filter(|far| *far <= length).all(|far| {
        let before = run.first.checked_sub(far + WINDOW).is_none_or(|first| is_usual(first..first + WINDOW));
        let after = run.end + far;
        before && (after + WINDOW > volume.len() || is_usual(after..after + WINDOW))
    })
}

/// The end of a run: the first of the rows that is not away, unless two of the next three are.
fn end_of(mut rows: Range<usize>, has_volume: impl Fn(usize) -> bool, is_away: impl Fn(usize) -> bool) -> usize {
    let (first, end) = (rows.start, rows.end);
    let found = rows.find(|row| {
        let next = row + 1..(row + 4).min(end);
        let goes_on = next.len() == 3 && next.filter(|row| has_volume(*row) && is_away(*row)).count() >= 2;
        has_volume(*row) && !is_away(*row) && !goes_on
    });
    let mut found = found.unwrap_or(end);
    while found > first && !has_volume(found - 1) {
        found -= 1;
    }
    found
}

/// What is usual beside a run; `None` where the two sides do not agree or say too little.
pub(super) fn neighbourhood(evidence: &Evidence<'_>, run: &Run, report: &ReportBuilder<'_>) -> Option<Neighbourhood> {
    let volume = evidence.series.bars().volume;
    let before = usual_before(evidence, run.first, report);
    let after = usual(logs(volume, run.end..volume.len(), report));
    let (usual, spread) = match (before, after) {
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
    // Both ends of a wrong stretch are on one level.
    if own.len() >= 2 * WINDOW {
        let (mut first, mut last) = (own[..WINDOW].to_vec(), own[own.len() - WINDOW..].to_vec());
        if (median(&mut first)? - median(&mut last)?).abs() > ALIKE.ln() {
            return None;
        }
    }
    let (middle, own_spread) = center(&mut own)?;
    if !run.is_at_end && !is_exception(volume, run, usual.ln(), middle) {
        return None;
    }
    Some(Neighbourhood { median: usual, offset: middle - usual.ln(), spread, own_spread })
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
    median_and_deviation(logs).map(|(middle, deviation)| (middle, (1.4826 * deviation).max(MIN_SPREAD)))
}

/// Logarithms of the nearest volumes that are not known to be wrong.
fn logs(volume: &[f64], rows: impl Iterator<Item = usize>, report: &ReportBuilder<'_>) -> Vec<f64> {
    rows.take(MAX_SEARCH)
        .filter(|row| is_number(volume[*row]) && !report.is_suspect(*row))
        .take(WINDOW)
        .map(|row| volume[row].ln())
        .collect()
}

pub(super) fn is_number(volume: f64) -> bool {
    volume > 0.0 && volume.is_finite()
}
