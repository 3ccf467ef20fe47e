//! The robust policy: errors told from moves of the market.
//!
//! ```text
//! sweep    one pass over the bars, branch-free; rows that can be wrong by themselves are judged,
//!          rows that deserve a second look are marked                          (any thread)
//! frozen   runs of equal bars                        \
//! volumes  volumes of another order of magnitude      > marked rows only, in order of time
//! jumps    jumps of the price -> steps (units, splits) -> levels; blocks and spikes; the market
//! adjustment  dividends and adjusted closes, where there are some
//! ```
//! A place's neighbours are heard by median and median deviation of a fixed frame around (`evidence`),
//! so the verdict does not depend on how the rows were shared out, and on few errors hardly.

mod adjustment;
mod blocks;
mod dividend;
mod evidence;
mod frozen;
mod jumps;
mod levels;
mod shape;
mod splits;
mod steps;
mod sweep;
mod volumes;
mod witness;

use std::ops::Range;

pub(super) use sweep::{Disorder, Marks};

use super::report_builder::ReportBuilder;
use super::{QualityConfig, Series};

/// What judges a series: its columns and the settings.
pub(super) struct Robust<'a> {
    series: Series<'a>,
    config: &'a QualityConfig,
}

impl<'a> Robust<'a> {
    pub(super) fn new(series: Series<'a>, config: &'a QualityConfig) -> Self {
        Self { series, config }
    }

    /// Looks at each row of the range by itself and marks those for [`judge`](Self::judge).
    ///
    /// # Errors
    /// [`Disorder`] if the timestamps do not ascend.
    pub(super) fn sweep(&self, rows: Range<usize>) -> Result<Marks, Disorder> {
        sweep::sweep(&self.series, &self.config.robust, rows)
    }

    /// Judges the marked rows of all ranges.
    pub(super) fn judge(&self, marks: &Marks, report: &mut ReportBuilder<'_>) {
        marks.book(&self.series, &self.config.robust, report);
        frozen::judge(&self.series, self.config, &marks.repeats, report);
        let mut evidence = evidence::Evidence::new(&self.series, marks.all_sound(), self.config.robust.sigma_floor);
        volumes::judge(&mut evidence, &self.config.robust, &marks.volumes, report);
        let splits = splits::Splits::new(&evidence, report);
        jumps::judge(&mut evidence, self.config, &splits, &marks.jumps, report);
        adjustment::judge(&mut evidence, &self.config.robust, &splits, report);
    }
}
