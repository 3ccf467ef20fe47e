//! What the pass over the bars found, as sets of rows.

#![expect(clippy::float_cmp, reason = "the same is the same bits")]

use super::bounds::{JUMP, SWELL};
use super::shape::{EMPTY, ROW_RULES, Shape, is_placeholder, row_detail, shape, shape_below_zero};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{RobustConfig, RowSet, Rule, Series};

/// What the pass found: rows that are wrong by themselves, rows that deserve a second look.
#[derive(Debug, Default)]
pub(in crate::quality) struct Marks {
    /// By the place of the rule in [`ROW_RULES`].
    wrong: [RowSet; ROW_RULES.len()],
    /// The price jumped against the last close.
    pub(super) jumps: RowSet,
    /// The volume is far from the one before.
    pub(super) volumes: RowSet,
    /// The bar is the one before.
    pub(super) repeats: RowSet,
    /// The bar is wide, and no price of it is in another unit.
    pub(super) wide: RowSet,
    /// The volume is NaN, the prices are numbers.
    pub(super) no_volume: RowSet,
    /// A price is zero or below in a feed where that may be.
    pub(super) below_zero: RowSet,
    /// The time from the row before is not the usual one.
    pub(super) breaks: RowSet,
}

impl Marks {
    pub(in crate::quality) fn merge(&mut self, other: &Self) {
        self.wrong.iter_mut().zip(&other.wrong).for_each(|(mine, theirs)| mine.merge(theirs));
        self.others_mut().into_iter().zip(other.others()).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    /// Books the rows that are wrong by themselves; placeholders are judged by how many there are.
    pub(super) fn book(&self, series: &Series<'_>, config: &RobustConfig, report: &mut ReportBuilder<'_>) {
        for (rule, rows) in ROW_RULES.into_iter().zip(&self.wrong) {
            if rows.is_empty() || rule == Rule::EmptyRow {
                continue;
            }
            let detail = |row| row_detail(series, config, rule, row);
            if rule == Rule::MixedUnits {
                report.hit_each(rule, rows, detail);
            } else {
                report.hit_rows(rule, rows, detail);
            }
        }
    }

    /// The rows that are placeholders.
    pub(super) fn empty(&self) -> &RowSet {
        &self.wrong[EMPTY]
    }

    const fn others(&self) -> [&RowSet; 7] {
        let Self { jumps, volumes, repeats, wide, no_volume, below_zero, breaks, .. } = self;
        [jumps, volumes, repeats, wide, no_volume, below_zero, breaks]
    }

    const fn others_mut(&mut self) -> [&mut RowSet; 7] {
        let Self { jumps, volumes, repeats, wide, no_volume, below_zero, breaks, .. } = self;
        [jumps, volumes, repeats, wide, no_volume, below_zero, breaks]
    }

    /// Every set, for tests.
    #[cfg(test)]
    pub(in crate::quality) fn sets(&self) -> impl Iterator<Item = &RowSet> {
        self.wrong.iter().chain(self.others())
    }

    /// Whether all prices of all rows are numbers above zero.
    pub(super) fn all_sound(&self) -> bool {
        let unsound = [Rule::EmptyRow, Rule::NotFinite, Rule::NonPositivePrice];
        let is_sound = |(rule, rows): (&Rule, &RowSet)| !unsound.contains(rule) || rows.is_empty();
        self.below_zero.is_empty() && ROW_RULES.iter().zip(&self.wrong).all(is_sound)
    }

    fn of(&mut self, rule: Rule) -> Option<&mut RowSet> {
        Some(&mut self.wrong[ROW_RULES.iter().position(|other| other.index() == rule.index())?])
    }

    /// Puts rows in by a mask.
    pub(super) fn put(&mut self, rule: Rule, at: usize, rows: u32) {
        if let (1.., Some(set)) = (rows, self.of(rule)) {
            set.insert_mask(at, rows);
        }
    }

    /// A sound row whose prices are far from each other.
    pub(super) fn put_shape(&mut self, series: &Series<'_>, config: &RobustConfig, row: usize) {
        let Shape { open, close, is_wide } = shape(series, config, row);
        if is_wide {
            self.wide.insert(row);
        }
        for rule in [open, close].into_iter().flatten() {
            if let Some(set) = self.of(rule) {
                set.insert(row);
            }
        }
    }

    /// One row, as [`Strip::mark`] does with many.
    pub(in crate::quality) fn look(&mut self, series: &Series<'_>, config: &RobustConfig, row: usize) {
        let bars = series.bars();
        let volume = bars.volume[row];
        let prices = [bars.open[row], bars.high[row], bars.low[row], bars.close[row]];
        let are_numbers = prices.iter().all(|price| price.is_finite());
        if is_placeholder(prices, volume) {
            self.insert(Rule::EmptyRow, row);
            return;
        }
        if !are_numbers || volume.is_infinite() {
            self.insert(Rule::NotFinite, row);
        } else if volume.is_nan() {
            self.no_volume.insert(row);
        }
        if volume < 0.0 && volume.is_finite() {
            self.insert(Rule::NegativeVolume, row);
        }
        if !are_numbers {
            return;
        }
        if prices.iter().any(|price| *price <= 0.0) {
            self.put_below_zero(series, config, row);
            return;
        }
        self.put_shape(series, config, row);
        if row > 0 {
            self.compare(series, row);
        } else {
            // It has none before it to be compared with.
            self.volumes.insert(0);
        }
    }

    fn insert(&mut self, rule: Rule, row: usize) {
        if let Some(set) = self.of(rule) {
            set.insert(row);
        }
    }

    /// Numbers of which one is zero or below.
    pub(super) fn put_below_zero(&mut self, series: &Series<'_>, config: &RobustConfig, row: usize) {
        if !series.feed().negative_prices {
            self.insert(Rule::NonPositivePrice, row);
            return;
        }
        self.below_zero.insert(row);
        for rule in shape_below_zero(series, config, row) {
            self.insert(rule, row);
        }
    }

    /// A sound row beside the one before. Not the negations: after a row of NaN a look is due, since
    /// the jump may be across it.
    fn compare(&mut self, series: &Series<'_>, row: usize) {
        let bars = series.bars();
        let (open, close, volume) = (bars.open[row], bars.close[row], bars.volume[row]);
        let (last_close, last_volume) = (bars.close[row - 1], bars.volume[row - 1]);
        let (top, bottom) = (open.max(close), open.min(close));
        if !(top < last_close * JUMP && bottom * JUMP > last_close) {
            self.jumps.insert(row);
        }
        if volume >= 0.0 && volume.is_finite() && !(volume <= last_volume * SWELL && volume * SWELL >= last_volume) {
            self.volumes.insert(row);
        }
        if [bars.open, bars.high, bars.low, bars.close].iter().all(|column| column[row] == column[row - 1]) {
            self.repeats.insert(row);
        }
    }
}
