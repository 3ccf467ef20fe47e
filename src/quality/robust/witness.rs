//! What speaks for or against a jump of the price being an error.

use super::bounds::unit_of;
use super::evidence::Evidence;
use super::jump::{Jump, jump_at, lasted};
use super::step::{Cause, Step, Support};

/// Volume against the median from which on a jump is news rather than an error.
const NEWS_VOLUME: f64 = 3.5;
/// The same where nothing else tells of news.
const BUSY_VOLUME: f64 = 8.0;
/// Range of a bar against the usual one from which on a jump is news rather than an error.
const NEWS_RANGE: f64 = 4.0;
/// Ratio of a split that a market seldom makes in a day.
pub(super) const CLEAR_SPLIT: f64 = 1.6;

/// Whether the adjusted close continues as if nothing had happened: then the jump is a split of prices
/// that are unadjusted.
pub(super) fn is_adjusted_away(evidence: &mut Evidence<'_>, jump: Jump) -> bool {
    let Some(adj_close) = evidence.series.extras().adj_close else { return false };
    let change = (adj_close[jump.row] / adj_close[jump.before]).ln().abs();
    let usual = 4.0 * evidence.returns(jump.row);
    change <= usual.max(0.05) && change <= 0.3 * jump.change.ln().abs()
}

/// The same by the rows around: one wrong row beside a split hides it from the rows next to it.
pub(super) fn is_adjusted_away_at_last(evidence: &mut Evidence<'_>, jump: Jump) -> bool {
    let Some(adj_close) = evidence.series.extras().adj_close else { return false };
    is_adjusted_away(evidence, jump) || lasted(adj_close, jump, 1.0, (0.3 * jump.change.ln().abs()).max(0.1))
}

/// Whether the range of the row is what it is on a day without news.
fn is_calm(evidence: &mut Evidence<'_>, row: usize) -> bool {
    evidence.range(row).is_none_or(|usual| evidence.range_of(row) <= NEWS_RANGE * usual)
}

/// Whether volume and range of the row are what they are on a day without news.
pub(super) fn is_ordinary(evidence: &mut Evidence<'_>, row: usize) -> bool {
    is_calm(evidence, row) && is_quiet(evidence, row)
}

/// Whether the volume of the row, or none, is what it is on a day without news.
pub(super) fn is_quiet(evidence: &mut Evidence<'_>, row: usize) -> bool {
    !is_above(evidence, row, NEWS_VOLUME)
}

/// Whether the volume is more than a multiple of the usual one.
fn is_above(evidence: &mut Evidence<'_>, row: usize, factor: f64) -> bool {
    let volume = evidence.series.bars().volume[row];
    evidence.volumes(row).is_some_and(|usual| volume > factor * usual.median)
}

/// Whether the volume alone tells of news.
pub(super) fn is_busy(evidence: &mut Evidence<'_>, row: usize) -> bool {
    is_above(evidence, row, BUSY_VOLUME)
}

/// Whether volume and range of the row both tell of news.
pub(super) fn is_news(evidence: &mut Evidence<'_>, row: usize) -> bool {
    !is_calm(evidence, row) && is_above(evidence, row, NEWS_VOLUME)
}

/// What is to be made of a step that no other one undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// The level did change, and that is an error.
    Error,
    /// The adjusted close does not have it: unadjusted prices.
    Explained,
    /// A split of prices as traded.
    LikeSplit,
    /// The market on a day with news.
    News,
    /// The market, as far as anybody can tell.
    Market,
}

/// A jump by 10 is believed only if the whole bar made it and the bar is an ordinary one: the market
/// can lose nine tenths in a day.
pub(super) fn belief(evidence: &mut Evidence<'_>, step: &Step) -> Belief {
    let (jump, factor) = (step.jump, step.log.exp());
    if is_adjusted_away_at_last(evidence, jump) {
        return Belief::Explained;
    }
    let is_large = !(0.05..20.0).contains(&factor);
    let stands_alone = match (step.cause, step.support) {
        (Cause::Split, Support::Volume) => true,
        (Cause::Split, Support::Declared(row)) => is_of_split(evidence, jump, factor, row),
        (Cause::Split, Support::Far | Support::None) => false,
        (Cause::Unit, _) => {
            let is_ordinary = is_ordinary(evidence, jump.row);
            let is_same_unit = unit_of(jump.gap).is_some_and(|unit| (unit / factor - 1.0).abs() < 1e-6)
                && (jump.gap / factor).ln().abs() <= (4.0 * evidence.gaps(jump.row)).clamp(0.03, 0.12);
            // A hundredfold on a day without news may be followed by any course.
            let slack = if is_large && is_ordinary { 0.8 } else { 0.3 };
            lasted(evidence.series.bars().close, jump, factor, slack) && (is_large || (is_same_unit && is_ordinary))
        }
    };
    if stands_alone {
        Belief::Error
    } else if !is_large && is_news(evidence, jump.row) {
        Belief::News
    } else {
        Belief::Market
    }
}

/// Whether a jump is a split declared near by that some rows lack, rather than a move of the market
/// of the same size: it lasts, the bar is no wilder than others, and the split's own row does not
/// have the jump. A small ratio, which a market makes in a day, needs the open and the days to fit.
fn is_of_split(evidence: &mut Evidence<'_>, jump: Jump, factor: f64, declared: usize) -> bool {
    let bars = *evidence.series.bars();
    let own = if declared == jump.row { None } else { jump_at(evidence, declared) };
    let is_taken = own.is_some_and(|own| (own.change / factor).ln().abs().min((own.change * factor).ln().abs()) < 0.05);
    let lasts = lasted(bars.close, jump, factor, 0.3);
    // Unadjusted volumes move inversely; more than that is news.
    let is_traded_as_usual = evidence
        .volumes(jump.row)
        .is_none_or(|usual| bars.volume[jump.row] <= NEWS_VOLUME * usual.median * factor.recip().max(1.0));
    let miss = (jump.gap / factor).ln().abs();
    // On the very day and to the point: a busy day is what a split makes.
    let is_exact = declared == jump.row
        && factor.max(factor.recip()) >= CLEAR_SPLIT
        && miss <= (3.0 * evidence.gaps(jump.row)).clamp(0.02, 0.06);
    if is_taken || !lasts || miss > 0.15 || (!is_exact && (!is_calm(evidence, jump.row) || !is_traded_as_usual)) {
        return false;
    }
    let fits = |ratio: f64, sigma: f64| (ratio / factor).ln().abs() <= (2.5 * sigma).min(0.05);
    factor.max(factor.recip()) >= CLEAR_SPLIT
        || (declared.abs_diff(jump.row) <= 3
            && fits(jump.change, evidence.returns(jump.row))
            && fits(jump.gap, evidence.gaps(jump.row))
            && is_ordinary(evidence, jump.row))
}
