//! Rows that jump away together and come back, by a factor that is no unit.

use super::bounds::JUMP;
use super::evidence::{Evidence, is_traded};
use super::jump::{Jump, jump_at, rows_after};
use super::witness::{is_adjusted_away, is_busy, is_news, is_ordinary};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{QualityConfig, RowSet, Rule};

/// Logarithm of a jump there and back that no market makes.
const FAR: f64 = 0.5;
/// Logarithm of one that no market makes even with news.
const VERY_FAR: f64 = 1.5;
/// Logarithm of one that a market makes now and then, a limit up and a limit down say.
const SMALL: f64 = 0.3;
/// Rows of a block that may be loose: a longer one must come back by what it went, to the point.
const LOOSE_BLOCK: usize = 5;
/// The same for jumps that no market makes.
const LOOSE_FAR_BLOCK: usize = 20;
/// Logarithm of a jump that a long block must have at least.
const LONG_BLOCK_JUMP: f64 = 0.18;

/// The jump that undoes this one, unless it is undone itself by a nearer one: then that is the
/// error, and this the market. Jumps before `from` are part of what was found before.
pub(super) fn nearest_way_back(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    marked: &RowSet,
    out: Jump,
    from: usize,
) -> Option<Jump> {
    let partners = |row: usize| rows_after(marked, row, config.robust.max_block_rows);
    let back = way_back(evidence, config, out, partners(out.row))?;
    let length = back.row - out.row;
    let nearer = if length > 1 { way_back(evidence, config, back, partners(back.row)) } else { None };
    let nearer = nearer.filter(|next| next.row - back.row < length);
    // What goes away once more, for about as long, is another block.
    let is_undone = nearer.is_some_and(|next| {
        let end = way_back(evidence, config, next, partners(next.row));
        let is_alike = |end: Jump| {
            end.row - next.row <= length.max(LOOSE_FAR_BLOCK)
                && [out.row, back.row, next.row, end.row].into_iter().all(|row| is_ordinary(evidence, row))
        };
        !end.is_some_and(is_alike)
    });
    let is_other_end = length > LOOSE_BLOCK && undoes_nearer(evidence, marked, out, length, from);
    (!is_undone && !is_other_end).then_some(back)
}

/// Whether the jump undoes one that is nearer than `length` rows before it: then it is the end of an error, or of
/// a whim of the market, not the start of a block.
fn undoes_nearer(evidence: &Evidence<'_>, marked: &RowSet, out: Jump, length: usize, from: usize) -> bool {
    let away = out.gap.ln();
    (out.row.saturating_sub(length).max(from)..out.row)
        .filter(|row| marked.contains(*row))
        .filter_map(|row| jump_at(evidence, row))
        .any(|before| (before.gap.ln() + away).abs() <= 0.3 * away.abs())
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
    let exact = (4.0 * evidence.gaps(out.row)).clamp(0.02, 0.1);
    // A split that the adjusted close explains is no way back from what it does not explain.
    let is_explained = is_adjusted_away(evidence, out);
    candidates.filter_map(|row| jump_at(evidence, row)).collect::<Vec<_>>().into_iter().find(|back| {
        let home = back.gap.ln();
        let size = away.abs().min(home.abs());
        let close = evidence.series.bars().close;
        let drift = (close[back.row] / close[out.before]).ln().abs();
        let length = back.row - out.row;
        let is_long = length > if size < SMALL { LOOSE_BLOCK } else { LOOSE_FAR_BLOCK };
        let slack = match size {
            size if is_long && size >= FAR => noise.max(0.25 * size),
            _ if is_long => exact,
            size if size < SMALL && length > 1 => (0.5 * noise).max(0.15 * size),
            size if size < FAR => noise.max(0.3 * size),
            _ => noise.max(0.45 * size),
        };
        // The market goes on within a long block.
        let wander = if length > LOOSE_BLOCK { noise * (length as f64).sqrt() } else { 0.0 };
        let is_loose = !(is_long && size < LONG_BLOCK_JUMP) && (away + home).abs() <= slack && drift <= slack + wander;
        let is_exact =
            size >= LONG_BLOCK_JUMP && (away + home).abs() <= exact && drift <= exact + noise * (length as f64).sqrt();
        away * home < 0.0
            && size >= least
            && (is_loose || is_exact)
            && is_apart(evidence, out, *back)
            && is_adjusted_away(evidence, *back) == is_explained
            && is_no_news(evidence, back.row, size)
            && (!is_long || (is_ordinary(evidence, out.row) && is_ordinary(evidence, back.row)))
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
        size if size > FAR => !is_news(evidence, row) && !is_busy(evidence, row),
        _ => !is_point && !is_stale && is_ordinary(evidence, row),
    }
}

/// Whether no bar at either end of the block touches the bars around it.
fn is_apart(evidence: &Evidence<'_>, out: Jump, back: Jump) -> bool {
    let bars = evidence.series.bars();
    let is_end = |row: usize| row - out.row < LOOSE_BLOCK || back.row - row <= LOOSE_BLOCK;
    let sound = (out.row..back.row).filter(|row| is_end(*row) && evidence.is_sound(*row));
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
    // How far exactly they are off nobody knows: there is no remedy.
    for row in (out.row..back.row).filter(|row| evidence.is_sound(*row)) {
        report.hit(rule, row, close[row], close[row] * factor);
    }
}
