//! Levels of the price: which stretches of rows are in another unit than the rest, or lack a split.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use crate::quality::sink::Sink;
use crate::quality::Rule;

/// Steps that are kept; a series with more of them is noise.
const MAX_STEPS: usize = 1 << 18;
/// Logarithms of two levels that count as one differ by less.
const SAME: f64 = 0.04;
/// Rows of a stretch between two equal levels that does not count as a change of level.
const SHORT: usize = 5;
/// How many times the newest rows must be outnumbered to be the wrong ones.
const OUTNUMBERED: usize = 4;
/// Rows within which a step that the adjusted close explains is undone if it is an error after all.
const NEAR: usize = 60;

/// Why the level changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Unit,
    Split,
}

/// From `row` on prices are `factor` times what they were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) row: usize,
    pub(super) factor: f64,
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

    /// Books the rows that are not on the level of reference.
    pub(super) fn judge(mut self, evidence: &mut Evidence<'_>, sink: &mut Sink<'_>) {
        if self.refused > 0 {
            sink.skip(Rule::UnitError, "fewer steps of the price: the rows after the first 262144 were not looked at");
        }
        self.explain(evidence, sink);
        let stretches = self.stretches(evidence.series.len());
        let Some(reference) = reference(&stretches) else { return };
        let close = evidence.series.bars().close;
        for stretch in stretches.iter().filter(|stretch| !is_same(stretch.level, reference)) {
            let factor = (reference - stretch.level).exp();
            let rule = match stretch.cause {
                Cause::Unit => Rule::UnitError,
                Cause::Split => Rule::MissedSplit,
            };
            for row in (stretch.first..stretch.end).filter(|row| evidence.is_sound(*row)) {
                sink.hit_with(rule, row, close[row], close[row] * factor, factor);
            }
        }
    }

    /// Drops steps that are none: explained by the adjusted close, or not to be believed alone. A
    /// step that is undone stays in any case: prices do not split for a few days.
    fn explain(&mut self, evidence: &Evidence<'_>, sink: &mut Sink<'_>) {
        let undone = |at: usize| {
            let is_inverse = |other: &Step| is_same(other.factor.ln() + self.steps[at].factor.ln(), 0.0);
            let near = |other: &Step| other.row.abs_diff(self.steps[at].row) <= NEAR;
            [at.checked_sub(1), Some(at + 1)]
                .into_iter()
                .filter_map(|other| self.steps.get(other?))
                .any(|other| is_inverse(other) && (near(other) || !self.steps[at].is_explained))
        };
        let keep: Vec<bool> = (0..self.steps.len())
            .map(|at| undone(at) || (self.steps[at].stands_alone && !self.steps[at].is_explained))
            .collect();
        let close = evidence.series.bars().close;
        for (step, keep) in self.steps.iter().zip(&keep) {
            if !keep {
                let rule = if step.is_explained { Rule::CorporateAction } else { Rule::LargeChange };
                sink.hit_with(rule, step.row, close[step.row], f64::NAN, step.factor.recip());
            }
        }
        let mut keep = keep.into_iter();
        self.steps.retain(|_| keep.next().unwrap_or(true));
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
            level += self.steps.get(at).map_or(0.0, |step| step.factor.ln());
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
