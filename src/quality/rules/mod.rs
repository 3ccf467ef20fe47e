//! Rules that both policies share, one subject a file, and the literal policy.

pub(super) mod amount;
pub(super) mod calendar;
pub(super) mod cross_source;
pub(super) mod duplicates;
pub(super) mod freshness;
pub(super) mod grid;
pub(super) mod limits;
pub(super) mod literal;
mod week;
