//! Jumps that are no error of the data, as far as anybody can tell.

use super::evidence::Evidence;
use super::jump::{Jump, jump_at};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{Reason, RowSet, Rule};

const PAUSED: Reason =
    Reason::new("a large move across a long pause", 0.9, "another instrument under the name of an old one");

#[derive(Default)]
pub(super) struct Verdicts {
    max_change: f64,
    large: RowSet,
    paused: RowSet,
    /// What looks like a split, and its logarithm.
    undeclared: Vec<(Jump, f64)>,
    tells_undeclared: bool,
    /// The adjusted close does not have them.
    pub(super) explained: RowSet,
    /// A declared split of prices that are as traded.
    pub(super) unadjusted: RowSet,
}

impl Verdicts {
    /// `tells_undeclared`: nobody has said that prices are as traded, so that what looks like a split is worth a word.
    pub(super) fn new(max_change: f64, tells_undeclared: bool) -> Self {
        Self { max_change, tells_undeclared, ..Self::default() }
    }

    /// What looks like a split of prices as traded.
    pub(super) fn undeclared(&mut self, jump: Jump, log: f64) {
        if self.tells_undeclared {
            self.undeclared.push((jump, log));
        }
    }

    /// The market.
    pub(super) fn change(&mut self, jump: Jump) {
        if (jump.change - 1.0).abs() > self.max_change {
            self.large.insert(jump.row);
        }
    }

    /// Whatever it was, it was long ago.
    pub(super) fn pause(&mut self, jump: Jump) {
        self.change(jump);
        self.paused.insert(jump.row);
    }

    pub(super) fn book(&self, evidence: &Evidence<'_>, report: &mut ReportBuilder<'_>) {
        let change = |row: usize| jump_at(evidence, row).map_or(f64::NAN, |jump| jump.change);
        report.hit_each(Rule::LargeChange, &self.large, |row| {
            let detail = Detail::new(change(row) - 1.0, self.max_change);
            if self.paused.contains(row) { detail.reason(PAUSED) } else { detail }
        });
        for (jump, log) in &self.undeclared {
            report.hit(Rule::UndeclaredSplit, jump.row, jump.change, log.exp());
        }
        report.hit_each(Rule::CorporateAction, &self.explained, |row| Detail::new(change(row), f64::NAN));
        report.hit_each(Rule::UnadjustedSplit, &self.unadjusted, |row| Detail::new(change(row), 1.0));
    }
}
