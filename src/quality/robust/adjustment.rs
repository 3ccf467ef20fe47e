//! Dividends, splits and the adjusted close against each other.
//!
//! The *factor* of a row is its adjusted close by its close. It steps where a dividend or a split
//! is adjusted for: `before / after = 1 - dividend / close before`, and is constant elsewhere.

use super::dividend::{ABSURD, Dividend, Usual, Verdict, is_phantom_pair, verdict};
use super::evidence::{Evidence, decimal_step};
use super::splits::Splits;
use crate::quality::median::median;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{RobustConfig, Rule};

/// Rows that the noise of the factor is taken from.
const NOISE_ROWS: usize = 4096;
/// Rows that the rounding of adjusted closes is told from, and the roundings that are tried.
const ROUNDING_ROWS: usize = 64;
const ROUNDINGS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];
/// Longest run of rows whose factor goes away and comes back.
const MAX_RUN: usize = 20;
/// Dividends and wrong steps that are kept in mind; a real series has a few hundred.
const MAX_EVENTS: usize = 1 << 16;
/// Rounding of a factor at most: two decimals of a price of 1.
const MAX_NOISE: f64 = 0.04;

/// Adjusted closes before `row` have to be multiplied with `factor`.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    row: usize,
    factor: f64,
}

pub(super) fn judge(
    evidence: &mut Evidence<'_>,
    config: &RobustConfig,
    splits: &Splits,
    report: &mut ReportBuilder<'_>,
) {
    let extras = *evidence.series.extras();
    // A column without any number is none.
    let is_known = |column: Option<&[f64]>| column.is_some_and(|column| column.iter().any(|cell| !cell.is_nan()));
    let (has_adj_close, has_dividends) = (is_known(extras.adj_close), is_known(extras.dividends));
    for (rules, is_there, needs) in [
        (&[Rule::AdjustmentOutlier, Rule::AdjustmentCell, Rule::CorporateAction][..], has_adj_close, "adj_close"),
        (&[Rule::DividendUnit, Rule::PhantomDividend, Rule::DividendCell], has_dividends, "dividends"),
        (
            &[Rule::AdjustmentError, Rule::UnexplainedAdjustment, Rule::DividendMismatch],
            has_adj_close && has_dividends,
            "adj_close and dividends",
        ),
        (&[Rule::MissedSplit], has_adj_close || extras.splits.is_some(), "splits or adj_close"),
    ] {
        rules.iter().filter(|_| !is_there).for_each(|rule| report.skip(*rule, needs));
    }
    if !has_adj_close && !has_dividends {
        return;
    }
    judge_cells(evidence, has_adj_close, report);
    let factors = Factors::new(evidence, config.adjustment_tolerance, has_dividends);
    let mut wrong = Vec::new();
    if has_dividends {
        judge_dividends(evidence, &factors, &splits.ratios(), &mut wrong, report);
    }
    factors.judge_steps(evidence, &wrong, report);
    book(evidence, &wrong, report);
}

/// Adjusted closes and dividends that are no numbers, or below zero.
fn judge_cells(evidence: &Evidence<'_>, has_adj_close: bool, report: &mut ReportBuilder<'_>) {
    let extras = *evidence.series.extras();
    if let Some(column) = extras.adj_close.filter(|_| has_adj_close) {
        let is_wrong = |row: &usize| !(column[*row] > 0.0 && column[*row].is_finite()) && evidence.is_sound(*row);
        for row in (0..column.len()).filter(is_wrong) {
            report.hit(Rule::AdjustmentCell, row, column[row], f64::NAN);
        }
    }
    if let Some(column) = extras.dividends {
        for row in (0..column.len()).filter(|row| column[*row] < 0.0 || column[*row].is_infinite()) {
            report.hit(Rule::DividendCell, row, column[row], 0.0);
        }
    }
}

/// The factors of a series and how exact they are.
struct Factors {
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
    fn new(evidence: &Evidence<'_>, tolerance: f64, has_dividends: bool) -> Self {
        let rows = 1..evidence.series.len().min(NOISE_ROWS);
        let mut steps: Vec<f64> = rows.filter_map(|row| Some((step(evidence, row)?.1 - 1.0).abs())).collect();
        let usual = median(&mut steps).unwrap_or(0.0);
        // A column that is noise throughout must not excuse itself.
        let noise = (8.0 * usual).min(MAX_NOISE);
        Self { noise, tolerance: tolerance.max(noise), step: rounding(evidence), has_dividends }
    }

    /// The rounding of a factor on a row: that of its adjusted close, which weighs more the smaller it
    /// is, but not less than that of all.
    fn noise_at(&self, evidence: &Evidence<'_>, row: usize) -> f64 {
        let adj_close = evidence.series.extras().adj_close.map_or(f64::NAN, |column| column[row]);
        // Two closes are rounded, by half a step each.
        (1.1 * self.step / adj_close.abs()).max(self.noise)
    }

    fn tolerance_at(&self, evidence: &Evidence<'_>, row: usize) -> f64 {
        self.tolerance.max(self.noise_at(evidence, row))
    }

    /// Steps of the factor that no dividend and no split asks for.
    fn judge_steps(&self, evidence: &Evidence<'_>, wrong: &[Wrong], report: &mut ReportBuilder<'_>) {
        let Some(adj_close) = evidence.series.extras().adj_close else { return };
        let mut row = 1;
        while row < evidence.series.len() {
            let Some((before, ratio)) =
                step(evidence, row).filter(|(_, ratio)| (ratio - 1.0).abs() > self.tolerance_at(evidence, row))
            else {
                row += 1;
                continue;
            };
            // Prices that are wrong themselves are no witnesses.
            if has_action(evidence, row) || report.is_suspect(row) || report.is_suspect(before) {
                row += 1;
            } else if let Some(end) = self.way_back(evidence, before, row, report) {
                for row in (row..end).filter(|row| evidence.is_sound(*row)) {
                    let right = evidence.series.bars().close[row] * factor(evidence, before).unwrap_or(f64::NAN);
                    report.hit_with(Rule::AdjustmentOutlier, row, adj_close[row], right, right / adj_close[row]);
                }
                row = end + 1;
            } else {
                // Without the dividends nobody can tell whether there was one.
                if self.has_dividends && wrong.binary_search_by_key(&row, |wrong| wrong.row).is_err() {
                    report.hit(Rule::UnexplainedAdjustment, row, ratio, 1.0);
                }
                row += 1;
            }
        }
    }

    /// The first row from `row` on whose factor is that of `before` again.
    fn way_back(
        &self,
        evidence: &Evidence<'_>,
        before: usize,
        row: usize,
        report: &ReportBuilder<'_>,
    ) -> Option<usize> {
        let usual = factor(evidence, before)?;
        (row + 1..(row + 1 + MAX_RUN).min(evidence.series.len()))
            .take_while(|row| !has_action(evidence, *row))
            .filter(|row| !report.is_suspect(*row))
            .find(|row| {
                let tolerance = (self.tolerance / 2.0).max(self.noise_at(evidence, *row));
                factor(evidence, *row).is_some_and(|factor| (factor / usual - 1.0).abs() <= tolerance)
            })
    }
}

/// The decimal step that all of the first adjusted closes are multiples of; 0 if there is none.
fn rounding(evidence: &Evidence<'_>) -> f64 {
    let column = evidence.series.extras().adj_close.unwrap_or_default();
    let known = column.iter().copied().filter(|adj_close| adj_close.is_finite()).take(ROUNDING_ROWS);
    decimal_step(&ROUNDINGS, known, 1e-6)
}

/// Adjusted close by close, where both are numbers above zero.
fn factor(evidence: &Evidence<'_>, row: usize) -> Option<f64> {
    let factor = evidence.series.extras().adj_close?[row] / evidence.series.bars().close[row];
    (evidence.is_sound(row) && factor.is_finite() && factor > 0.0).then_some(factor)
}

/// The row before and its factor by the factor of `row`.
fn step(evidence: &Evidence<'_>, row: usize) -> Option<(usize, f64)> {
    let before = evidence.before(row)?;
    Some((before, factor(evidence, before)? / factor(evidence, row)?))
}

fn dividend_at(evidence: &Evidence<'_>, row: usize) -> f64 {
    let dividend = evidence.series.extras().dividends.map_or(0.0, |column| column[row]);
    if dividend.is_finite() { dividend } else { 0.0 }
}

/// The split on a row; 1 if there is none.
fn split_at(evidence: &Evidence<'_>, row: usize) -> f64 {
    let split = evidence.series.extras().splits.map_or(0.0, |column| column[row]);
    if split.is_finite() && split > 0.0 { split } else { 1.0 }
}

#[expect(clippy::float_cmp, reason = "1 stands for no split")]
fn has_action(evidence: &Evidence<'_>, row: usize) -> bool {
    dividend_at(evidence, row) != 0.0 || split_at(evidence, row) != 1.0
}

/// The dividends with what price and adjusted close say about them.
fn dividends(evidence: &mut Evidence<'_>, report: &mut ReportBuilder<'_>) -> Vec<Dividend> {
    let rows = (1..evidence.series.len()).filter(|row| dividend_at(evidence, *row) > 0.0);
    let mut rows: Vec<usize> = rows.take(MAX_EVENTS + 1).collect();
    if rows.len() > MAX_EVENTS {
        rows.truncate(MAX_EVENTS);
        report.skip(Rule::DividendUnit, "fewer dividends: those after the first 65536 were not looked at");
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(before) = evidence.before(row).filter(|_| evidence.is_sound(row)) else { continue };
        // Prices that are wrong themselves are no witnesses.
        if report.is_suspect(row) || report.is_suspect(before) {
            continue;
        }
        let close = evidence.series.bars().close;
        let paid = dividend_at(evidence, row) / close[before];
        let split = split_at(evidence, row);
        // A split that the prices do not have moves the factor too.
        let seen = step(evidence, row).map(|(_, ratio)| [ratio, ratio * split].map(|ratio| 1.0 - ratio));
        let seen = seen.map(|seen| if (seen[1] - paid).abs() < (seen[0] - paid).abs() { seen[1] } else { seen[0] });
        let drop = 1.0 - close[row] / close[before];
        found.push(Dividend { row, paid, seen, drop, sigma: evidence.returns(row) });
    }
    found
}

fn judge_dividends(
    evidence: &mut Evidence<'_>,
    factors: &Factors,
    splits: &[f64],
    wrong: &mut Vec<Wrong>,
    report: &mut ReportBuilder<'_>,
) {
    let dividends = dividends(evidence, report);
    let usual = Usual::new(&dividends);
    for (at, dividend) in dividends.iter().enumerate() {
        let Dividend { row, paid, seen, .. } = *dividend;
        let amount = dividend_at(evidence, row);
        if is_phantom_pair(&dividends, at) {
            report.hit_with(Rule::PhantomDividend, row, amount, 0.0, 0.0);
            // Adjusted for although it was not paid.
            if seen.is_some_and(|seen| (seen - paid).abs() <= 0.25 * paid) {
                wrong.push(Wrong { row, factor: (1.0 - paid).recip() });
            }
            continue;
        }
        let verdict = verdict(dividend, usual, factors.noise_at(evidence, row), splits);
        let right = match verdict {
            Verdict::Unit(factor) => {
                report.hit_with(Rule::DividendUnit, row, amount, amount * factor, factor);
                paid * factor
            }
            Verdict::Mismatch => {
                report.hit(Rule::DividendMismatch, row, paid, seen.unwrap_or(f64::NAN));
                continue;
            }
            Verdict::Fine => continue,
            Verdict::WronglyAdjusted => paid,
        };
        let factor = (1.0 - right) / (1.0 - seen.unwrap_or(right));
        if right < ABSURD && ((factor - 1.0).abs() > factors.tolerance_at(evidence, row) || factor < 0.0) {
            wrong.push(Wrong { row, factor });
        }
    }
}

/// Books each row once, with the product of all that is missing after it.
fn book(evidence: &Evidence<'_>, wrong: &[Wrong], report: &mut ReportBuilder<'_>) {
    let (Some(adj_close), false) = (evidence.series.extras().adj_close, wrong.is_empty()) else { return };
    let mut factor: f64 = wrong.iter().map(|wrong| wrong.factor).product();
    let mut first = 0;
    for wrong in wrong {
        for row in (first..wrong.row).filter(|row| adj_close[*row].is_finite()) {
            report.hit_with(Rule::AdjustmentError, row, adj_close[row], adj_close[row] * factor, factor);
        }
        first = wrong.row;
        factor /= wrong.factor;
    }
}
