//! Volumes of another order of magnitude than those around, where the row has no amount to bear witness.

use std::ops::Range;

use super::evidence::{Evidence, FrameLoad};
use super::habit::is_habit;
use super::volume_runs::{Neighbourhood, Run, is_number, neighbourhood, run_before, run_from, run_to};
use crate::quality::median::{median, median_of};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{Reason, RobustConfig, RowSet, Rule};

/// Marked rows of a frame from which on there is no usual volume.
const MAX_LEAPS: usize = 48;
/// A small volume has to be this part of the usual one: no stub of a day is.
const SMALL_FACTOR: f64 = 30.0;
/// Part of the configured spreads that it has to be away: the range of its bar and its habits speak as well.
const SMALL_SIGMA: f64 = 0.6;
/// Rows of a run that are single errors rather than a stretch.
const FEW: usize = 3;
/// Factor of a stretch of wrong volumes, and its spreads.
const STRETCH_FACTOR: f64 = 25.0;
const STRETCH_SIGMA: f64 = 4.0;
/// Logarithm by which a lasting step may miss its unit.
const UNIT_SLACK: f64 = 0.4;
/// Spread of volumes that are steady enough for a lasting step to be a unit.
const STEADY: f64 = 0.9;
/// Share of the rows, as one in so many, whose bar moves without volume.
const SILENT_SHARE: usize = 20;
/// Fewest of them.
const MIN_SILENT: usize = 5;
/// Part of a decade by which the volumes of a unit may miss it.
const KNOWN_DECADE: f64 = 0.35;
/// Rows before a lasting step in which none goes the other way, the rows that tell one, and its factor.
const FAR_BACK: usize = 2000;
const STEP_ROWS: usize = 7;
const OPPOSITE: f64 = 8.0;
/// Closes on either side that tell a split.
const SPLIT_ROWS: usize = 10;

const LASTING: Reason = Reason::new(
    "from one row to the next all volumes are a unit apart, the prices are as usual; the fewer rows are wrong",
    0.7,
    "the other rows are wrong",
);

/// Volumes of zero in bars that move.
pub(super) fn judge_silence(evidence: &Evidence<'_>, marked: &RowSet, report: &mut ReportBuilder<'_>) {
    let bars = evidence.series.bars();
    let mut silent = RowSet::default();
    let (mut next, mut is_heard) = (0, false);
    for row in marked.iter() {
        is_heard |= bars.volume[row] > 0.0;
        if row < next {
            continue;
        }
        next = row;
        while next < bars.volume.len() && bars.volume[next] == 0.0 {
            if bars.high[next] > bars.low[next] {
                silent.insert(next);
            }
            next += 1;
        }
    }
    // Without any volume it is an instrument that has none.
    if is_heard && silent.len() >= MIN_SILENT && silent.len() * SILENT_SHARE >= bars.volume.len() {
        report.hit_rows(Rule::MissingVolume, &silent, |_| Detail::new(0.0, f64::NAN));
    }
}

pub(super) fn judge(
    evidence: &mut Evidence<'_>,
    config: &RobustConfig,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) {
    let mut next = 0;
    let mut load = FrameLoad::default();
    for row in marked.iter() {
        // The row after a wrong one is marked as well: it is far from the wrong one. Where volumes
        // leap all the time none is usual.
        load.enter(row, marked, report);
        if row < next || load.is_hopeless || load.marks > MAX_LEAPS {
            continue;
        }
        let run = run_from(evidence, row, report).or_else(|| run_to(evidence, row, report));
        if let Some(run) = run {
            next = judge_run(evidence, config, run, marked, report).max(row + 1);
        }
    }
}

/// Books a run if its volumes are wrong. The answer is the first row that has not been judged.
///
/// News moves volume and price together; a unit moves the volume alone.
fn judge_run(
    evidence: &mut Evidence<'_>,
    config: &RobustConfig,
    run: Run,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) -> usize {
    let Some(around) = neighbourhood(evidence, &run, report) else { return run.first + 1 };
    let is_booked = if run.end - run.first <= FEW {
        judge_few(evidence, config, &run, &around, report)
    } else if !is_far_stretch(evidence, &run, &around, report) {
        false
    } else if run.is_at_end {
        judge_lasting(evidence, &run, &around, marked, report)
    } else {
        judge_stretch(evidence, &run, &around, report)
    };
    if is_booked { run.end } else { run.first + 1 }
}

/// A few rows by themselves.
fn judge_few(
    evidence: &mut Evidence<'_>,
    config: &RobustConfig,
    run: &Run,
    around: &Neighbourhood,
    report: &mut ReportBuilder<'_>,
) -> bool {
    let (size, is_small) = (around.offset.abs(), around.offset < 0.0);
    let (least, sigmas) = if is_small {
        (config.volume_factor.min(SMALL_FACTOR), config.volume_sigma * SMALL_SIGMA)
    } else {
        (config.volume_factor, config.volume_sigma)
    };
    let spread = evidence.volumes(run.first).map_or(around.spread, |usual| usual.sigma.max(around.spread));
    let is_wrong = size >= least.ln()
        && size >= sigmas * spread
        && (run.first..run.end).all(|row| is_usual_day(evidence, row, is_small))
        && !is_split(evidence, run, around.offset, report)
        && !(is_small && is_habit(evidence, run.first, around.median))
        && (!run.is_at_end || around.spread <= STEADY);
    if is_wrong {
        book(evidence, run, around, None, report);
    }
    is_wrong
}

/// Whether a longer run is far enough away, on days like others.
fn is_far_stretch(evidence: &Evidence<'_>, run: &Run, around: &Neighbourhood, report: &ReportBuilder<'_>) -> bool {
    let size = around.offset.abs();
    size >= STRETCH_FACTOR.ln()
        && size >= STRETCH_SIGMA * around.spread
        && around.own_spread <= 2.0 * STEADY
        && !is_split(evidence, run, around.offset, report)
        && are_prices_as_usual(evidence, run)
}

/// A stretch that goes away and comes back.
fn judge_stretch(evidence: &Evidence<'_>, run: &Run, around: &Neighbourhood, report: &mut ReportBuilder<'_>) -> bool {
    let is_usual = around.offset < 0.0 && is_habit(evidence, run.first, around.median);
    let is_wrong = run.is_sharp && !is_usual;
    if is_wrong {
        book(evidence, run, around, None, report);
    }
    is_wrong
}

/// A step that lasts: only a unit to the point is believed.
fn judge_lasting(
    evidence: &Evidence<'_>,
    run: &Run,
    around: &Neighbourhood,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) -> bool {
    let size = around.offset.abs();
    let unit = (size / std::f64::consts::LN_10).round();
    let is_unit = unit >= 2.0 && (size - unit * std::f64::consts::LN_10).abs() <= UNIT_SLACK;
    if !is_unit || around.spread > STEADY || around.own_spread > STEADY {
        return false;
    }
    if run.first == 0 {
        return judge_first(evidence, run, around, report);
    }
    // What comes back to what was before is the end of something.
    if let Some(before) = run_before(evidence, run.first) {
        let around = neighbourhood(evidence, &before, report);
        let is_far = |around: &Neighbourhood| around.offset.abs() >= STRETCH_FACTOR.ln();
        if let Some(around) = around.filter(is_far) {
            book(evidence, &before, &around, None, report);
        }
        return false;
    }
    // Nor does a step last that is undone by one that nobody can follow to it.
    if has_opposite(evidence, run, around.offset, marked) {
        return false;
    }
    let (old, new) = (run.first, run.end - run.first);
    // Units change for good with a vendor's release: of two sides of like length the older one is wrong.
    if old < new {
        let older = Run { first: 0, end: run.first, ..*run };
        let around = Neighbourhood { offset: -around.offset, ..*around };
        book(evidence, &older, &around, Some(LASTING), report);
    } else if new * 5 < old * 4 {
        book(evidence, run, around, Some(LASTING), report);
    } else {
        report.hit(Rule::VolumeShift, run.first, evidence.series.bars().volume[run.first], around.median);
    }
    true
}

/// The same of the first rows, before which nothing is known: they are the older side.
fn judge_first(evidence: &Evidence<'_>, run: &Run, around: &Neighbourhood, report: &mut ReportBuilder<'_>) -> bool {
    let volume = evidence.series.bars().volume;
    if run.end < volume.len() - run.end {
        book(evidence, run, around, Some(LASTING), report);
    } else {
        report.hit(Rule::VolumeShift, run.end, volume[run.end], around.median * around.offset.exp());
    }
    true
}

/// Whether volumes before the run stepped the other way by about as much.
fn has_opposite(evidence: &Evidence<'_>, run: &Run, offset: f64, marked: &RowSet) -> bool {
    let volume = evidence.series.bars().volume;
    let usual = |rows: Range<usize>| median_of(&volume[rows]).map(f64::ln);
    (run.first.saturating_sub(FAR_BACK)..run.first.saturating_sub(1)).filter(|row| marked.contains(*row)).any(|row| {
        let before = usual(row.saturating_sub(STEP_ROWS)..row);
        let after = usual(row..(row + STEP_ROWS).min(run.first));
        before.zip(after).is_some_and(|(before, after)| (after - before) * -offset.signum() >= OPPOSITE.ln())
    })
}

fn book(
    evidence: &Evidence<'_>,
    run: &Run,
    around: &Neighbourhood,
    reason: Option<Reason>,
    report: &mut ReportBuilder<'_>,
) {
    let volume = evidence.series.bars().volume;
    // A row may be off its neighbours by itself: half-way between two units neither is known.
    let decades = around.offset / std::f64::consts::LN_10;
    let unit = 10_f64.powf(-decades.round());
    let is_known = (decades - decades.round()).abs() <= KNOWN_DECADE && unit.is_finite();
    let unit = if is_known { unit } else { f64::NAN };
    for row in (run.first..run.end).filter(|row| is_number(volume[*row])) {
        let detail = Detail::new(volume[row], around.median).factor(unit);
        report.hit_range(Rule::VolumeUnit, row..row + 1, reason.map_or(detail, |reason| detail.reason(reason)));
    }
}

/// Whether the prices of the row are as usual: no news, and with a small volume not the stub of a bar
/// in which there was hardly any trade.
fn is_usual_day(evidence: &mut Evidence<'_>, row: usize, is_small: bool) -> bool {
    let (Some(before), true) = (evidence.before(row), evidence.is_sound(row)) else { return true };
    let close = evidence.series.bars().close;
    let change = (close[row] / close[before] - 1.0).abs();
    let range = evidence.range_of(row);
    change <= 5.0 * evidence.returns(row)
        && evidence.range(row).is_none_or(|usual| range <= 5.0 * usual && !(is_small && range < 0.4 * usual))
}

/// Whether bars in the run are as wide as those beside it.
fn are_prices_as_usual(evidence: &Evidence<'_>, run: &Run) -> bool {
    let inside = usual_range(evidence, run.first..run.end.min(run.first + 64));
    let outside = usual_range(evidence, run.first.saturating_sub(32)..run.first);
    inside.zip(outside).is_none_or(|(inside, outside)| (0.33..3.0).contains(&(inside / outside)))
}

fn usual_range(evidence: &Evidence<'_>, rows: Range<usize>) -> Option<f64> {
    let mut ranges: Vec<f64> =
        rows.filter(|row| evidence.is_sound(*row)).map(|row| evidence.range_of(row).max(1e-4)).collect();
    median(&mut ranges)
}

/// Whether the price went the other way by as much: after a split the money traded is what it was.
fn is_split(evidence: &Evidence<'_>, run: &Run, offset: f64, report: &ReportBuilder<'_>) -> bool {
    let close = evidence.series.bars().close;
    let usual = |rows: Range<usize>| median_of(rows.filter(|row| !report.is_suspect(*row)).map(|row| &close[row]));
    let inside = usual(run.first..run.end.min(run.first + SPLIT_ROWS));
    let before = usual(run.first.saturating_sub(SPLIT_ROWS)..run.first);
    let after = usual(run.end..(run.end + SPLIT_ROWS).min(close.len()));
    inside
        .zip(before.or(after))
        .is_some_and(|(inside, beside)| ((inside / beside).ln() + offset).abs() < 0.5 * offset.abs())
}
