//! A step of the price's level.

use super::jump::Jump;

/// Logarithms of two levels that count as one differ by less.
const SAME: f64 = 0.04;

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
    /// Logarithm of the split that it may be as well, where prices may be as traded; none undoes it then.
    pub(super) split: Option<f64>,
}

impl Step {
    /// How far the step is believed; a pair needs two points. Units speak for themselves.
    pub(super) const fn trust(&self) -> u8 {
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

/// Whether two levels are one.
pub(super) fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() < SAME
}
