//! A jump of the price, and what can be read from prices alone.

use super::evidence::Evidence;
use crate::quality::RowSet;
use crate::quality::median::median_of;

/// Rows on either side whose median close tells whether a jump lasted.
const LASTING_ROWS: usize = 5;
/// Jumps after the first that are tried as its way back.
const MAX_PARTNERS: usize = 12;

/// A jump from the sound row before to `row`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jump {
    pub(super) before: usize,
    pub(super) row: usize,
    /// Close by close before.
    pub(super) change: f64,
    /// Open by close before.
    pub(super) gap: f64,
}

pub(super) fn jump_at(evidence: &Evidence<'_>, row: usize) -> Option<Jump> {
    let before = evidence.before(row).filter(|_| evidence.is_sound(row))?;
    let bars = evidence.series.bars();
    let last = bars.close[before];
    Some(Jump { before, row, change: bars.close[row] / last, gap: bars.open[row] / last })
}

/// Whether the rows after the jump are about `factor` times those before.
pub(super) fn lasted(column: &[f64], jump: Jump, factor: f64, slack: f64) -> bool {
    let before = median_of(&column[(jump.before + 1).saturating_sub(LASTING_ROWS)..=jump.before]);
    let after = median_of(&column[jump.row..(jump.row + LASTING_ROWS).min(column.len())]);
    before.zip(after).is_some_and(|(before, after)| (after / before / factor).ln().abs() <= slack)
}

/// The marked rows within a block after `row`, few of them.
pub(super) fn rows_after(marked: &RowSet, row: usize, max_block_rows: usize) -> impl Iterator<Item = usize> + '_ {
    (row + 1..=row + max_block_rows).filter(|row| marked.contains(*row)).take(MAX_PARTNERS)
}
