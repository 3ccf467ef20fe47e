//! The robust policy: errors told from moves of the market.
//!
//! ```text
//! sweep    one pass over the bars, branch-free; rows that can be wrong by themselves are judged,
//!          rows that deserve a second look are marked                          (any thread)
//! usable   placeholders and missing volumes          \
//! frozen   runs of equal bars                         \
//! wicks    highs and lows without company              > marked rows only, in order of time
//! jumps    jumps of the price -> steps (units, splits) -> levels; blocks and spikes; the market
//! volumes  volumes of another order of magnitude      /
//! adjustment  dividends and adjusted closes, where there are some
//! ```
//! Ground floor: `bounds`, `shape` and `marks` (a row by itself), `evidence` (what is usual around), `jump`, `step`,
//! `verdicts`, `witness`; judges stand on it and do not know each other.
//!
//! A place's neighbours are heard by median and median deviation of a fixed frame around (`evidence`),
//! so the verdict does not depend on how the rows were shared out, and on few errors hardly.

mod adjustment;
mod blocks;
mod bounds;
mod dividend;
mod evidence;
mod factors;
mod frozen;
mod grid_step;
mod habit;
mod jump;
mod jumps;
mod levels;
mod marks;
mod shape;
mod splits;
mod step;
mod steps;
mod sweep;
mod usable;
mod verdicts;
mod volume_runs;
mod volumes;
mod wicks;
mod witness;

use std::ops::Range;

pub(super) use grid_step::GridStep;
pub(super) use marks::Marks;
pub(super) use sweep::Disorder;

use super::report_builder::ReportBuilder;
use super::rules::amount;
use super::{QualityConfig, RowSet, Series};

/// What judges a series: its columns and the settings.
pub(super) struct Robust<'a> {
    series: Series<'a>,
    config: &'a QualityConfig,
}

impl<'a> Robust<'a> {
    /// The series knows its profile.
    pub(super) fn new(series: &Series<'a>, config: &'a QualityConfig) -> Self {
        Self { series: *series, config }
    }

    /// Looks at each row of the range by itself and marks those for [`judge`](Self::judge).
    ///
    /// # Errors
    /// [`Disorder`] if the timestamps do not ascend.
    pub(super) fn sweep(&self, rows: Range<usize>) -> Result<Marks, Disorder> {
        sweep::sweep(&self.series, &self.config.robust, rows)
    }

    /// Judges the marked rows of all ranges. The answer are the rows that do not follow the one before at the usual
    /// time.
    pub(super) fn judge(&self, mut marks: Marks, report: &mut ReportBuilder<'_>) -> RowSet {
        let robust = &self.config.robust;
        marks.book(&self.series, robust, report);
        usable::judge(&self.series, &marks, report);
        frozen::judge(&self.series, self.config, &marks, report);
        let mut evidence = evidence::Evidence::new(&self.series, marks.all_sound(), robust.sigma_floor);
        wicks::judge(&mut evidence, &marks.wide, report);
        let splits = splits::Splits::new(&evidence, report);
        jumps::judge(&mut evidence, self.config, &splits, &marks.jumps, report);
        let is_told = amount::check(&self.series, report);
        if self.series.feed().volume {
            volumes::judge_silence(&evidence, &marks.volumes, report);
            if !is_told {
                volumes::judge(&mut evidence, robust, &marks.volumes, report);
            }
        }
        adjustment::judge(&mut evidence, robust, &splits, report);
        std::mem::take(&mut marks.breaks)
    }
}
