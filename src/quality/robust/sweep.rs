//! The pass over all bars. Strips of rows are checked without branches; a strip in which something
//! is odd is checked rule by rule, again without branches; details are for those that are kept.

#![expect(
    clippy::needless_bitwise_bool,
    clippy::neg_cmp_op_on_partial_ord,
    clippy::float_cmp,
    clippy::inline_always,
    reason = "without branches, and NaN has to fail"
)]

use std::ops::Range;

use super::bounds::{JUMP, SWELL, WIDE};
use super::grid_step::GridStep;
use super::marks::Marks;
use super::shape::is_placeholder;
use crate::quality::{RobustConfig, Rule, Series};

/// Rows of a strip: the bits of a mask.
const STRIP: usize = 32;

/// The timestamps of the range do not ascend strictly.
#[derive(Debug)]
pub(in crate::quality) struct Disorder;

/// The columns of a strip, and of the rows before each of its rows.
struct Strip<'a> {
    time: &'a [i64],
    last_time: &'a [i64],
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
    last_open: &'a [f64],
    last_high: &'a [f64],
    last_low: &'a [f64],
    last_close: &'a [f64],
    last_volume: &'a [f64],
}

impl<'a> Strip<'a> {
    /// A whole strip that is not the first.
    fn new(series: &Series<'a>, at: usize) -> Self {
        let bars = series.bars();
        let here = |column: &'a [f64]| &column[at..at + STRIP];
        let last = |column: &'a [f64]| &column[at - 1..at - 1 + STRIP];
        Self {
            time: &series.timestamps()[at..at + STRIP],
            last_time: &series.timestamps()[at - 1..at - 1 + STRIP],
            open: here(bars.open),
            high: here(bars.high),
            low: here(bars.low),
            close: here(bars.close),
            volume: here(bars.volume),
            last_open: last(bars.open),
            last_high: last(bars.high),
            last_low: last(bars.low),
            last_close: last(bars.close),
            last_volume: last(bars.volume),
        }
    }

    /// Whether the timestamps ascend strictly; those that are not one step after the one before are marked.
    fn ascends(&self, step: GridStep, at: usize, marks: &mut Marks) -> bool {
        let (time, last_time) = (&self.time[..STRIP], &self.last_time[..STRIP]);
        let (mut ascends, mut is_even) = (true, true);
        for i in 0..STRIP {
            ascends &= last_time[i] < time[i];
            is_even &= time[i].wrapping_sub(last_time[i]) == step.ticks;
        }
        if !is_even && ascends {
            marks.breaks.insert_mask(at, mask(|i| time[i].wrapping_sub(last_time[i]) != step.ticks));
        }
        ascends
    }

    /// Whether nothing in the strip deserves a look. NaN and infinity fail every comparison they
    /// have to pass; the tolerance is a hair smaller than that of the rules, which round otherwise.
    fn is_plain(&self, tolerance: f64) -> bool {
        let (up, down) = (1.0 + tolerance * 0.999, 1.0 - tolerance * 0.999);
        let [open, high, low, close, volume] = self.bars();
        let [last_open, last_close, last_volume] =
            [self.last_open, self.last_close, self.last_volume].map(|column| &column[..STRIP]);
        let mut odd = false;
        for i in 0..STRIP {
            let (top, bottom) = (higher(open[i], close[i]), lower(open[i], close[i]));
            odd |= !(top <= high[i] * up)
                | !(bottom >= low[i] * down)
                | !(high[i] >= low[i])
                | !(high[i] < low[i] * WIDE)
                | !(low[i] > 0.0)
                | !(top < last_close[i] * JUMP)
                | !(bottom * JUMP > last_close[i])
                | !(volume[i] >= 0.0)
                | !(volume[i] <= last_volume[i] * SWELL)
                | !(volume[i] * SWELL >= last_volume[i])
                | ((close[i] == last_close[i]) & (open[i] == last_open[i]));
        }
        // One NaN or infinity spoils the sum; a sum that overflows deserves a look as well.
        let total = (0..STRIP).fold(0.0, |sum, i| sum + (open[i] + high[i]) + (close[i] + volume[i]));
        !odd & total.is_finite()
    }

    /// The rule-by-rule masks of an odd strip.
    fn mark(&self, series: &Series<'_>, config: &RobustConfig, at: usize, marks: &mut Marks) {
        let [open, high, low, close, volume] = self.bars();
        let mut sound = mask(|i| {
            let sum = (open[i] + high[i]) + (low[i] + close[i]);
            (open[i] > 0.0) & (high[i] > 0.0) & (low[i] > 0.0) & (close[i] > 0.0) & sum.is_finite()
        });
        let traded = mask(|i| (volume[i] >= 0.0) & (volume[i] < f64::INFINITY));
        if !(sound & traded) != 0 {
            sound |= self.mark_unsound(series, config, at, traded, marks);
        }
        if sound != 0 {
            self.mark_shapes(series, config, at, sound, marks);
            self.mark_changes(at, sound, traded, marks);
        }
    }

    /// Rows with prices or volumes that are no numbers or have the wrong sign. The answer are rows
    /// whose prices are sound, those that overflow a sum included.
    fn mark_unsound(
        &self,
        series: &Series<'_>,
        config: &RobustConfig,
        at: usize,
        traded: u32,
        marks: &mut Marks,
    ) -> u32 {
        let [open, high, low, close, volume] = self.bars();
        let finite = |i: usize| open[i].is_finite() & high[i].is_finite() & low[i].is_finite() & close[i].is_finite();
        let finite = mask(finite);
        let positive = mask(|i| (open[i] > 0.0) & (high[i] > 0.0) & (low[i] > 0.0) & (close[i] > 0.0));
        // A placeholder has no open.
        let without = if finite & positive == !0 { 0 } else { mask(|i| (open[i] == 0.0) | open[i].is_nan()) };
        let empty = match without {
            0 => 0,
            _ => mask(|i| is_placeholder([open[i], high[i], low[i], close[i]], volume[i])),
        };
        marks.put(Rule::EmptyRow, at, empty);
        let below_zero = finite & !positive & !empty;
        if below_zero != 0 && series.feed().negative_prices {
            let mut rows = below_zero;
            while rows != 0 {
                marks.put_below_zero(series, config, at + rows.trailing_zeros() as usize);
                rows &= rows - 1;
            }
        } else {
            marks.put(Rule::NonPositivePrice, at, below_zero);
        }
        if traded == !0 {
            marks.put(Rule::NotFinite, at, !finite & !empty);
        } else {
            let negative = mask(|i| (volume[i] < 0.0) & (volume[i] > f64::NEG_INFINITY));
            let missing = if traded | negative == !0 { 0 } else { mask(|i| volume[i].is_nan()) };
            marks.put(Rule::NegativeVolume, at, negative & !empty);
            marks.put(Rule::NotFinite, at, !(finite & (traded | negative | missing)) & !empty);
            marks.no_volume.insert_mask(at, missing & finite & !empty);
        }
        finite & positive & !empty
    }

    /// Sound rows whose four prices do not fit together.
    fn mark_shapes(&self, series: &Series<'_>, config: &RobustConfig, at: usize, sound: u32, marks: &mut Marks) {
        let (up, down) = (1.0 + config.ohlc_tolerance * 0.999, 1.0 - config.ohlc_tolerance * 0.999);
        let [open, high, low, close, _] = self.bars();
        let upside_down = mask(|i| high[i] < low[i]);
        let wide = mask(|i| {
            let top = higher(higher(open[i], close[i]), higher(high[i], low[i]));
            let bottom = lower(lower(open[i], close[i]), lower(high[i], low[i]));
            !(top < bottom * WIDE)
        });
        // Upside down and no price in another unit: that is all there is to say.
        marks.put(Rule::HighBelowLow, at, sound & upside_down & !wide);
        let outside = if upside_down | wide == !0 {
            0
        } else {
            mask(|i| {
                let (top, bottom) = (higher(open[i], close[i]), lower(open[i], close[i]));
                !(top <= high[i] * up) | !(bottom >= low[i] * down)
            })
        };
        let outside = sound & outside & !upside_down & !wide;
        if outside != 0 {
            let tick = series.price_step().unwrap_or_default();
            let mut prints = 0;
            for (rule, price) in [(Rule::OpenOutside, open), (Rule::CloseOutside, close)] {
                let farther = |i: usize| {
                    let (over, under) = (price[i] - high[i], low[i] - price[i]);
                    if over > under { (over, high[i]) } else { (under, low[i]) }
                };
                let out = mask(|i| {
                    let (excess, bound) = farther(i);
                    excess > tick.mul_add(1.0 + 1e-6, bound * 1e-12).max(bound * config.ohlc_tolerance)
                });
                let far = mask(|i| {
                    let (excess, bound) = farther(i);
                    excess > bound * config.auction_tolerance
                });
                marks.put(rule, at, outside & out & far);
                prints |= out & !far;
            }
            marks.put(Rule::AuctionPrint, at, outside & prints);
        }
        let mut rows = sound & wide;
        while rows != 0 {
            marks.put_shape(series, config, at + rows.trailing_zeros() as usize);
            rows &= rows - 1;
        }
    }

    /// Sound rows that are far from the row before, or equal to it.
    fn mark_changes(&self, at: usize, sound: u32, traded: u32, marks: &mut Marks) {
        let [open, high, low, close, volume] = self.bars();
        let [last_open, last_high, last_low, last_close, last_volume] =
            [self.last_open, self.last_high, self.last_low, self.last_close, self.last_volume]
                .map(|column| &column[..STRIP]);
        let still = mask(|i| {
            let (top, bottom) = (higher(open[i], close[i]), lower(open[i], close[i]));
            (top < last_close[i] * JUMP) & (bottom * JUMP > last_close[i])
        });
        marks.jumps.insert_mask(at, sound & !still);
        let steady = mask(|i| (volume[i] <= last_volume[i] * SWELL) & (volume[i] * SWELL >= last_volume[i]));
        marks.volumes.insert_mask(at, sound & traded & !steady);
        let equal = sound & mask(|i| (close[i] == last_close[i]) & (open[i] == last_open[i]));
        if equal != 0 {
            marks.repeats.insert_mask(at, equal & mask(|i| (high[i] == last_high[i]) & (low[i] == last_low[i])));
        }
    }

    /// Open, high, low, close and volume, of a length that the compiler knows.
    fn bars(&self) -> [&'a [f64]; 5] {
        [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[..STRIP])
    }
}

/// The greater one, as one instruction; of NaN either.
#[inline(always)]
fn higher(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// The smaller one, as one instruction; of NaN either.
#[inline(always)]
fn lower(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}

/// The rows of a strip for which a condition holds, a bit each.
#[inline(always)]
fn mask(condition: impl Fn(usize) -> bool) -> u32 {
    let mut holds = [0_u8; STRIP];
    for (i, holds) in holds.iter_mut().enumerate() {
        *holds = u8::from(condition(i));
    }
    // Multiplying gathers the lowest bits of eight bytes in the highest byte.
    holds.chunks_exact(8).rev().fold(0, |mask, bytes| {
        let bytes = bytes.iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        (mask << 8) | (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    })
}

/// Checks each row of a range, which starts at a whole page, by itself and beside the one before.
///
/// # Errors
/// [`Disorder`] if the timestamps do not ascend.
pub(super) fn sweep(series: &Series<'_>, config: &RobustConfig, rows: Range<usize>) -> Result<Marks, Disorder> {
    let mut marks = Marks::default();
    let time = series.timestamps();
    let step = GridStep::of(series);
    for at in rows.clone().step_by(STRIP) {
        let end = rows.end.min(at + STRIP);
        // The first row of all has none before it.
        if at > 0 && end - at == STRIP {
            let strip = Strip::new(series, at);
            if !strip.ascends(step, at, &mut marks) {
                return Err(Disorder);
            }
            if !strip.is_plain(config.ohlc_tolerance) {
                strip.mark(series, config, at, &mut marks);
            }
        } else {
            if !time[at.saturating_sub(1)..end].is_sorted_by(|before, after| before < after) {
                return Err(Disorder);
            }
            for row in at..end {
                marks.look(series, config, row);
                if row > 0 && time[row].wrapping_sub(time[row - 1]) != step.ticks {
                    marks.breaks.insert(row);
                }
            }
        }
    }
    Ok(marks)
}
