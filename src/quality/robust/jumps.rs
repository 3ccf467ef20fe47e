//! Jumps of the price: what is an error, what is a split, what is the market.

use super::evidence::Evidence;
use super::levels::{Cause, Levels, Step, Support};
use super::splits::{Split, Splits};
use super::sweep::JUMP;
use super::witness::{
    CLEAR_SPLIT, Jump, is_adjusted_away, is_adjusted_away_at_last, is_ordinary, jump_at, lasted, median_of, unit_of,
};
use crate::quality::sink::{Detail, Sink};
use crate::quality::{QualityConfig, RowSet, Rule};

/// Jumps after the first that are tried as its way back.
const MAX_PARTNERS: usize = 4;
/// Jumps in a frame of rows from which on there is no usual course that one could leave; only units
/// are told then.
const MAX_JUMPS: usize = 32;
/// Logarithm of a jump there and back that no market makes.
const FAR: f64 = 0.5;
/// Rows on either side whose median volume tells an undeclared split.
const SPLIT_VOLUME_ROWS: usize = 10;
/// Fewest of them that tell it.
const MIN_VOLUME_ROWS: usize = 5;
/// Rows from a jump to a declared split that is none of its neighbours but may be its cause.
const FAR_SPLIT_ROWS: usize = 250;
/// How exactly such a jump has to have the size of the split.
const FAR_SPLIT_SLACK: f64 = 0.03;
/// Split ratios that are tried where none is declared.
const SPLITS: [f64; 14] = [2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0];

pub(super) fn judge(evidence: &mut Evidence<'_>, config: &QualityConfig, marked: &RowSet, sink: &mut Sink<'_>) {
    let mut levels = Levels::default();
    let mut next = 0;
    let (mut frame, mut is_restless) = (0..0, false);
    let mut verdicts = Verdicts { max_change: config.max_change, ..Verdicts::default() };
    let splits = Splits::new(evidence, sink);
    for row in marked.iter() {
        let Some(jump) = jump_at(evidence, row).filter(|_| row >= next) else { continue };
        let this_frame = Evidence::frame(row);
        if this_frame != frame {
            is_restless = marked.count_in(this_frame.clone()) > MAX_JUMPS;
            frame = this_frame;
        }
        if let Some(step) = declared_split(evidence, config, &splits, jump).or_else(|| unit_step(jump)) {
            levels.push(step);
        } else if is_restless {
            verdicts.change(jump);
        } else if let Some(back) = nearest_way_back(evidence, config, marked, jump) {
            book_block(evidence, jump, back, sink);
            next = back.row + 1;
        } else if (jump.change - 1.0).abs() > config.max_change && is_adjusted_away(evidence, jump) {
            verdicts.explained.insert(row);
        } else if let Some(step) = undeclared_split(evidence, jump) {
            let extras = evidence.series.extras();
            if extras.splits.is_some() || extras.adj_close.is_some() {
                levels.push(step);
            } else {
                let factor = step.log.exp();
                sink.hit_with(Rule::UndeclaredSplit, row, jump.change, factor, factor.recip());
            }
        } else {
            verdicts.change(jump);
        }
    }
    levels.judge(evidence, &mut verdicts, sink);
    verdicts.book(evidence, sink);
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

    fn book(&self, evidence: &Evidence<'_>, sink: &mut Sink<'_>) {
        let change = |row: usize| jump_at(evidence, row).map_or(f64::NAN, |jump| jump.change);
        sink.hit_rows(Rule::LargeChange, &self.large, |row| Detail {
            value: change(row) - 1.0,
            expected: self.max_change,
            factor: f64::NAN,
        });
        sink.hit_rows(Rule::CorporateAction, &self.explained, |row| Detail {
            value: change(row),
            expected: f64::NAN,
            factor: change(row).recip(),
        });
    }
}

/// The marked rows within a block after `row`, few of them.
fn rows_after(marked: &RowSet, row: usize, max_block_rows: usize) -> impl Iterator<Item = usize> + '_ {
    (row + 1..=row + max_block_rows).filter(|row| marked.contains(*row)).take(MAX_PARTNERS)
}

/// A split declared near by that has the size of the jump: not applied, or applied twice. One that
/// is declared farther away counts if another jump undoes this one: it was applied to some rows only.
fn declared_split(evidence: &mut Evidence<'_>, config: &QualityConfig, splits: &Splits, jump: Jump) -> Option<Step> {
    if splits.is_empty() {
        return None;
    }
    let size = jump.change.ln();
    let slack = (4.0 * evidence.returns(jump.row)).clamp(0.03, 0.15);
    let distance = |split: &Split| split.row.abs_diff(jump.row);
    let found = splits.of_size(size.abs(), slack).min_by_key(|split| distance(split))?;
    let is_near = distance(found) <= config.robust.split_window;
    let is_exact = (found.size - size.abs()).abs() <= FAR_SPLIT_SLACK && found.size >= CLEAR_SPLIT.ln();
    let is_far = !is_near && is_exact && distance(found) <= FAR_SPLIT_ROWS;
    if !is_near && !is_far {
        return None;
    }
    let support = if is_near { Support::Declared(found.row) } else { Support::None };
    Some(Step { row: jump.row, log: found.size.copysign(size), cause: Cause::Split, support, jump })
}

/// A step by a unit.
fn unit_step(jump: Jump) -> Option<Step> {
    let factor = unit_of(jump.change)?;
    Some(Step { row: jump.row, log: factor.ln(), cause: Cause::Unit, support: Support::None, jump })
}

/// The jump that undoes this one, unless it is undone itself by a nearer one: then that is the
/// error, and this the market.
fn nearest_way_back(evidence: &mut Evidence<'_>, config: &QualityConfig, marked: &RowSet, out: Jump) -> Option<Jump> {
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
/// usual, of one size and opposite, back to where it came from, and if neither day looks like news;
/// what goes so far that no news does it may do it on a day with news.
fn way_back(
    evidence: &mut Evidence<'_>,
    config: &QualityConfig,
    out: Jump,
    candidates: impl Iterator<Item = usize>,
) -> Option<Jump> {
    let usual = evidence.gaps(out.row);
    let least = JUMP.ln().max(config.robust.jump_sigma * usual);
    let away = out.gap.ln();
    let is_far = |log: f64| log.abs() > FAR;
    if away.abs() < least || !(is_far(away) || is_ordinary(evidence, out.row)) {
        return None;
    }
    let noise = 3.0 * evidence.returns(out.row);
    let slack = |size: f64| if is_far(size) { 0.45 * size } else { 0.3 * size };
    // A split that the adjusted close explains is no way back from what it does not explain.
    let is_explained = is_adjusted_away(evidence, out);
    candidates.filter_map(|row| jump_at(evidence, row)).collect::<Vec<_>>().into_iter().find(|back| {
        let home = back.gap.ln();
        let size = away.abs().min(home.abs());
        let bars = evidence.series.bars();
        let drift = (bars.close[back.row] / bars.close[out.before]).ln().abs();
        away * home < 0.0
            && size >= least
            && (away + home).abs() <= noise.max(slack(size))
            && drift <= noise.max(slack(size))
            && is_apart(evidence, out, *back)
            && is_adjusted_away(evidence, *back) == is_explained
            && (is_far(size) || is_ordinary(evidence, back.row))
    })
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

fn book_block(evidence: &Evidence<'_>, out: Jump, back: Jump, sink: &mut Sink<'_>) {
    let close = evidence.series.bars().close;
    let factor = (back.gap / out.gap).sqrt();
    let rule = if back.before == out.row { Rule::Spike } else { Rule::Block };
    for row in (out.row..back.row).filter(|row| evidence.is_sound(*row)) {
        sink.hit_with(rule, row, close[row], close[row] * factor, factor);
    }
}

/// A step by a usual split ratio that nobody declared: price and volume move inversely, on a day
/// that is ordinary but for that. What the adjusted close explains is none.
fn undeclared_split(evidence: &mut Evidence<'_>, jump: Jump) -> Option<Step> {
    let ratio = jump.change.max(jump.change.recip());
    let split = SPLITS.into_iter().min_by(|a, b| (ratio / a).ln().abs().total_cmp(&(ratio / b).ln().abs()))?;
    let factor = if jump.change > 1.0 { split } else { split.recip() };
    let close_fits = (jump.change / factor).ln().abs() <= (2.5 * evidence.returns(jump.row)).min(0.1);
    let open_fits = (jump.gap / factor).ln().abs() <= (2.5 * evidence.gaps(jump.row)).min(0.1);
    if !close_fits
        || !open_fits
        || is_adjusted_away_at_last(evidence, jump)
        || !lasted(evidence.series.bars().close, jump, factor, 0.15)
    {
        return None;
    }
    let bars = *evidence.series.bars();
    let range = bars.high[jump.row] / bars.low[jump.row] - 1.0;
    let volume = bars.volume;
    let crowd = |volumes: &'_ [f64]| median_of(volumes).filter(|_| volumes.len() >= MIN_VOLUME_ROWS);
    let before = crowd(&volume[jump.row.saturating_sub(SPLIT_VOLUME_ROWS)..jump.row])?;
    let after = crowd(&volume[jump.row..(jump.row + SPLIT_VOLUME_ROWS).min(volume.len())])?;
    let moved = (after / before).ln() / factor.recip().ln();
    let is_split = evidence.range(jump.row).is_some_and(|usual| range <= 2.0 * usual)
        && (0.5..=1.6).contains(&moved)
        && volume[jump.row] <= 3.0 * after;
    is_split.then_some(Step { row: jump.row, log: factor.ln(), cause: Cause::Split, support: Support::Volume, jump })
}
