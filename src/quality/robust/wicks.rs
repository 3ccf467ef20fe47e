//! Highs and lows (and closes with them) that leave the bar and its neighbours behind.

use super::evidence::{Evidence, decimal_step};
use super::witness::{is_ordinary, is_quiet};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{Reason, RowSet, Rule};

/// Rows on either side that may have been there too.
const NEIGHBOURS: usize = 4;
/// Logarithm of a wick that no calm market makes.
const LEAST: f64 = 0.4;
/// The same in usual ranges of a bar.
const RANGES: f64 = 12.0;
/// Logarithm of a wick that no market makes, whatever the news.
const ABSURD: f64 = 2.1;
/// Price steps of a wick that is no matter of a coarse price.
const STEPS: f64 = 8.0;
/// Rows that tell the price step.
const STEP_ROWS: usize = 8;
const PRICE_STEPS: [f64; 8] = [1.0, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 1e-8];
/// Wide rows of a series from which on, as one in so many, they are its nature.
const USUAL_SHARE: usize = 20;
/// Fewer of them are exceptions in any series.
const FEW: usize = 8;

const WITH_CLOSE: Reason = Reason::new(
    "the close leaves its bar and all bars around behind, and the next open is back, on ordinary volume",
    0.85,
    "a close that was busted",
);

const WITH_OPEN: Reason = Reason::new(
    "the open leaves its bar and all bars around behind, and the close knows nothing of it, on ordinary volume",
    0.85,
    "an auction that was busted",
);

pub(super) fn judge(evidence: &mut Evidence<'_>, wide: &RowSet, report: &mut ReportBuilder<'_>) {
    // Where many bars are wide, wide bars say nothing.
    if wide.is_empty() || wide.len() > FEW && wide.len() * USUAL_SHARE > evidence.series.len() {
        return;
    }
    let mut odd = Vec::new();
    for row in wide.iter() {
        if report.is_suspect(row) || evidence.is_near_zero(row) {
            continue;
        }
        let bars = *evidence.series.bars();
        let (top, bottom) = (bars.open[row].max(bars.close[row]), bars.open[row].min(bars.close[row]));
        let (highest, lowest) = reach(evidence, wide, row);
        let up = (bars.high[row] / top.max(highest)).ln();
        let down = (bottom.min(lowest) / bars.low[row]).ln();
        if is_wrong(evidence, row, up, bars.high[row] - top) {
            report.hit(Rule::Wick, row, bars.high[row], top.max(highest));
        } else if is_wrong(evidence, row, down, bottom - bars.low[row]) {
            report.hit(Rule::Wick, row, bars.low[row], bottom.min(lowest));
        } else if let Some(expected) = odd_open(evidence, row, (highest, lowest)) {
            report.hit_range(Rule::Wick, row..row + 1, Detail::new(bars.open[row], expected).reason(WITH_OPEN));
        } else if let Some(expected) = odd_close(evidence, row, (highest, lowest)) {
            report.hit_range(Rule::Wick, row..row + 1, Detail::new(bars.close[row], expected).reason(WITH_CLOSE));
            odd.push(row);
        }
    }
    for row in odd {
        evidence.distrust(row);
    }
}

/// Highest and lowest price of the rows around that are not wide themselves.
fn reach(evidence: &Evidence<'_>, wide: &RowSet, row: usize) -> (f64, f64) {
    let bars = evidence.series.bars();
    let rows = row.saturating_sub(NEIGHBOURS)..(row + NEIGHBOURS + 1).min(evidence.series.len());
    // What is on another level is another matter.
    let is_near = |other: &usize| {
        [bars.open[row], bars.close[row]].into_iter().any(|price| (bars.close[*other] / price).ln().abs() < LEAST)
    };
    // But what the bar has come from or goes to may be in its reach.
    let is_beside = |other: &usize| other.abs_diff(row) == 1;
    rows.filter(|other| *other != row && !wide.contains(*other) && evidence.is_sound(*other))
        .filter(|other| is_near(other) || is_beside(other))
        .fold((0.0_f64, f64::INFINITY), |(high, low), row| (high.max(bars.high[row]), low.min(bars.low[row])))
}

fn is_wrong(evidence: &mut Evidence<'_>, row: usize, size: f64, distance: f64) -> bool {
    let usual = evidence.range(row).unwrap_or(0.02);
    size >= LEAST
        && size >= RANGES * usual.ln_1p()
        && distance >= STEPS * price_step(evidence, row)
        && (size >= ABSURD || is_quiet(evidence, row))
}

/// The step that the prices around are multiples of; 0 if there is none.
fn price_step(evidence: &Evidence<'_>, row: usize) -> f64 {
    if let Some(tick) = evidence.series.price_step() {
        return tick;
    }
    let bars = evidence.series.bars();
    let rows = row.saturating_sub(STEP_ROWS)..(row + STEP_ROWS).min(evidence.series.len());
    let prices = rows.filter(|other| *other != row).flat_map(|row| [bars.open[row], bars.low[row], bars.close[row]]);
    let known: Vec<f64> = prices.filter(|price| *price > 0.0 && price.is_finite()).collect();
    decimal_step(&PRICE_STEPS, known.iter().copied(), 1e-3)
}

/// Whether a price leaves the one it should be near, and the rows around, behind.
fn is_odd(evidence: &mut Evidence<'_>, row: usize, odd: f64, right: f64, (highest, lowest): (f64, f64)) -> bool {
    let size = (odd / right).ln();
    let far = if size > 0.0 { (odd / highest).ln() } else { (lowest / odd).ln() };
    size.abs() >= LEAST && is_wrong(evidence, row, far, (odd - right).abs())
}

/// Whether two prices are as near as those of one day and the next.
fn are_near(evidence: &mut Evidence<'_>, row: usize, one: f64, other: f64) -> bool {
    (one / other).ln().abs() <= (4.0 * evidence.returns(row)).clamp(0.03, 0.15)
}

/// The close that would be right, if this one went away with its high or low and the next open knows nothing of it.
fn odd_close(evidence: &mut Evidence<'_>, row: usize, reach: (f64, f64)) -> Option<f64> {
    let next = row + 1;
    if next >= evidence.series.len() || !evidence.is_sound(next) {
        return None;
    }
    let bars = *evidence.series.bars();
    let (open, close, back) = (bars.open[row], bars.close[row], bars.open[next]);
    let before = evidence.before(row);
    let is_back = are_near(evidence, row, back, open)
        && before.is_none_or(|before| are_near(evidence, row, open, bars.close[before]));
    (is_back && is_odd(evidence, row, close, open, reach) && is_ordinary(evidence, next)).then_some(open)
}

/// The open that would be right, if this one went away with its high or low and the close is where it was before.
fn odd_open(evidence: &mut Evidence<'_>, row: usize, reach: (f64, f64)) -> Option<f64> {
    let bars = *evidence.series.bars();
    let (open, close) = (bars.open[row], bars.close[row]);
    let before = evidence.before(row).map(|before| bars.close[before]);
    let beside = before.or(bars.open.get(row + 1).copied())?;
    (are_near(evidence, row, close, beside) && is_odd(evidence, row, open, close, reach)).then_some(beside)
}
