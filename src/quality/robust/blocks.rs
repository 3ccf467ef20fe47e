//! Rows that jump away together and come back, by a factor that is no unit.

use super::evidence::{Evidence, is_traded};
use super::sweep::JUMP;
use super::witness::{Jump, is_adjusted_away, is_news, is_ordinary, jump_at};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{QualityConfig, RowSet, Rule};

/// Jumps after the first that are tried as its way back.
const MAX_PARTNERS: usize = 4;
/// Logarithm of a jump there and back that no market makes.
const FAR: f64 = 0.5;
/// Logarithm of one that no market makes even with news.
const VERY_FAR: f64 = 1.5;
/// Logarithm of one that a market makes now and then, a limit up and a limit down say.
const SMALL: f64 = 0.3;
/// Rows of a block of such jumps.
const SMALL_BLOCK: usize = 5;

/// The jump that undoes this one, unless it is undone itself by a nearer one: then that is the
/// error, and this the market.
pub(super) fn nearest_way_back(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    marked: &RowSet,
    out: Jump,
) -> Option<Jump> {
    let partners = |row: usize| rows_after(marked, row, config.robust.max_block_rows);
    let back = way_back(evidence, config, out, partners(out.row))?;
    let length = back.row - out.row;
    let is_undone = length > 1
        && way_back(evidence, config, back, partners(back.row)).is_some_and(|next| next.row - back.row < length);
    (!is_undone).then_some(back)
}

/// The jump that undoes this one, if the rows between are an error.
///
/// They are if both jumps are gaps (the bars there do not touch the bars around), far beyond the
/// usual, of one size and opposite, back to where it came from, and if neither day looks like news.
/// The farther they go, the more news they may have; what a market may do must fit more closely.
fn way_back(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    out: Jump,
    candidates: impl Iterator<Item = usize>,
) -> Option<Jump> {
    let least = JUMP.ln().max(config.robust.jump_sigma * evidence.gaps(out.row));
    let away = out.gap.ln();
    if away.abs() < least || !is_no_news(evidence, out.row, away) {
        return None;
    }
    let noise = 3.0 * evidence.returns(out.row);
    // A split that the adjusted close explains is no way back from what it does not explain.
    let is_explained = is_adjusted_away(evidence, out);
    candidates.filter_map(|row| jump_at(evidence, row)).collect::<Vec<_>>().into_iter().find(|back| {
        let home = back.gap.ln();
        let size = away.abs().min(home.abs());
        let close = evidence.series.bars().close;
        let drift = (close[back.row] / close[out.before]).ln().abs();
        let is_small_block = size < SMALL && back.before != out.row;
        let slack = match size {
            _ if is_small_block => (0.5 * noise).max(0.15 * size),
            size if size < FAR => noise.max(0.3 * size),
            _ => noise.max(0.45 * size),
        };
        away * home < 0.0
            && size >= least
            && !(is_small_block && back.row - out.row > SMALL_BLOCK)
            && (away + home).abs() <= slack
            && drift <= slack
            && is_apart(evidence, out, *back)
            && is_adjusted_away(evidence, *back) == is_explained
            && is_no_news(evidence, back.row, size)
    })
}

/// Whether a jump on this row is none of news. A bar of one price tells nothing: it may be a limit
/// that nobody could trade beyond.
fn is_no_news(evidence: &mut Evidence<'_>, row: usize, log: f64) -> bool {
    let bars = evidence.series.bars();
    let is_point = bars.high[row] <= bars.low[row];
    // Nor does a jump from a price that was carried forward for days.
    let is_stale = log.abs() < SMALL && row.checked_sub(1).is_some_and(|before| !is_traded(bars, before));
    match log.abs() {
        size if size > VERY_FAR => true,
        size if size > FAR => !is_news(evidence, row),
        _ => !is_point && !is_stale && is_ordinary(evidence, row),
    }
}

/// Whether no bar of the block touches the bars around it.
fn is_apart(evidence: &Evidence<'_>, out: Jump, back: Jump) -> bool {
    let bars = evidence.series.bars();
    let sound = (out.row..back.row).filter(|row| evidence.is_sound(*row));
    let (low, high) =
        sound.fold((f64::INFINITY, 0.0_f64), |(low, high), row| (low.min(bars.low[row]), high.max(bars.high[row])));
    if out.gap > 1.0 {
        low > bars.high[out.before].max(bars.high[back.row])
    } else {
        high < bars.low[out.before].min(bars.low[back.row])
    }
}

pub(super) fn book_block(evidence: &Evidence<'_>, out: Jump, back: Jump, report: &mut ReportBuilder<'_>) {
    let close = evidence.series.bars().close;
    let factor = (back.gap / out.gap).sqrt();
    let rule = if back.before == out.row { Rule::Spike } else { Rule::Block };
    for row in (out.row..back.row).filter(|row| evidence.is_sound(*row)) {
        report.hit_with(rule, row, close[row], close[row] * factor, factor);
    }
}

/// The marked rows within a block after `row`, few of them.
pub(super) fn rows_after(marked: &RowSet, row: usize, max_block_rows: usize) -> impl Iterator<Item = usize> + '_ {
    (row + 1..=row + max_block_rows).filter(|row| marked.contains(*row)).take(MAX_PARTNERS)
}
