//! Steps of the price's level: by a unit, by a split that is declared, by one that is not.

use super::bounds::unit_of;
use super::evidence::Evidence;
use super::jump::{Jump, jump_at, lasted, rows_after};
use super::splits::{Split, Splits};
use super::step::{Cause, Step, Support, is_inverse};
use super::witness::{CLEAR_SPLIT, is_adjusted_away_at_last, is_news, is_ordinary};
use crate::quality::median::{median_and_deviation, median_of};
use crate::quality::{QualityConfig, RowSet};

/// Rows from a jump to a declared split that is none of its neighbours but may be its cause.
const FAR_SPLIT_ROWS: usize = 250;
/// Rows on either side whose median volume tells an undeclared split.
const SPLIT_VOLUME_ROWS: usize = 10;
/// Fewest of them that tell it.
const MIN_VOLUME_ROWS: usize = 5;
/// Split ratios that are tried where none is declared.
const SPLITS: [f64; 15] = [2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0];
/// Closes around an undeclared split that have to differ: prices of one or two steps halve and double
/// all the time.
const DISTINCT_CLOSES: usize = 4;
/// Rows after a split on which the volume says nothing of others.
const BUSY_ROWS: usize = 6;
/// Rows between a split as traded and its declaration.
const NEAR_ROWS: usize = 2;
/// Rows in which a step that hides behind a move of the market is undone.
const MIXED_ROWS: usize = 60;
/// The same for a hundredfold and more.
const FAR_MIXED_ROWS: usize = 500;

/// A split declared near by that has the size of the jump: not applied, or applied twice. One that
/// is declared farther away counts if another jump undoes this one: it was applied to some rows only.
pub(super) fn declared_split(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    splits: &Splits,
    jump: Jump,
) -> Option<Step> {
    if splits.is_empty() {
        return None;
    }
    let size = jump.change.ln();
    let slack = (4.0 * evidence.returns(jump.row)).clamp(0.03, 0.15);
    let distance = |split: &Split| split.row.abs_diff(jump.row);
    let found = *splits.of_size(size.abs(), slack).min_by_key(|split| distance(split))?;
    let factor = found.size.copysign(size).exp();
    let support = if distance(&found) <= config.robust.split_window {
        Support::Declared(found.row)
    } else if distance(&found) > FAR_SPLIT_ROWS || found.size < CLEAR_SPLIT.ln() {
        return None;
    } else if (jump.gap / factor).ln().abs() <= slack
        && is_ordinary(evidence, jump.row)
        && lasted(evidence.series.bars().close, jump, factor, 0.15)
    {
        Support::Far
    } else {
        Support::None
    };
    Some(Step { log: factor.ln(), cause: Cause::Split, support, jump, split: None })
}

/// A step by a unit.
pub(super) fn unit_step(jump: Jump) -> Option<Step> {
    let factor = unit_of(jump.change)?;
    Some(Step { log: factor.ln(), cause: Cause::Unit, support: Support::None, jump, split: None })
}

/// A step by a unit and a move of the market on one day: believed only if it undoes the step before
/// (`last`), or if the next jump undoes it. Without it one such day would turn right into wrong for
/// all rows after.
pub(super) fn mixed_step(
    evidence: &mut Evidence<'_>,
    marked: &RowSet,
    last: Option<&Step>,
    jump: Jump,
) -> Option<Step> {
    let unit: f64 = match jump.change.max(jump.change.recip()) {
        5.0..=20.0 if !is_news(evidence, jump.row) => 10.0,
        40.0..=250.0 => 100.0,
        400.0..=2500.0 => 1000.0,
        _ => return None,
    };
    let step = Step {
        log: if jump.change > 1.0 { unit.ln() } else { -unit.ln() },
        cause: Cause::Unit,
        support: Support::None,
        jump,
        split: None,
    };
    // A tenth is what a market falls to; a hundredth is not.
    let reach = if unit > 10.0 { FAR_MIXED_ROWS } else { MIXED_ROWS };
    let closes = last.is_some_and(|last| jump.row - last.jump.row <= reach && is_inverse(last, &step));
    let is_closed = || {
        let mut next = rows_after(marked, jump.row, reach).filter_map(|row| unit_step(jump_at(evidence, row)?));
        next.next().is_some_and(|next| is_inverse(&step, &next))
    };
    (closes || is_closed()).then_some(step)
}

/// A step by a usual split ratio that nobody declared: price and volume move inversely, on a day
/// that is ordinary but for that. What the adjusted close explains is none.
///
/// `is_doubtful`: the answer is but a hint, so that a busy day will do.
pub(super) fn undeclared_split(evidence: &mut Evidence<'_>, jump: Jump, is_doubtful: bool) -> Option<Step> {
    let ratio = jump.change.max(jump.change.recip());
    let split = SPLITS.into_iter().min_by(|a, b| (ratio / a).ln().abs().total_cmp(&(ratio / b).ln().abs()))?;
    let factor = if jump.change > 1.0 { split } else { split.recip() };
    let slack = |usual: f64| if is_doubtful { 0.13 } else { (2.5 * usual).min(0.1) };
    let close_fits = (jump.change / factor).ln().abs() <= slack(evidence.returns(jump.row));
    let open_fits = (jump.gap / factor).ln().abs() <= slack(evidence.gaps(jump.row));
    if !close_fits
        || !open_fits
        || is_adjusted_away_at_last(evidence, jump)
        || !lasted(evidence.series.bars().close, jump, factor, if is_doubtful { 0.25 } else { 0.15 })
    {
        return None;
    }
    let bars = *evidence.series.bars();
    let before = jump.row.saturating_sub(SPLIT_VOLUME_ROWS)..jump.row;
    let after = jump.row..(jump.row + SPLIT_VOLUME_ROWS).min(bars.close.len());
    if distinct(&bars.close[before.clone()]) < DISTINCT_CLOSES || distinct(&bars.close[after.clone()]) < DISTINCT_CLOSES
    {
        return None;
    }
    let range = evidence.range_of(jump.row);
    let load = |volumes: &'_ [f64]| median_of(volumes).filter(|_| volumes.len() >= MIN_VOLUME_ROWS);
    let (before, after) = (load(&bars.volume[before])?, load(&bars.volume[after])?);
    let moved = (after / before).ln() / factor.recip().ln();
    let (wide, busy) = if is_doubtful { (8.0, 20.0) } else { (2.0, 3.0) };
    let is_split = evidence.range(jump.row).is_some_and(|usual| range <= wide * usual)
        && (0.5..=1.6).contains(&moved)
        && bars.volume[jump.row] <= busy * after;
    is_split.then_some(Step { log: factor.ln(), cause: Cause::Split, support: Support::Volume, jump, split: None })
}

/// Whether a declared split that the prices show may be one of a feed of prices as traded: it goes the way a split
/// goes, and the volumes at all such splits do not clearly say that they were not moved by them.
pub(super) fn is_as_traded(evidence: &Evidence<'_>, splits: &Splits, step: &Step) -> bool {
    let Support::Declared(row) = step.support else { return false };
    let goes_its_way = splits.on(row).is_some_and(|split| split.ratio.ln() * step.log < 0.0);
    if !goes_its_way || row.abs_diff(step.jump.row) > NEAR_ROWS {
        return false;
    }
    let (mut moved, mut due, mut doubt) = (0.0, 0.0, 0.0_f64);
    for split in splits.all() {
        let Some((shift, spread)) = volume_shift(evidence, split) else { continue };
        moved += shift * split.ratio.ln().signum();
        due += split.size;
        doubt = doubt.hypot(spread);
    }
    due <= 0.0 || moved + 1.2 * doubt >= 0.5 * due
}

/// By how much the logarithms of the volumes rise at a split that the prices show, and how they vary around it.
fn volume_shift(evidence: &Evidence<'_>, split: &Split) -> Option<(f64, f64)> {
    let is_shown = |row: usize| {
        let change = jump_at(evidence, row).map_or(0.0, |jump| jump.change.ln());
        (change + split.ratio.ln()).abs() <= 0.2 * split.size.max(0.5)
    };
    let rows = evidence.series.len();
    let at = (split.row.saturating_sub(NEAR_ROWS)..(split.row + NEAR_ROWS + 1).min(rows)).find(|row| is_shown(*row))?;
    let volume = evidence.series.bars().volume;
    let logs = |rows: std::ops::Range<usize>| {
        let known = rows.map(|row| volume[row]).filter(|volume| *volume > 0.0 && volume.is_finite());
        let mut logs: Vec<f64> = known.map(f64::ln).collect();
        median_and_deviation(&mut logs).filter(|_| logs.len() >= MIN_VOLUME_ROWS)
    };
    // The days of the split itself are busy.
    let from = if at + BUSY_ROWS + MIN_VOLUME_ROWS <= rows { at + BUSY_ROWS } else { at };
    let (before, spread) = logs(at.saturating_sub(4 * SPLIT_VOLUME_ROWS)..at.saturating_sub(1))?;
    let (after, other) = logs(from..(from + 4 * SPLIT_VOLUME_ROWS).min(rows))?;
    Some((after - before, spread.max(other)))
}

fn distinct(values: &[f64]) -> usize {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values.len()
}
