//! Levels of the price: which stretches of rows are in another unit than the rest, or lack a split.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::jump::{Jump, jump_at};
use super::shape::has_mixed_units;
use super::step::{Cause, Step, is_inverse, is_same};
use super::verdicts::Verdicts;
use super::witness::{Belief, belief, is_news};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{Column, Reason, RowSet, Rule};

/// Steps that are kept; a series with more of them is noise.
const MAX_STEPS: usize = 1 << 18;
/// Width of the levels that are counted together.
const SAME: f64 = 0.04;
/// Rows of a stretch that may be an episode.
const SHORT: usize = 5;
/// Stretches of another unit that may be single errors.
const FEW: usize = 3;
/// Stretches of another unit that are to and fro however long they are.
const MANY: usize = 12;
/// How many times the newest rows must be outnumbered to be the wrong ones.
const OUTNUMBERED: usize = 4;
/// Pairs of steps within pairs that are taken apart.
const MAX_NESTING: usize = 4;
/// Logarithms by which the gaps at the ends of a stretch may miss its factor for a remedy.
const TEN_SLACK: f64 = 0.07;
const HUNDRED_SLACK: f64 = 0.25;
/// Rows of a series in which the more are right, whichever they are.
const MAJORITY_ROWS: usize = 8;
/// Stored rows that tell the level of new ones.
const STORED_ROWS: usize = 250;
/// Rows within which two steps undo each other of which neither is believed alone.
const LONG: usize = 500;
/// Logarithm by which the hidden end of a unit may miss it.
const HIDDEN: f64 = 0.9;
/// Steps of a series in which hidden ends are looked for.
const MAX_LONE: usize = 256;
/// Rows within which it is looked for, and jumps to either side that are looked at.
const FAR_END: usize = 3000;
const MAX_LOOKS: usize = 32;
/// Rows of a series of two levels that cannot tell which is right.
const TOO_FEW: usize = 4;
/// Rows within which a step that the adjusted close explains is undone if it is an error after all.
const NEAR: usize = 20;

/// The steps in order of time.
#[derive(Debug, Default)]
pub(super) struct Levels {
    steps: Vec<Step>,
    open: Option<Step>,
    refused: usize,
}

/// Rows `first..end` on one level.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: usize,
    end: usize,
    level: f64,
    cause: Cause,
    /// Logarithm of the gaps at its ends, without signs.
    gap: f64,
}

impl Levels {
    pub(super) fn push(&mut self, step: Step) {
        if step.cause == Cause::Unit {
            let closes = self.open.is_some_and(|open| is_inverse(&open, &step));
            self.open = (!closes).then_some(step);
        }
        if self.steps.len() < MAX_STEPS { self.steps.push(step) } else { self.refused += 1 }
    }

    /// The last step by a unit, if no step has undone it yet.
    pub(super) const fn open(&self) -> Option<&Step> {
        self.open.as_ref()
    }

    /// Books the rows that are not on the level of reference; a step that is not believed is a large
    /// change.
    pub(super) fn judge(
        mut self,
        evidence: &mut Evidence<'_>,
        verdicts: &mut Verdicts,
        marked: &RowSet,
        report: &mut ReportBuilder<'_>,
    ) {
        if self.steps.is_empty() {
            return;
        }
        if self.refused > 0 {
            report
                .skip(Rule::UnitError, "fewer steps of the price: the rows after the first 262144 were not looked at");
        }
        self.explain(evidence, verdicts);
        self.close(evidence, marked);
        let stretches = self.stretches(evidence.series.len());
        let Some(reference) = trusted(&stretches, report.from()).or_else(|| reference(&stretches)) else { return };
        if is_even(&stretches) {
            // One row against another, or two against two: neither can be used, and nobody knows which to mend.
            for Stretch { first, end, .. } in stretches {
                let detail = Detail::new(evidence.series.bars().close[first], f64::NAN).reason(UNKNOWABLE);
                report.hit_range(Rule::UnitError, first..end, detail);
            }
            return;
        }
        for (rule, cause) in [(Rule::UnitError, Cause::Unit), (Rule::MissedSplit, Cause::Split)] {
            for stretch in stretches.iter().filter(|other| other.cause == cause && !is_same(other.level, reference)) {
                book(evidence, stretch, rule, plain((reference - stretch.level).exp()), report);
            }
        }
    }

    /// Drops steps that are none: explained by the adjusted close, or not to be believed alone. A
    /// step that is undone stays in any case: prices do not split for a few days.
    fn explain(&mut self, evidence: &mut Evidence<'_>, verdicts: &mut Verdicts) {
        let all = vec![true; self.steps.len()];
        let mut undone = vec![false; self.steps.len()];
        self.undo(&mut undone, &all, NEAR);
        // A unit there and back is no split and no market, whatever the adjusted close says; a tenth on a day of
        // news may be.
        let is_news_of_ten =
            |step: &Step, evidence: &mut Evidence<'_>| is_ten(step.log) && is_news(evidence, step.jump.row);
        let units: Vec<bool> =
            self.steps.iter().map(|step| step.cause == Cause::Unit && !is_news_of_ten(step, evidence)).collect();
        self.undo(&mut undone, &units, LONG);
        let ask = |(step, undone): (&Step, &bool)| match step.split {
            _ if *undone => Belief::Error,
            Some(_) => Belief::LikeSplit,
            None => belief(evidence, step),
        };
        let beliefs: Vec<Belief> = self.steps.iter().zip(&undone).map(ask).collect();
        // What the adjusted close or the news explain is no end of a long stretch; what nothing undoes
        // even then stands between no others.
        let of_market = |belief: &Belief| !matches!(belief, Belief::Explained | Belief::News | Belief::LikeSplit);
        self.undo(&mut undone, &beliefs.iter().map(of_market).collect::<Vec<_>>(), LONG);
        let lasting = |(step, belief): (&Step, &Belief)| {
            *belief == Belief::Error || (*belief == Belief::Market && step.cause == Cause::Split)
        };
        self.undo(&mut undone, &self.steps.iter().zip(&beliefs).map(lasting).collect::<Vec<_>>(), usize::MAX);
        let mut kept = Vec::with_capacity(self.steps.len());
        for ((step, belief), undone) in self.steps.iter().zip(beliefs).zip(undone) {
            match belief {
                Belief::Explained => verdicts.explained.insert(step.jump.row),
                Belief::News => verdicts.change(step.jump),
                Belief::LikeSplit => verdicts.undeclared(step.jump, step.split.unwrap_or_default()),
                Belief::Market if !undone => verdicts.change(step.jump),
                Belief::Market | Belief::Error => kept.push(*step),
            }
        }
        self.steps = kept;
    }

    /// Gives a unit that nothing undoes the other end that a move of the market on the same day hides: a jump the other
    /// way by about as much. Without it all rows on one side would be wrong.
    fn close(&mut self, evidence: &mut Evidence<'_>, marked: &RowSet) {
        // A series with many of them is noise.
        if self.steps.len() > MAX_LONE {
            return;
        }
        let mut ends = Vec::new();
        let lone = self.steps.iter().enumerate().filter(|(at, step)| {
            let undoes = |other: Option<&Step>| other.is_some_and(|other| is_inverse(step, other));
            let before = at.checked_sub(1).and_then(|at| self.steps.get(at));
            step.cause == Cause::Unit && !undoes(before) && !undoes(self.steps.get(at + 1))
        });
        for (_, step) in lone {
            let row = step.jump.row;
            let is_step = |row: usize| self.steps.binary_search_by_key(&row, |step| step.jump.row).is_ok();
            let is_end = |other: &Jump| {
                let log = other.change.ln();
                log * step.log < 0.0 && (log.abs() - step.log.abs()).abs() <= HIDDEN && !is_step(other.row)
            };
            let newer = (row + 1..(row + FAR_END).min(evidence.series.len())).filter(|row| marked.contains(*row));
            let older = (row.saturating_sub(FAR_END)..row).rev().filter(|row| marked.contains(*row));
            let newer = newer.take(MAX_LOOKS).filter_map(|row| jump_at(evidence, row)).find(is_end);
            let older = older.take(MAX_LOOKS).filter_map(|row| jump_at(evidence, row)).find(is_end);
            let nearest = newer.into_iter().chain(older).min_by_key(|other| other.row.abs_diff(row));
            // A few rows at an end are a small matter, and news a better explanation.
            let is_long = row.min(evidence.series.len() - row) > SHORT;
            if let Some(jump) = nearest.filter(|jump| is_long || !is_news(evidence, jump.row)) {
                ends.push(Step { log: -step.log, jump, ..*step });
            }
        }
        self.steps.append(&mut ends);
        self.steps.sort_by_key(|step| step.jump.row);
        self.steps.dedup_by_key(|step| step.jump.row);
    }

    /// Notes the steps that another one undoes, not farther away than `reach`, among those that
    /// `may` be undone. The nearest pairs first: a step that nothing undoes would otherwise take the
    /// partner of the next one, and so on to the end.
    fn undo(&self, undone: &mut [bool], may: &[bool], reach: usize) {
        let mut open: Vec<usize> = (0..self.steps.len()).filter(|at| may[*at] && !undone[*at]).collect();
        let distance = |pair: Option<&[usize]>| match pair {
            Some([a, b]) => {
                let (a, b) = (self.steps[*a], self.steps[*b]);
                Some(b.jump.row - a.jump.row)
                    .filter(|rows| *rows <= reach && is_inverse(&a, &b) && a.trust() + b.trust() >= 2)
            }
            _ => None,
        };
        // What stands around a pair are neighbours once the pair is out of the way.
        for _ in 0..MAX_NESTING {
            let (before, mut at) = (open.len(), 0);
            while at + 1 < open.len() {
                let (this, next) = (distance(open.get(at..at + 2)), distance(open.get(at + 1..at + 3)));
                let is_nearest = this.is_some_and(|this| next.is_none_or(|next| this <= next));
                if is_nearest {
                    (undone[open[at]], undone[open[at + 1]]) = (true, true);
                    at += 1;
                }
                at += 1;
            }
            open.retain(|at| !undone[*at]);
            if open.len() == before {
                break;
            }
        }
    }

    /// The stretches between the steps. A stretch's cause is that of the step at its newer end: an
    /// unapplied split is wrong before its day; the newest has only an older end.
    fn stretches(&self, rows: usize) -> Vec<Stretch> {
        let mut level = 0.0;
        let ends = self.steps.iter().map(|step| step.jump.row).chain([rows]);
        let mut first = 0;
        let mut stretches = Vec::with_capacity(self.steps.len() + 1);
        for (at, end) in ends.enumerate() {
            if let Some(step) = self.steps.get(at).or(self.steps.last()) {
                let ends = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|at| self.steps.get(at));
                let gaps: Vec<f64> = ends.map(|step| step.jump.gap.ln().abs()).collect();
                let gap = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
                stretches.push(Stretch { first, end, level, cause: step.cause, gap });
            }
            first = end;
            level += self.steps.get(at).map_or(0.0, |step| step.log);
        }
        stretches
    }
}

const ADJUSTED_TOO: &[Column] = &[Column::Open, Column::High, Column::Low, Column::Close, Column::AdjClose];

/// Whether a unit is ten rather than a hundred or more.
fn is_ten(log: f64) -> bool {
    log.abs() < 3.0
}

/// The factor without the noise of its logarithm, so that a hundredth is one.
fn plain(factor: f64) -> f64 {
    let rounded = |factor: f64| (factor * 1e9).round() / 1e9;
    if factor < 1.0 { rounded(factor.recip()).recip() } else { rounded(factor) }
}

/// Books the rows of a stretch; of a row in two units no factor mends all prices.
fn book(evidence: &Evidence<'_>, stretch: &Stretch, rule: Rule, factor: f64, report: &mut ReportBuilder<'_>) {
    let close = evidence.series.bars().close;
    // Gaps of twelve are no unit of ten, though they may have come from one.
    let slack = if is_ten(factor.ln()) { TEN_SLACK } else { HUNDRED_SLACK };
    let is_known = rule != Rule::UnitError || (stretch.gap - factor.ln().abs()).abs() <= slack;
    let remedy = if is_known { factor } else { f64::NAN };
    let columns = if moves_adjusted(evidence, stretch, factor) { ADJUSTED_TOO } else { rule.mends() };
    // Rows that are not sound are none of this rule.
    let is_mixed = |row: usize| evidence.is_sound(row).then(|| has_mixed_units(&evidence.series, row));
    let mut first = stretch.first;
    while first < stretch.end {
        let of_first = is_mixed(first);
        let end = (first + 1..stretch.end).find(|row| is_mixed(*row) != of_first).unwrap_or(stretch.end);
        if let Some(is_mixed) = of_first {
            let remedy = if is_mixed { f64::NAN } else { remedy };
            let detail = Detail::new(close[first], close[first] * factor).columns(columns);
            report.hit_range(rule, first..end, detail.factor(remedy));
        }
        first = end;
    }
}

/// Whether the adjusted closes of a stretch are off as its prices are.
fn moves_adjusted(evidence: &Evidence<'_>, stretch: &Stretch, factor: f64) -> bool {
    let Some(adj_close) = evidence.series.extras().adj_close else { return false };
    let close = evidence.series.bars().close;
    let ratio = |row: usize| Some(adj_close[row] / close[row]).filter(|ratio| *ratio > 0.0 && ratio.is_finite());
    let inside = ratio(if stretch.first > 0 { stretch.first } else { stretch.end - 1 });
    let outside = if stretch.first > 0 { stretch.first - 1 } else { stretch.end };
    let outside = (outside < close.len()).then(|| ratio(outside)).flatten();
    inside.zip(outside).is_some_and(|(inside, outside)| (inside / outside).ln().abs() < 0.3 * factor.ln().abs())
}

const UNKNOWABLE: Reason =
    Reason::new("two units in too few rows to tell which is right", 0.6, "only one of the rows is wrong");

/// Whether as many rows are on one level as on the other, and they are all there is.
fn is_even(stretches: &[Stretch]) -> bool {
    let [older, newer] = stretches else { return false };
    older.cause == Cause::Unit && newer.end <= TOO_FEW && older.end - older.first == newer.end - newer.first
}

/// The level of most rows before `from`, which are stored already.
fn trusted(stretches: &[Stretch], from: usize) -> Option<f64> {
    let stored = from.saturating_sub(STORED_ROWS)..from;
    let rows = |stretch: &Stretch| stretch.end.min(stored.end).saturating_sub(stretch.first.max(stored.start));
    let of_level = |level: f64| stretches.iter().filter(|other| is_same(other.level, level)).map(&rows).sum::<usize>();
    let known = stretches.iter().filter(|stretch| rows(stretch) > 0);
    known.max_by_key(|stretch| of_level(stretch.level)).map(|stretch| stretch.level)
}

/// The level that is right: the newest, since what is missing is missing in older rows, unless it
/// is a few rows of another unit against many, or the unit changed to and fro; then that of most
/// rows.
fn reference(stretches: &[Stretch]) -> Option<f64> {
    let newest = stretches.last()?.level;
    let mut rows: BTreeMap<i64, (usize, f64)> = BTreeMap::new();
    for stretch in stretches {
        #[expect(clippy::cast_possible_truncation, reason = "logarithms of prices are small")]
        let key = (stretch.level / SAME).round() as i64;
        rows.entry(key).or_insert((0, stretch.level)).0 += stretch.end - stretch.first;
    }
    let (most, usual) = rows.values().copied().max_by_key(|(rows, _)| *rows)?;
    let of_newest = rows.values().find(|(_, level)| is_same(*level, newest)).map_or(0, |(rows, _)| *rows);
    let is_short = stretches.last()?.end <= MAJORITY_ROWS;
    let is_minority = if is_short { of_newest < most } else { of_newest * OUTNUMBERED <= most };
    let is_split = stretches.iter().all(|stretch| stretch.cause == Cause::Split);
    Some(if is_split || !(is_minority || is_to_and_fro(stretches)) { newest } else { usual })
}

/// Whether the unit changed so often, and never for long, that the newest rows are as likely wrong as
/// any.
fn is_to_and_fro(stretches: &[Stretch]) -> bool {
    let units = stretches.iter().filter(|stretch| stretch.cause == Cause::Unit).count();
    let mut lasting = stretches.iter().filter(|stretch| stretch.end - stretch.first > SHORT);
    let first = lasting.next();
    let is_one_level = first.is_none_or(|first| lasting.all(|stretch| is_same(first.level, stretch.level)));
    units > MANY || (units > FEW && is_one_level)
}
