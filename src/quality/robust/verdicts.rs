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
    /// The adjusted close does not have them.
    pub(super) explained: RowSet,
    /// A declared split of prices that are as traded.
    pub(super) unadjusted: RowSet,
}

impl Verdicts {
    pub(super) fn new(max_change: f64) -> Self {
        Self { max_change, ..Self::default() }
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
        report.hit_each(Rule::CorporateAction, &self.explained, |row| Detail::new(change(row), f64::NAN));
        report.hit_each(Rule::UnadjustedSplit, &self.unadjusted, |row| Detail::new(change(row), 1.0));
    }
}
