//! The splits that a series declares.

use super::bounds::JUMP;
use super::evidence::Evidence;
use crate::quality::Rule;
use crate::quality::report_builder::ReportBuilder;

/// Splits that a series may declare; a longer list is none.
const MAX_SPLITS: usize = 256;

/// A declared split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) row: usize,
    pub(super) ratio: f64,
    /// Logarithm of the ratio without its sign.
    pub(super) size: f64,
}

/// The declared splits that can be seen in prices, by size.
#[derive(Debug, Default)]
pub(super) struct Splits(Vec<Split>);

impl Splits {
    pub(super) fn new(evidence: &Evidence<'_>, report: &mut ReportBuilder<'_>) -> Self {
        let column = evidence.series.extras().splits.unwrap_or_default();
        let is_split =
            |(_, ratio): &(usize, f64)| *ratio > 0.0 && ratio.is_finite() && !(JUMP.recip()..JUMP).contains(ratio);
        let split = |(row, ratio): (usize, f64)| Split { row, ratio, size: ratio.ln().abs() };
        let found = column.iter().copied().enumerate().filter(is_split).map(split);
        let mut splits: Vec<Split> = found.take(MAX_SPLITS + 1).collect();
        if splits.len() > MAX_SPLITS {
            report.skip(Rule::MissedSplit, "at most 256 splits");
            return Self::default();
        }
        splits.sort_by(|a, b| a.size.total_cmp(&b.size));
        Self(splits)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> &[Split] {
        &self.0
    }

    /// The one that is declared on a row.
    pub(super) fn on(&self, row: usize) -> Option<&Split> {
        self.0.iter().find(|split| split.row == row)
    }

    /// Those whose size is about this.
    pub(super) fn of_size(&self, size: f64, slack: f64) -> impl Iterator<Item = &Split> {
        let first = self.0.partition_point(|split| split.size < size - slack);
        self.0[first..].iter().take_while(move |split| split.size <= size + slack)
    }

    pub(super) fn ratios(&self) -> Vec<f64> {
        self.0.iter().map(|split| split.ratio).collect()
    }
}
