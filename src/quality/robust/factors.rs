//! The adjustment factors of a series.
//!
//! The *factor* of a row is its adjusted close by its close. It steps where a dividend or a split
//! is adjusted for: `before / after = 1 - dividend / close before`, and is constant elsewhere.

use std::collections::BTreeSet;

use super::evidence::{Evidence, decimal_step};
use crate::quality::Rule;
use crate::quality::median::{median, median_of};
use crate::quality::report_builder::ReportBuilder;

/// Rows that the noise of the factor is taken from.
const NOISE_ROWS: usize = 4096;
/// Rows that the rounding of adjusted closes is told from, and the roundings that are tried.
const ROUNDING_ROWS: usize = 64;
const ROUNDINGS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];
/// Longest run of rows whose factor goes away and comes back.
const MAX_RUN: usize = 20;
/// The same where it goes where no action takes it.
const LONG_RUN: usize = 5000;
/// Adjusted close by close that no history of splits makes.
const ABSURD_FACTOR: f64 = 1e12;
/// Absurd steps whose ends are looked for; a column with more of them is noise.
const MAX_LOOKS: usize = 256;
/// Logarithm of a step that no dividend makes while the price goes on as if nothing had happened.
const ABSURD: f64 = 0.47;
/// Rows on either side over which such a step lasts.
const LASTING_ROWS: usize = 16;
/// Logarithm of a step up, which no dividend makes at all; less may be rounding or rights.
const UPWARD: f64 = 0.2;
/// How many times the newest rows must be outnumbered to be the wrong ones.
const OUTNUMBERED: usize = 4;
/// Rounding of a factor at most: two decimals of a price of 1.
const MAX_NOISE: f64 = 0.04;

/// Adjusted closes before `row` have to be multiplied with `factor`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong {
    pub(super) row: usize,
    pub(super) factor: f64,
}

/// The factors of a series and how exact they are.
pub(super) struct Factors {
    /// Difference of two factors that is more than rounding.
    noise: f64,
    /// Difference of two factors that counts.
    tolerance: f64,
    /// Step to which the adjusted closes are rounded; 0 if to none.
    step: f64,
    /// Whether the series says when dividends were paid.
    has_dividends: bool,
}

impl Factors {
    pub(super) fn new(evidence: &Evidence<'_>, tolerance: f64, has_dividends: bool) -> Self {
        let rows = 1..evidence.series.len().min(NOISE_ROWS);
        let mut steps: Vec<f64> = rows.filter_map(|row| Some((step(evidence, row)?.1 - 1.0).abs())).collect();
        let usual = median(&mut steps).unwrap_or(0.0);
        // A column that is noise throughout must not excuse itself.
        let noise = (8.0 * usual).min(MAX_NOISE);
        Self { noise, tolerance: tolerance.max(noise), step: rounding(evidence), has_dividends }
    }

    /// The rounding of a factor on a row: that of its adjusted close, which weighs more the smaller it
    /// is, but not less than that of all.
    pub(super) fn noise_at(&self, evidence: &Evidence<'_>, row: usize) -> f64 {
        let adj_close = evidence.series.extras().adj_close.map_or(f64::NAN, |column| column[row]);
        // Two closes are rounded, by half a step each.
        (1.1 * self.step / adj_close.abs()).max(self.noise)
    }

    pub(super) fn tolerance_at(&self, evidence: &Evidence<'_>, row: usize) -> f64 {
        self.tolerance.max(self.noise_at(evidence, row))
    }

    /// Steps of the factor that no dividend and no split asks for.
    pub(super) fn judge_steps(&self, evidence: &Evidence<'_>, wrong: &mut Vec<Wrong>, report: &mut ReportBuilder<'_>) {
        let Some(adj_close) = evidence.series.extras().adj_close else { return };
        let of_dividends: BTreeSet<usize> = wrong.iter().map(|wrong| wrong.row).collect();
        let mut looks = MAX_LOOKS;
        let mut row = 1;
        while row < evidence.series.len() {
            let Some((before, ratio)) =
                step(evidence, row).filter(|(_, ratio)| (ratio - 1.0).abs() > self.tolerance_at(evidence, row))
            else {
                row += 1;
                continue;
            };
            // Prices that are wrong themselves are no witnesses.
            let is_known = of_dividends.contains(&row);
            if has_action(evidence, row) || is_known || report.is_suspect(row) || report.is_suspect(before) {
                row += 1;
                continue;
            }
            let is_absurd = is_absurd(evidence, before, row, ratio);
            let is_far = is_absurd && looks > 0;
            looks -= usize::from(is_far);
            if let Some(end) = self.way_back(evidence, before, row, is_far.then_some(ratio), report) {
                let usual = factor(evidence, before).unwrap_or(f64::NAN);
                for row in (row..end).filter(|row| evidence.is_sound(*row)) {
                    let own = evidence.series.bars().close[row] * usual / adj_close[row];
                    // A stretch is off by one factor, whatever was paid in it.
                    let is_one =
                        (own / ratio - 1.0).abs() <= self.tolerance_at(evidence, row) || ratio.ln().abs() > ABSURD;
                    book_outlier(adj_close, row, if is_one { ratio } else { own }, report);
                }
                row = end;
            } else if is_absurd && (evidence.series.len() - row) * OUTNUMBERED < row {
                for row in (row..evidence.series.len()).filter(|row| evidence.is_sound(*row)) {
                    book_outlier(adj_close, row, ratio, report);
                }
                return;
            } else if is_absurd {
                wrong.push(Wrong { row, factor: ratio.recip() });
            } else if self.has_dividends && !(row > 1 && has_action(evidence, row - 1)) {
                // Without the dividends nobody can tell whether there was one.
                report.hit(Rule::UnexplainedAdjustment, row, ratio, 1.0);
            }
            row += 1;
        }
    }

    /// The first row from `row` on whose factor is that of `before` again; `absurd` is a step that no action explains.
    fn way_back(
        &self,
        evidence: &Evidence<'_>,
        before: usize,
        row: usize,
        absurd: Option<f64>,
        report: &ReportBuilder<'_>,
    ) -> Option<usize> {
        let usual = factor(evidence, before)?;
        let reach = if absurd.is_some() { LONG_RUN } else { MAX_RUN };
        let slack = absurd.map_or(0.0, |ratio| 0.3 * ratio.ln().abs().min(1.0));
        (row + 1..(row + 1 + reach).min(evidence.series.len()))
            // What no action explains may have actions within.
            .take_while(|row| absurd.is_some() || !has_action(evidence, *row))
            .filter(|row| !report.is_suspect(*row))
            .find(|row| {
                let tolerance = (self.tolerance / 2.0).max(self.noise_at(evidence, *row)).max(slack);
                factor(evidence, *row).is_some_and(|factor| (factor / usual).ln().abs() <= tolerance)
            })
    }
}

/// An adjusted close that has to be multiplied.
fn book_outlier(adj_close: &[f64], row: usize, factor: f64, report: &mut ReportBuilder<'_>) {
    report.hit_with(Rule::AdjustmentOutlier, row, adj_close[row], adj_close[row] * factor, factor);
}

/// The decimal step that all of the first adjusted closes are multiples of; 0 if there is none.
fn rounding(evidence: &Evidence<'_>) -> f64 {
    let column = evidence.series.extras().adj_close.unwrap_or_default();
    let known = column.iter().copied().filter(|adj_close| adj_close.is_finite()).take(ROUNDING_ROWS);
    decimal_step(&ROUNDINGS, known, 1e-6)
}

/// Whether a history of splits and dividends may make such a factor.
pub(super) fn is_factor(factor: f64) -> bool {
    factor > ABSURD_FACTOR.recip() && factor < ABSURD_FACTOR
}

/// Adjusted close by close, where both are numbers above zero.
fn factor(evidence: &Evidence<'_>, row: usize) -> Option<f64> {
    let factor = evidence.series.extras().adj_close?[row] / evidence.series.bars().close[row];
    (evidence.is_sound(row) && is_factor(factor)).then_some(factor)
}

/// Whether the factor steps by what no action explains: up, or by more than anybody pays, while the price goes on.
fn is_absurd(evidence: &Evidence<'_>, before: usize, row: usize, ratio: f64) -> bool {
    let close = evidence.series.bars().close;
    let (size, moved) = (ratio.ln(), (close[row] / close[before]).ln());
    let goes_on = moved.abs() < 0.3 * size.abs();
    let adj_close = evidence.series.extras().adj_close.unwrap_or_default();
    let lasts = || {
        let usual_before = median_of(&adj_close[(before + 1).saturating_sub(LASTING_ROWS)..=before]);
        let usual_after = median_of(&adj_close[row..(row + LASTING_ROWS).min(adj_close.len())]);
        let jumps = usual_before.zip(usual_after);
        jumps.is_none_or(|(before, after)| ((after / before).ln() + size).abs() <= 0.4 * size.abs())
    };
    goes_on && !(-ABSURD..=UPWARD).contains(&size) && lasts()
}

/// The factor of the row before by that of `row`, below zero too: a dividend above the price does that.
pub(super) fn signed_step(evidence: &Evidence<'_>, row: usize) -> Option<f64> {
    let before = evidence.before(row)?;
    let (adj_close, close) = (evidence.series.extras().adj_close?, evidence.series.bars().close);
    let ratio = (adj_close[before] / close[before]) / (adj_close[row] / close[row]);
    ratio.is_finite().then_some(ratio)
}

/// The row before and its factor by the factor of `row`.
fn step(evidence: &Evidence<'_>, row: usize) -> Option<(usize, f64)> {
    let before = evidence.before(row)?;
    Some((before, factor(evidence, before)? / factor(evidence, row)?))
}

pub(super) fn dividend_at(evidence: &Evidence<'_>, row: usize) -> f64 {
    let dividend = evidence.series.extras().dividends.map_or(0.0, |column| column[row]);
    if dividend.is_finite() { dividend } else { 0.0 }
}

/// The split on a row; 1 if there is none.
pub(super) fn split_at(evidence: &Evidence<'_>, row: usize) -> f64 {
    let split = evidence.series.extras().splits.map_or(0.0, |column| column[row]);
    if split.is_finite() && split > 0.0 { split } else { 1.0 }
}

#[expect(clippy::float_cmp, reason = "1 stands for no split")]
pub(super) fn has_action(evidence: &Evidence<'_>, row: usize) -> bool {
    dividend_at(evidence, row) != 0.0 || split_at(evidence, row) != 1.0
}
