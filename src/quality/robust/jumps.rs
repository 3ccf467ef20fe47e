//! Jumps of the price: what is an error, what is a split, what is the market.

use super::blocks::{book_block, nearest_way_back};
use super::evidence::{Evidence, FrameLoad};
use super::jump::{Jump, jump_at};
use super::levels::Levels;
use super::splits::Splits;
use super::steps::{declared_split, is_as_traded, mixed_step, undeclared_split, unit_step};
use super::verdicts::Verdicts;
use super::witness::is_adjusted_away;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{PriceBasis, QualityConfig, RowSet, Rule};

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
    let mut verdicts = Verdicts::new(config.max_change);
    let extras = *evidence.series.extras();
    let feed = evidence.series.feed();
    let is_unknown = feed.prices == PriceBasis::Unknown;
    // Unadjusted prices are what a series without splits and adjusted closes may be made of.
    let may_be_raw = is_unknown && extras.splits.is_none() && extras.adj_close.is_none();
    let is_raw = may_be_raw || feed.prices == PriceBasis::Raw;
    let most_jumps = if feed.negative_prices { MAX_JUMPS / 8 } else { MAX_JUMPS };
    for row in marked.iter() {
        load.enter(row, marked, report);
        let is_restless = load.is_hopeless || load.marks > most_jumps;
        // Where most rows are broken, a broken one has been named; its course says nothing more.
        if row < next || (load.is_hopeless && report.is_suspect(row)) {
            continue;
        }
        let Some(jump) = jump_at(evidence, row) else { continue };
        if evidence.is_near_zero(row) {
            continue;
        }
        if evidence.is_long_pause(jump.before, row) {
            verdicts.pause(jump);
            continue;
        }
        if is_raw && !is_restless && unit_step(jump).is_some() && book_undeclared(evidence, jump, report) {
            continue;
        }
        let declared = declared_split(evidence, config, splits, jump);
        let has_no_adjusted = extras.adj_close.is_none() && (is_unknown || feed.prices == PriceBasis::Raw);
        if declared.is_some_and(|step| has_no_adjusted && is_as_traded(evidence, splits, &step)) {
            if is_unknown {
                verdicts.unadjusted.insert(row);
            }
            continue;
        }
        if let Some(step) =
            declared.or_else(|| unit_step(jump)).or_else(|| mixed_step(evidence, marked, levels.open(), jump))
        {
            levels.push(step);
        } else if is_restless {
            verdicts.change(jump);
        } else if let Some(back) = nearest_way_back(evidence, config, marked, jump) {
            book_block(evidence, jump, back, report);
            next = back.row + 1;
        } else if (jump.change - 1.0).abs() > config.max_change && is_adjusted_away(evidence, jump) {
            verdicts.explained.insert(row);
        } else if is_raw {
            if !(may_be_raw && book_undeclared(evidence, jump, report)) {
                verdicts.change(jump);
            }
        } else if let Some(step) = undeclared_split(evidence, jump, false) {
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
    let Some(step) = undeclared_split(evidence, jump, true) else { return false };
    report.hit(Rule::UndeclaredSplit, jump.row, jump.change, step.log.exp());
    true
}
