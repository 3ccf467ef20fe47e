//! Levels of the price: which stretches of rows are in another unit than the rest, or lack a split.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use crate::quality::sink::{Detail, Sink};
use crate::quality::{RowSet, Rule};

/// Steps that are kept; a series with more of them is noise.
const MAX_STEPS: usize = 1 << 18;
/// Logarithms of two levels that count as one differ by less.
const SAME: f64 = 0.04;
/// Rows of a stretch between two equal levels that does not count as a change of level.
const SHORT: usize = 5;
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

/// From `row` on prices are another multiple of what they were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) row: usize,
    /// Logarithm of the multiple.
    pub(super) log: f64,
    pub(super) cause: Cause,
    /// Whether it is believed without a step back.
    pub(super) stands_alone: bool,
    /// Whether the adjusted close does not have it.
    pub(super) is_explained: bool,
}

/// The steps in order of time.
#[derive(Debug, Default)]
pub(super) struct Levels {
    steps: Vec<Step>,
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
        if self.steps.len() < MAX_STEPS { self.steps.push(step) } else { self.refused += 1 }
    }

    /// Books the rows that are not on the level of reference; a step that is not believed is a large
    /// change.
    pub(super) fn judge(mut self, evidence: &Evidence<'_>, large: &mut RowSet, sink: &mut Sink<'_>) {
        if self.steps.is_empty() {
            return;
        }
        if self.refused > 0 {
            sink.skip(Rule::UnitError, "fewer steps of the price: the rows after the first 262144 were not looked at");
        }
        self.explain(evidence, large, sink);
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
            sink.hit_rows(rule, &rows, |row| {
                let at = stretches.partition_point(|stretch| stretch.end <= row);
                let factor = (reference - stretches[at].level).exp();
                let close = evidence.series.bars().close[row];
                Detail { value: close, expected: close * factor, factor }
            });
        }
    }

    /// Drops steps that are none: explained by the adjusted close, or not to be believed alone. A
    /// step that is undone stays in any case: prices do not split for a few days.
    fn explain(&mut self, evidence: &Evidence<'_>, large: &mut RowSet, sink: &mut Sink<'_>) {
        let undone = self.undone();
        let believed = |(step, undone): (&Step, &bool)| *undone || (step.stands_alone && !step.is_explained);
        let keep: Vec<bool> = self.steps.iter().zip(&undone).map(believed).collect();
        let close = evidence.series.bars().close;
        for (step, keep) in self.steps.iter().zip(&keep) {
            if !keep {
                if step.is_explained {
                    sink.hit_with(Rule::CorporateAction, step.row, close[step.row], f64::NAN, (-step.log).exp());
                } else {
                    large.insert(step.row);
                }
            }
        }
        let mut keep = keep.into_iter();
        self.steps.retain(|_| keep.next().unwrap_or(true));
    }

    /// Which steps are undone by another one. The nearest pairs first: a step that nothing undoes would
    /// otherwise take the partner of the next one, and so on to the end.
    fn undone(&self) -> Vec<bool> {
        let mut undone = vec![false; self.steps.len()];
        let mut open: Vec<usize> = (0..self.steps.len()).collect();
        // What stands around a pair are neighbours once the pair is out of the way.
        for _ in 0..MAX_NESTING {
            let mut pairs: Vec<(usize, usize, usize)> = open
                .windows(2)
                .map(|pair| (self.steps[pair[1]].row - self.steps[pair[0]].row, pair[0], pair[1]))
                .filter(|(distance, a, b)| self.is_undone_by(*a, *b, *distance))
                .collect();
            pairs.sort_unstable();
            let before = open.len();
            for (_, a, b) in pairs {
                if !undone[a] && !undone[b] {
                    (undone[a], undone[b]) = (true, true);
                }
            }
            open.retain(|at| !undone[*at]);
            if open.len() == before {
                break;
            }
        }
        undone
    }

    fn is_undone_by(&self, a: usize, b: usize, distance: usize) -> bool {
        let (a, b) = (self.steps[a], self.steps[b]);
        is_same(a.log + b.log, 0.0) && (distance <= NEAR || (!a.is_explained && !b.is_explained))
    }

    /// The stretches between the steps. A stretch's cause is that of the step at its newer end: an
    /// unapplied split is wrong before its day; the newest has only an older end.
    fn stretches(&self, rows: usize) -> Vec<Stretch> {
        let mut level = 0.0;
        let ends = self.steps.iter().map(|step| step.row).chain([rows]);
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
    let changes = lasting_unit_changes(stretches);
    let is_minority = of_newest * OUTNUMBERED <= most;
    let is_split = stretches.iter().all(|stretch| stretch.cause == Cause::Split);
    Some(if is_split || (changes <= 2 && !is_minority) { newest } else { usual })
}

/// Changes by a unit, those between two equal levels for a few rows not counted.
fn lasting_unit_changes(stretches: &[Stretch]) -> usize {
    let is_episode = |at: usize| {
        let [before, here, after] = [stretches[at - 1], stretches[at], stretches[at + 1]];
        here.end - here.first <= SHORT && is_same(before.level, after.level)
    };
    let units = stretches.iter().filter(|stretch| stretch.cause == Cause::Unit).count().min(stretches.len() - 1);
    let episodes = (1..stretches.len().saturating_sub(1)).filter(|at| is_episode(*at)).count();
    units.saturating_sub(2 * episodes)
}
