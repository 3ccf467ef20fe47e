//! Levels of the price: which stretches of rows are in another unit than the rest, or lack a split.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::jumps::Verdicts;
use super::shape::has_mixed_units;
use super::witness::{Belief, Jump, belief};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{RowSet, Rule};

/// Steps that are kept; a series with more of them is noise.
const MAX_STEPS: usize = 1 << 18;
/// Logarithms of two levels that count as one differ by less.
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
/// Rows within which a step that the adjusted close explains is undone if it is an error after all.
const NEAR: usize = 20;

/// Why the level changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Unit,
    Split,
}

/// What else says that a step is a split that was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    None,
    /// A split is declared on this row near by.
    Declared(usize),
    /// The volume moved inversely.
    Volume,
    /// A split of this ratio is declared farther away, and the day is an ordinary one.
    Far,
}

/// From the row of the jump on prices are another multiple of what they were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Logarithm of the multiple.
    pub(super) log: f64,
    pub(super) cause: Cause,
    pub(super) support: Support,
    pub(super) jump: Jump,
}

impl Step {
    /// How far the step is believed; a pair needs two points. Units speak for themselves.
    const fn trust(&self) -> u8 {
        match (self.cause, self.support) {
            (Cause::Unit, _) | (_, Support::Declared(_) | Support::Volume) => 2,
            (_, Support::Far) => 1,
            (_, Support::None) => 0,
        }
    }
}

/// Whether one step undoes the other by its size.
pub(super) fn is_inverse(a: &Step, b: &Step) -> bool {
    is_same(a.log + b.log, 0.0)
}

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
        let stretches = self.stretches(evidence.series.len());
        let Some(reference) = reference(&stretches) else { return };
        for (rule, cause) in [(Rule::UnitError, Cause::Unit), (Rule::MissedSplit, Cause::Split)] {
            let wrong = |stretch: &&Stretch| stretch.cause == cause && !is_same(stretch.level, reference);
            let mut rows = RowSet::default();
            for stretch in stretches.iter().filter(wrong) {
                rows.insert_range(stretch.first..stretch.end);
            }
            if !evidence.all_sound {
                rows.retain(|row| evidence.is_sound(row));
            }
            report.hit_rows(rule, &rows, |row| {
                let at = stretches.partition_point(|stretch| stretch.end <= row);
                let factor = (reference - stretches[at].level).exp();
                let close = evidence.series.bars().close[row];
                // Of a row in two units no factor mends all prices.
                let factor_of_row = if has_mixed_units(&evidence.series, row) { f64::NAN } else { factor };
                Detail { value: close, expected: close * factor, factor: factor_of_row }
            });
        }
    }

    /// Drops steps that are none: explained by the adjusted close, or not to be believed alone. A
    /// step that is undone stays in any case: prices do not split for a few days.
    fn explain(&mut self, evidence: &mut Evidence<'_>, verdicts: &mut Verdicts) {
        let all = vec![true; self.steps.len()];
        let mut undone = vec![false; self.steps.len()];
        self.undo(&mut undone, &all, NEAR);
        let ask = |(step, undone): (&Step, &bool)| if *undone { Belief::Error } else { belief(evidence, step) };
        let beliefs: Vec<Belief> = self.steps.iter().zip(&undone).map(ask).collect();
        // What the adjusted close or the news explain is no end of a long stretch; what nothing undoes
        // even then stands between no others.
        let of_market = |belief: &Belief| !matches!(belief, Belief::Explained | Belief::News);
        self.undo(&mut undone, &beliefs.iter().map(of_market).collect::<Vec<_>>(), usize::MAX);
        let lasting = |(step, belief): (&Step, &Belief)| {
            *belief == Belief::Error || (*belief == Belief::Market && step.cause == Cause::Split)
        };
        self.undo(&mut undone, &self.steps.iter().zip(&beliefs).map(lasting).collect::<Vec<_>>(), usize::MAX);
        let mut kept = Vec::with_capacity(self.steps.len());
        for ((step, belief), undone) in self.steps.iter().zip(beliefs).zip(undone) {
            match belief {
                Belief::Explained => verdicts.explained.insert(step.jump.row),
                Belief::News => verdicts.change(step.jump),
                Belief::Market if !undone => verdicts.change(step.jump),
                Belief::Market | Belief::Error => kept.push(*step),
            }
        }
        self.steps = kept;
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
                stretches.push(Stretch { first, end, level, cause: step.cause });
            }
            first = end;
            level += self.steps.get(at).map_or(0.0, |step| step.log);
        }
        stretches
    }
}

fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() < SAME
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
    let is_minority = of_newest * OUTNUMBERED <= most;
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
