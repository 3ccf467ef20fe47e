//! Dividends, splits and the adjusted close against each other.
//!
//! `factors` has the adjustment factors, `dividend` what a dividend is worth; here they meet.

use super::dividend::{ABSURD, Dividend, Usual, Verdict, is_phantom_pair, verdict};
use super::evidence::Evidence;
use super::factors::{Factors, Wrong, dividend_at, has_action, is_factor, signed_step, split_at};
use super::splits::Splits;
use crate::quality::median::median_of;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{RobustConfig, Rule};

/// Rows to either side of a dividend, some time before and some time after.
const ASIDE: usize = 60;
/// Factor between a close and those of then that is odd.
const ODD_LEVEL: f64 = 1.6;
/// Dividends and wrong steps that are kept in mind; a real series has a few hundred.
const MAX_EVENTS: usize = 1 << 16;
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
    let factors = Factors::new(evidence, config.adjustment_tolerance, has_dividends);
    let mut wrong = Vec::new();
    if has_dividends {
        judge_dividends(evidence, &factors, &splits.ratios(), &mut wrong, report);
    }
    factors.judge_steps(evidence, &mut wrong, report);
    wrong.sort_by_key(|wrong| wrong.row);
    book(evidence, &wrong, report);
    judge_cells(evidence, has_adj_close, report);
}

/// Adjusted closes and dividends that are no numbers, or below zero, and nothing has said why.
fn judge_cells(evidence: &Evidence<'_>, has_adj_close: bool, report: &mut ReportBuilder<'_>) {
    let extras = *evidence.series.extras();
    if let Some(column) = extras.adj_close.filter(|_| has_adj_close) {
        let close = evidence.series.bars().close;
        let is_wrong = |row: &usize| evidence.is_sound(*row) && !is_factor(column[*row] / close[*row]);
        let known: Vec<usize> = (0..column.len()).filter(is_wrong).filter(|row| !report.is_suspect(*row)).collect();
        for row in known {
            report.hit(Rule::AdjustmentCell, row, column[row], f64::NAN);
        }
    }
    if let Some(column) = extras.dividends {
        for row in (0..column.len()).filter(|row| column[*row] < 0.0 || column[*row].is_infinite()) {
            report.hit(Rule::DividendCell, row, column[row], 0.0);
        }
    }
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
        if is_odd_level(close, before) {
            continue;
        }
        let paid = dividend_at(evidence, row) / close[before];
        let split = split_at(evidence, row);
        // A split that the prices do not have moves the factor too.
        let seen = signed_step(evidence, row).map(|ratio| [ratio, ratio * split].map(|ratio| 1.0 - ratio));
        let seen = seen.map(|seen| if (seen[1] - paid).abs() < (seen[0] - paid).abs() { seen[1] } else { seen[0] });
        let drop = 1.0 - close[row] / close[before];
        // Weekly and monthly bars adjust from the next bar on.
        let late = row + 1;
        let next = (late < evidence.series.len() && !has_action(evidence, late)).then(|| signed_step(evidence, late));
        let next = next.flatten().map(|ratio| 1.0 - ratio);
        let fits = |seen: f64| (seen - paid).abs() <= 0.25 * paid;
        let is_late = next.is_some_and(fits) && seen.is_none_or(|seen| !fits(seen) && seen.abs() < 0.25 * paid);
        let (seen, at) = if is_late { (next, late) } else { (seen, row) };
        found.push(Dividend { row, at, paid, seen, drop, sigma: evidence.returns(row) });
    }
    found
}

/// Whether the close is on a level that prices were not on some time before and are not on some time after: it may
/// be one of a block, and is no measure of a dividend.
fn is_odd_level(close: &[f64], row: usize) -> bool {
    let before = median_of(&close[row.saturating_sub(2 * ASIDE)..row.saturating_sub(ASIDE)]);
    let after = median_of(&close[(row + ASIDE).min(close.len())..(row + 2 * ASIDE).min(close.len())]);
    before.zip(after).is_some_and(|(before, after)| {
        let far = |usual: f64| (close[row] / usual).ln().abs() > ODD_LEVEL.ln();
        (before / after).ln().abs() < ODD_LEVEL.ln() && far(before) && far(after)
    })
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
    let is_adjusted = evidence.series.extras().adj_close.is_some();
    for (at, dividend) in dividends.iter().enumerate() {
        let Dividend { row, at: step_row, paid, seen, .. } = *dividend;
        let amount = dividend_at(evidence, row);
        if is_phantom_pair(&dividends, at) {
            report.hit_with(Rule::PhantomDividend, row, amount, 0.0, 0.0);
            // Adjusted for although it was not paid.
            if seen.is_some_and(|seen| (seen - paid).abs() <= 0.25 * paid) {
                wrong.push(Wrong { row: step_row, factor: (1.0 - paid).recip() });
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
        if is_adjusted && right < ABSURD && ((factor - 1.0).abs() > factors.tolerance_at(evidence, row) || factor < 0.0)
        {
            wrong.push(Wrong { row: step_row, factor });
        }
    }
}

/// Books each row once, with the product of all that is missing after it.
fn book(evidence: &Evidence<'_>, wrong: &[Wrong], report: &mut ReportBuilder<'_>) {
    let (Some(adj_close), false) = (evidence.series.extras().adj_close, wrong.is_empty()) else { return };
    let mut factor: f64 = wrong.iter().map(|wrong| wrong.factor).product();
    let mut first = 0;
    for wrong in wrong {
        // What two steps do to each other is done.
        let is_off = (factor - 1.0).abs() > 1e-6;
        for row in (first..wrong.row).filter(|row| is_off && adj_close[*row].is_finite()) {
            report.hit_with(Rule::AdjustmentError, row, adj_close[row], adj_close[row] * factor, factor);
        }
        first = wrong.row;
        factor /= wrong.factor;
    }
}
