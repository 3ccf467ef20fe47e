//! What is usual around a row: medians of a fixed frame, computed once and only where asked for.

use std::ops::Range;

use super::bounds::JUMP;
use super::grid_step::GridStep;
use crate::quality::median::median;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{Bars, RowSet, Series};

/// Rows that share one set of medians, whole words of a [`RowSet`].
const FRAME: usize = 128;
/// Rows on either side of a frame that count into its medians.
const MARGIN: usize = 64;
/// Rows of a frame that may be wrong by themselves.
const MAX_BROKEN: usize = FRAME / 2;
/// Distance of the quartiles of a normal distribution in standard deviations.
const QUARTILES: f64 = 1.349;
/// Part of the usual price below which prices are near zero.
const NEAR_ZERO: f64 = 0.2;
/// Medians of fewer values say nothing.
const MIN_VALUES: usize = 8;
/// Standard deviations of a normal distribution by its median absolute deviation.
const MAD_SCALE: f64 = 1.4826;

/// Median and spread of the volumes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes {
    pub(super) median: f64,
    /// Standard deviation of the logarithms.
    pub(super) sigma: f64,
}

/// The medians of a frame; each is computed when it is first asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    number: Option<usize>,
    returns: Option<f64>,
    gaps: Option<f64>,
    /// NaN with too few rows.
    range: Option<f64>,
    /// Likewise.
    close: Option<f64>,
    /// Likewise.
    volumes: Option<Volumes>,
    near_zero: Option<bool>,
}

/// A series and what is usual in it.
pub(super) struct Evidence<'a> {
    pub(super) series: Series<'a>,
    /// Whether every row is sound.
    pub(super) all_sound: bool,
    /// Sound rows whose close is not to be trusted.
    odd: RowSet,
    floor: f64,
    frame: Frame,
    /// Time between two rows that is a long pause; computed when first asked for.
    long_pause: Option<i64>,
    buffer: Vec<f64>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(series: &Series<'a>, all_sound: bool, floor: f64) -> Self {
        Self {
            series: *series,
            all_sound,
            odd: RowSet::default(),
            floor,
            frame: Frame::default(),
            long_pause: None,
            buffer: Vec::with_capacity(FRAME + 2 * MARGIN),
        }
    }

    /// Whether all prices of the row are numbers above zero, and nothing says that its close is wrong.
    pub(super) fn is_sound(&self, row: usize) -> bool {
        let bars = self.series.bars();
        let columns = [bars.open, bars.high, bars.low, bars.close];
        self.all_sound
            || (columns.iter().all(|column| column[row] > 0.0 && column[row].is_finite()) && !self.odd.contains(row))
    }

    /// The close of the row is wrong: it is no witness any more.
    pub(super) fn distrust(&mut self, row: usize) {
        self.all_sound = false;
        self.odd.insert(row);
    }

    /// Whether so much time lies between two rows that one says nothing of the other.
    pub(super) fn is_long_pause(&mut self, before: usize, row: usize) -> bool {
        let limit = *self.long_pause.get_or_insert_with(|| GridStep::long_pause(&self.series));
        let time = self.series.timestamps();
        time[row].saturating_sub(time[before]) > limit
    }

    /// Whether prices around are so near zero that ratios say nothing, in a feed where that may be.
    pub(super) fn is_near_zero(&mut self, row: usize) -> bool {
        if !self.series.feed().negative_prices {
            return false;
        }
        self.enter(row);
        if let Some(known) = self.frame.near_zero {
            return known;
        }
        let bars = *self.series.bars();
        let lowest = |row: usize| bars.low[row].min(bars.close[row]).min(bars.open[row]);
        let rows = self.rows(row);
        let near = self.close(row).is_none_or(|usual| rows.into_iter().any(|row| lowest(row) < NEAR_ZERO * usual));
        self.frame.near_zero = Some(near);
        near
    }

    /// The last sound row before `row`, not too far away.
    pub(super) fn before(&self, row: usize) -> Option<usize> {
        (row.saturating_sub(MARGIN)..row).rev().find(|row| self.is_sound(*row))
    }

    /// Standard deviation of the closes' returns around a row, jumps left out; at least the floor.
    pub(super) fn returns(&mut self, row: usize) -> f64 {
        self.enter(row);
        if let Some(known) = self.frame.returns {
            return known;
        }
        let sigma = self.spread(row, self.series.bars().close);
        self.frame.returns = Some(sigma);
        sigma
    }

    /// Standard deviation of the open against the close before, jumps left out; at least the floor.
    pub(super) fn gaps(&mut self, row: usize) -> f64 {
        self.enter(row);
        if let Some(known) = self.frame.gaps {
            return known;
        }
        let sigma = self.spread(row, self.series.bars().open);
        self.frame.gaps = Some(sigma);
        sigma
    }

    /// Standard deviation of a price against the close before, in the frame of a row.
    fn spread(&mut self, row: usize, price: &[f64]) -> f64 {
        let bars = *self.series.bars();
        let change = |row: usize| Some(price[row] / bars.close.get(row.wrapping_sub(1))?);
        self.fill(row, |row| change(row).filter(|_| is_traded(&bars, row)));
        self.deviation()
    }

    /// High over low of a row, less one.
    pub(super) fn range_of(&self, row: usize) -> f64 {
        let bars = self.series.bars();
        bars.high[row] / bars.low[row] - 1.0
    }

    /// Median of high over low less one; `None` with too few rows.
    pub(super) fn range(&mut self, row: usize) -> Option<f64> {
        self.enter(row);
        if let Some(known) = self.frame.range {
            return Some(known).filter(|range| !range.is_nan());
        }
        let bars = *self.series.bars();
        self.fill(row, |row| Some(bars.high[row] / bars.low[row]).filter(|range| *range >= 1.0));
        let range = self.median().map(|median| (median - 1.0).max(self.floor));
        self.frame.range = Some(range.unwrap_or(f64::NAN));
        range
    }

    /// Median of the closes; `None` with too few rows.
    pub(super) fn close(&mut self, row: usize) -> Option<f64> {
        self.enter(row);
        if let Some(known) = self.frame.close {
            return Some(known).filter(|close| !close.is_nan());
        }
        let close = self.series.bars().close;
        self.fill(row, |row| Some(close[row]));
        let median = self.median();
        self.frame.close = Some(median.unwrap_or(f64::NAN));
        median
    }

    /// Median and spread of the volumes; `None` with too few rows that have one.
    pub(super) fn volumes(&mut self, row: usize) -> Option<Volumes> {
        self.enter(row);
        if let Some(known) = self.frame.volumes {
            return Some(known).filter(|volumes| !volumes.median.is_nan());
        }
        let volume = self.series.bars().volume;
        self.fill(row, |row| Some(volume[row]));
        let volumes = self.median().map(|median| {
            let middle = self.buffer.len() / 2;
            let (below, above) = self.buffer.split_at_mut(middle);
            let low = *below.select_nth_unstable_by(middle / 2, f64::total_cmp).1;
            let at = (above.len() - 1) / 2;
            let high = *above.select_nth_unstable_by(at, f64::total_cmp).1;
            Volumes { median, sigma: (high / low).ln() / QUARTILES }
        });
        self.frame.volumes = Some(volumes.unwrap_or(Volumes { median: f64::NAN, sigma: f64::NAN }));
        volumes
    }

    /// Makes the frame of a row the current one. Rows come in ascending order, so that each frame is
    /// computed once.
    fn enter(&mut self, row: usize) {
        let number = Some(row / FRAME);
        if self.frame.number != number {
            self.frame = Frame { number, ..Frame::default() };
        }
    }

    /// Puts the values of the rows around into the buffer that are numbers above zero.
    fn fill(&mut self, row: usize, value: impl Fn(usize) -> Option<f64>) {
        let rows = self.rows(row);
        self.buffer.clear();
        self.buffer.extend(rows.filter_map(value).filter(|value| value.is_finite() && *value > 0.0));
    }

    /// The rows that speak for the frame of a row.
    fn rows(&self, row: usize) -> Range<usize> {
        let start = row / FRAME * FRAME;
        start.saturating_sub(MARGIN)..(start + FRAME + MARGIN).min(self.series.len())
    }

    fn median(&mut self) -> Option<f64> {
        if self.buffer.len() < MIN_VALUES {
            return None;
        }
        median(&mut self.buffer)
    }

    /// From ratios in the buffer.
    fn deviation(&mut self) -> f64 {
        self.buffer.retain(|ratio| (JUMP.recip()..JUMP).contains(ratio));
        for ratio in &mut self.buffer {
            *ratio = (*ratio - 1.0).abs();
        }
        // Without a frame load anything below a jump is usual.
        self.median().map_or((JUMP - 1.0) / 4.0, |median| (median * MAD_SCALE).max(self.floor))
    }
}

/// Rows of one price without volume are carried forward: they say nothing of how prices move.
pub(super) fn is_traded(bars: &Bars<'_>, row: usize) -> bool {
    bars.volume[row] != 0.0 || bars.high[row] > bars.low[row]
}

/// The first of the steps that all values are multiples of, up to `slack` of a step; 0 if none is.
pub(super) fn decimal_step(steps: &[f64], values: impl IntoIterator<Item = f64, IntoIter: Clone>, slack: f64) -> f64 {
    let values = values.into_iter();
    let is_multiple = |step: &f64| values.clone().all(|value| (value / step - (value / step).round()).abs() < slack);
    steps.iter().copied().find(is_multiple).unwrap_or(0.0)
}

/// How it stands with the frame of the row that is looked at, while rows come in order.
#[derive(Debug, Default)]
pub(super) struct FrameLoad {
    frame: Range<usize>,
    /// Marked rows of the frame.
    pub(super) marks: usize,
    /// Whether most of its rows are wrong by themselves, so that nothing is usual.
    pub(super) is_hopeless: bool,
}

impl FrameLoad {
    pub(super) fn enter(&mut self, row: usize, marked: &RowSet, report: &ReportBuilder<'_>) {
        let start = row / FRAME * FRAME;
        let frame = start..start + FRAME;
        if self.frame != frame {
            self.marks = marked.count_in(frame.clone());
            self.is_hopeless = report.suspects_in(frame.clone()) > MAX_BROKEN;
            self.frame = frame;
        }
    }
}
