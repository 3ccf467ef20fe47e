//! Money traded by units traded is a mean price: it lies within the bar, in some unit. The row itself bears witness.

use std::ops::Range;

use crate::quality::median::median_of;
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{Bars, Reason, Rule, Series};

/// How far two rows' units may be from each other: adjusted prices drift, and a thin bar's mean is anywhere in it.
const SLACK: f64 = 5.0;
/// Fewest rows that tell a unit.
const MIN_ROWS: usize = 5;
/// Rows beside a stretch that tell which of its columns moved.
const BESIDE: usize = 32;
/// Rows from a declared split to a step of the volumes.
const SPLIT_ROWS: usize = 15;
/// Stretches that are looked through for the end of one.
const MAX_LOOK: usize = 64;
/// Stretches that are kept; more of them are noise.
const MAX_STRETCHES: usize = 1 << 16;
/// Rows that are an error at either end though nothing undoes it.
const FEW: usize = 3;
/// Logarithm of amount by volume and close where all three are in one unit.
const SAME_UNIT: f64 = 0.1;

const VOLUME: Reason = Reason::new(
    "amount by volume is no price of the bar, and it is the volume that is far from the rows beside",
    0.95,
    "the amount is in another unit",
);

/// Rows whose amounts, volumes and closes have one unit.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: usize,
    end: usize,
    rows: usize,
    /// Logarithm of amount by volume and close, of the row in the middle.
    level: f64,
}

/// Whether two logarithms are of one unit.
fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= SLACK.ln()
}

/// Books amounts and volumes in another unit than those of the other rows. The answer is whether the rows could
/// speak for themselves.
pub(in crate::quality) fn check(series: &Series<'_>, report: &mut ReportBuilder<'_>) -> bool {
    let Some(amount) = series.extras().amount else {
        report.skip(Rule::AmountMismatch, "amount");
        return false;
    };
    for row in (0..series.len()).filter(|row| amount[*row] < 0.0 || amount[*row].is_infinite()) {
        report.hit(Rule::AmountMismatch, row, amount[row], f64::NAN);
    }
    let Some(stretches) = stretches(series.bars(), amount) else {
        report.skip(Rule::AmountMismatch, "amounts that agree with the volumes now and then");
        return false;
    };
    if stretches.iter().map(|stretch| stretch.rows).sum::<usize>() < MIN_ROWS {
        report.skip(Rule::AmountMismatch, "five rows with amount and volume");
        return false;
    }
    let (wrong, shifts) = wrong(&stretches, report.from());
    for (rows, off) in wrong {
        book(series, amount, rows, off, report);
    }
    // Ten to one and no way back: a split of prices that are adjusted, or volumes in tens.
    for row in shifts.into_iter().filter(|row| !has_split_near(series, *row)) {
        report.hit(Rule::VolumeShift, row, series.bars().volume[row], f64::NAN);
    }
    true
}

fn stretches(bars: &Bars<'_>, amount: &[f64]) -> Option<Vec<Stretch>> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut last = f64::NAN;
    for (row, amount) in amount.iter().enumerate() {
        let ratio = amount / bars.volume[row] / bars.close[row];
        if !(ratio > 0.0 && ratio.is_finite()) {
            continue;
        }
        let log = ratio.ln();
        match found.last_mut() {
            Some(stretch) if is_near(log, last) => {
                stretch.end = row + 1;
                stretch.rows += 1;
                // Half-way through the row in the middle speaks for all; adjusted prices drift.
                stretch.level += (log - stretch.level) / stretch.rows.min(16) as f64;
            }
            _ => found.push(Stretch { first: row, end: row + 1, rows: 1, level: log }),
        }
        if found.len() > MAX_STRETCHES {
            return None;
        }
        last = log;
    }
    Some(found)
}

/// The stretches that are wrong and how far they are off, and rows where the unit may have changed by ten: walking
/// both ways from the stretch that is most likely right.
fn wrong(stretches: &[Stretch], from: usize) -> (Vec<(Range<usize>, f64)>, Vec<usize>) {
    let total: usize = stretches.iter().map(|stretch| stretch.rows).sum();
    let stored = from.checked_sub(1).and_then(|last| stretches.iter().rposition(|stretch| stretch.first <= last));
    let is_one_unit = |stretch: &Stretch| stretch.level.abs() <= SAME_UNIT && stretch.rows * 5 >= total;
    let plain = stretches.iter().position(is_one_unit);
    let longest = (0..stretches.len()).max_by_key(|at| stretches[*at].rows);
    let Some(anchor) = stored.or(plain).or(longest) else { return Default::default() };
    let (mut found, mut shifts) = (Vec::new(), Vec::new());
    let newer: Vec<usize> = (anchor + 1..stretches.len()).collect();
    let older: Vec<usize> = (0..anchor).rev().collect();
    for way in [newer, older] {
        let mut level = stretches[anchor].level;
        let mut at = 0;
        while let Some(stretch) = way.get(at).map(|at| stretches[*at]) {
            if is_near(stretch.level, level) {
                level = stretch.level;
                at += 1;
                continue;
            }
            let back = way[at..].iter().take(MAX_LOOK).position(|other| is_near(stretches[*other].level, level));
            let off = stretch.level - level;
            let is_short = back.is_none() && way.len() - at == 1 && stretch.rows <= FEW;
            let count = match back {
                Some(count) => count,
                None if is_short || is_unit(off) || (from > 0 && is_decade(off)) => 1,
                None => 0,
            };
            for other in &way[at..at + count] {
                let Stretch { first, end, level: own, .. } = stretches[*other];
                found.push((first..end, own - level));
            }
            // Another unit that lasts, and nobody knows why: from there on it is the usual one.
            if count == 0 {
                if is_decade(off) {
                    shifts.push(if stretch.first > stretches[anchor].first { stretch.first } else { stretch.end });
                }
                level = stretch.level;
            }
            at += count.max(1);
        }
    }
    found.sort_by_key(|(rows, _)| rows.start);
    shifts.sort_unstable();
    (found, shifts)
}

/// Whether a split is declared near a row.
fn has_split_near(series: &Series<'_>, row: usize) -> bool {
    let rows = row.saturating_sub(SPLIT_ROWS)..(row + SPLIT_ROWS).min(series.len());
    series
        .extras()
        .splits
        .is_some_and(|splits| splits[rows].iter().any(|split| *split > 0.0 && (split - 1.0).abs() > 1e-9))
}

/// Ten and its powers.
fn is_decade(off: f64) -> bool {
    let decades = (off / std::f64::consts::LN_10).abs();
    decades.round() >= 1.0 && (decades - decades.round()).abs() <= 0.15
}

/// A hundred, a thousand, ten thousand, and so on: lots, thousands of money. Ten is a split.
fn is_unit(off: f64) -> bool {
    is_decade(off) && off.abs() > 1.5 * std::f64::consts::LN_10
}

/// Books rows that are off in the column that moved.
fn book(series: &Series<'_>, amount: &[f64], rows: Range<usize>, off: f64, report: &mut ReportBuilder<'_>) {
    let bars = series.bars();
    let moved = |column: &[f64]| {
        let usual = |rows: &mut dyn Iterator<Item = usize>| median_of(rows.map(|row| &column[row]));
        let inside = usual(&mut rows.clone().take(4 * BESIDE));
        let before = usual(&mut (0..rows.start).rev().take(BESIDE));
        let after = usual(&mut (rows.end..column.len()).take(BESIDE));
        let beside = match (before, after) {
            (Some(before), Some(after)) => Some((before * after).sqrt()),
            (one, other) => one.or(other),
        };
        inside.zip(beside).map_or(0.0, |(inside, beside)| (inside / beside).ln())
    };
    let (of_volume, of_amount) = (moved(bars.volume), moved(amount));
    // Neither of them moved: it is the price, which other rules look after.
    if (of_amount - of_volume).abs() < off.abs() / 2.0 {
        return;
    }
    let decades = (off / std::f64::consts::LN_10).round();
    let is_exact = decades != 0.0 && (off - decades * std::f64::consts::LN_10).abs() <= 0.35;
    let unit = if is_exact { 10_f64.powf(decades) } else { f64::NAN };
    let is_volume = of_volume.abs() > of_amount.abs();
    for row in rows.filter(|row| amount[*row] > 0.0 && bars.volume[*row] > 0.0) {
        if is_volume {
            let detail = Detail::new(bars.volume[row], bars.volume[row] * off.exp()).factor(unit).reason(VOLUME);
            report.hit_range(Rule::VolumeUnit, row..row + 1, detail);
        } else {
            report.hit_with(Rule::AmountMismatch, row, amount[row], amount[row] / off.exp(), unit.recip());
        }
    }
}
