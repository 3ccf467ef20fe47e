//! Jumps of the price: what is an error, what is a split, what is the market.

use super::blocks::{book_block, nearest_way_back};
use super::evidence::{Evidence, FrameLoad};
use super::jump::{Jump, jump_at};
use super::levels::Levels;
use super::splits::Splits;
use super::step::Step;
use super::steps::{declared_split, is_as_traded, mixed_step, undeclared_split, unit_step};
use super::verdicts::Verdicts;
use super::witness::{is_adjusted_away, is_ordinary};
use crate::quality::median::median_of;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{PriceBasis, QualityConfig, RowSet, Rule};

/// Jumps in a frame of rows from which on there is no usual course that one could leave; only units
/// are told then.
const MAX_JUMPS: usize = 32;

/// Stored rows that tell the level.
const STORED_ROWS: usize = 9;
/// Logarithm of a gap that a new row does not make on an ordinary day.
const OFF_LEVEL: f64 = 0.2;

pub(super) fn judge(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    splits: &Splits,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) {
    let mut levels = Levels::default();
    let mut next = 0;
    let mut off_level = Vec::new();
    let mut load = FrameLoad::default();
    let extras = *evidence.series.extras();
    let feed = evidence.series.feed();
    let is_unknown = feed.prices == PriceBasis::Unknown;
    // Unadjusted prices are what a series without splits and adjusted closes may be made of.
    let may_be_raw = is_unknown && extras.splits.is_none() && extras.adj_close.is_none();
    let is_raw = may_be_raw || feed.prices == PriceBasis::Raw;
    let has_no_adjusted = extras.adj_close.is_none() && (is_unknown || feed.prices == PriceBasis::Raw);
    let stored = stored_level(evidence, report.from());
    let mut verdicts = Verdicts::new(config.max_change, may_be_raw);
    // Power goes where it likes.
    if feed.negative_prices && !feed.volume {
        return;
    }
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
        let declared = declared_split(evidence, config, splits, jump);
        let may_be_off = row >= report.from() && declared.is_none();
        if stored.is_some_and(|stored| may_be_off && is_off_level(evidence, config, stored, jump)) {
            off_level.push(jump);
        }
        if declared.is_some_and(|step| has_no_adjusted && is_as_traded(evidence, splits, &step)) {
            if is_unknown {
                verdicts.unadjusted.insert(row);
            }
            continue;
        }
        let unit = unit_step(jump).map(|step| {
            let split = (is_raw && !is_restless).then(|| undeclared_split(evidence, jump, true)).flatten();
            Step { split: split.map(|split| split.log), ..step }
        });
        if let Some(step) = declared.or(unit).or_else(|| mixed_step(evidence, marked, levels.open(), jump)) {
            levels.push(step);
        } else if is_restless {
            verdicts.change(jump);
        } else if let Some(back) = nearest_way_back(evidence, config, marked, jump, next) {
            book_block(evidence, jump, back, report);
            next = back.row + 1;
        } else if (jump.change - 1.0).abs() > config.max_change && is_adjusted_away(evidence, jump) {
            verdicts.explained.insert(row);
        } else if is_raw {
            match may_be_raw.then(|| undeclared_split(evidence, jump, true)).flatten() {
                Some(step) => verdicts.undeclared(jump, step.log),
                None => verdicts.change(jump),
            }
        } else if let Some(step) = undeclared_split(evidence, jump, false) {
            levels.push(step);
        } else {
            verdicts.change(jump);
        }
    }
    levels.judge(evidence, &mut verdicts, marked, report);
    if let Some(stored) = stored {
        book_off_level(evidence, stored, &off_level, report);
    }
    verdicts.book(evidence, report);
}

/// Whether a new row is on another level than the stored ones, on a day without news: what a market does is seen in
/// its volume.
fn is_off_level(evidence: &mut Evidence<'_>, config: &QualityConfig, stored: f64, jump: Jump) -> bool {
    let least = OFF_LEVEL.max(config.robust.jump_sigma * evidence.gaps(jump.row));
    let close = evidence.series.bars().close[jump.row];
    jump.gap.ln().abs() >= least && (close / stored).ln().abs() >= 0.7 * least && is_ordinary(evidence, jump.row)
}

/// The close of most of the last stored rows, those before `from`; `None` without any.
fn stored_level(evidence: &Evidence<'_>, from: usize) -> Option<f64> {
    median_of(&evidence.series.bars().close[from.saturating_sub(STORED_ROWS)..from])
}

/// Books new rows from a jump off the level until one is back, as far as nothing else was said of them.
fn book_off_level(evidence: &Evidence<'_>, stored: f64, jumps: &[Jump], report: &mut ReportBuilder<'_>) {
    let close = evidence.series.bars().close;
    for jump in jumps {
        let size = (close[jump.row] / stored).ln();
        let is_off =
            |row: &usize| evidence.is_sound(*row) && (close[*row] / stored).ln() * size.signum() > 0.5 * size.abs();
        for row in (jump.row..close.len()).take_while(is_off) {
            if !report.is_suspect(row) {
                report.hit(Rule::OffLevel, row, close[row], stored);
            }
        }
    }
}
