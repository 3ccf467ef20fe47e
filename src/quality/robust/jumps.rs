//! Jumps of the price: what is an error, what is a split, what is the market.

use super::blocks::{book_block, nearest_way_back};
use super::evidence::{Evidence, FrameLoad};
use super::levels::Levels;
use super::splits::Splits;
use super::steps::{declared_split, mixed_step, undeclared_split, unit_step};
use super::witness::{Jump, is_adjusted_away, jump_at};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{QualityConfig, RowSet, Rule};

/// Jumps in a frame of rows from which on there is no usual course that one could leave; only units
/// are told then.
const MAX_JUMPS: usize = 32;

pub(super) fn judge(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    splits: &Splits,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) {
    let mut levels = Levels::default();
    let mut next = 0;
    let mut load = FrameLoad::default();
    let mut verdicts = Verdicts { max_change: config.max_change, ..Verdicts::default() };
    // Unadjusted prices are what a series without splits and adjusted closes may be made of.
    let is_raw = evidence.series.extras().splits.is_none() && evidence.series.extras().adj_close.is_none();
    for row in marked.iter() {
        load.enter(row, marked, report);
        let is_restless = load.is_hopeless || load.marks > MAX_JUMPS;
        // Where most rows are broken, a broken one has been named; its course says nothing more.
        if row < next || (load.is_hopeless && report.is_suspect(row)) {
            continue;
        }
        let Some(jump) = jump_at(evidence, row) else { continue };
        if is_raw && !is_restless && unit_step(jump).is_some() && book_undeclared(evidence, jump, report) {
            continue;
        }
        let step = declared_split(evidence, config, splits, jump).or_else(|| unit_step(jump));
        if let Some(step) = step.or_else(|| mixed_step(evidence, marked, levels.open(), jump)) {
            levels.push(step);
        } else if is_restless {
            verdicts.change(jump);
        } else if let Some(back) = nearest_way_back(evidence, config, marked, jump) {
            book_block(evidence, jump, back, report);
            next = back.row + 1;
        } else if (jump.change - 1.0).abs() > config.max_change && is_adjusted_away(evidence, jump) {
            verdicts.explained.insert(row);
        } else if is_raw {
            if !book_undeclared(evidence, jump, report) {
                verdicts.change(jump);
            }
        } else if let Some(step) = undeclared_split(evidence, jump) {
            levels.push(step);
        } else {
            verdicts.change(jump);
        }
    }
    levels.judge(evidence, &mut verdicts, report);
    verdicts.book(evidence, report);
}

/// Books a jump that looks like a split in a series that cannot tell whether it is one.
fn book_undeclared(evidence: &mut Evidence<'_>, jump: Jump, report: &mut ReportBuilder<'_>) -> bool {
    let Some(step) = undeclared_split(evidence, jump) else { return false };
    let factor = step.log.exp();
    report.hit_with(Rule::UndeclaredSplit, jump.row, jump.change, factor, factor.recip());
    true
}

/// Jumps that are no error of the data, as far as anybody can tell.
#[derive(Default)]
pub(super) struct Verdicts {
    max_change: f64,
    large: RowSet,
    pub(super) explained: RowSet,
}

impl Verdicts {
    /// The market.
    pub(super) fn change(&mut self, jump: Jump) {
        if (jump.change - 1.0).abs() > self.max_change {
            self.large.insert(jump.row);
        }
    }

    fn book(&self, evidence: &Evidence<'_>, report: &mut ReportBuilder<'_>) {
        let change = |row: usize| jump_at(evidence, row).map_or(f64::NAN, |jump| jump.change);
        report.hit_rows(Rule::LargeChange, &self.large, |row| Detail::new(change(row) - 1.0, self.max_change));
        report.hit_rows(Rule::CorporateAction, &self.explained, |row| Detail {
            value: change(row),
            expected: f64::NAN,
            factor: change(row).recip(),
        });
    }
}
