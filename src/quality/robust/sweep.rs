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

use super::shape::{ROW_RULES, Shape, row_detail, shape};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{RobustConfig, RowSet, Rule, Series};

/// Rows of a strip: the bits of a mask.
const STRIP: usize = 32;
/// Change of a price against the last close from which on it deserves a look.
pub(super) const JUMP: f64 = 1.08;
/// High over low from which on a bar deserves a look.
const WIDE: f64 = 1.5;
/// Factor between two volumes from which on they deserve a look.
const SWELL: f64 = 16.0;

/// The timestamps of the range do not ascend strictly.
#[derive(Debug)]
pub(in crate::quality) struct Disorder;

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
}

impl Marks {
    pub(in crate::quality) fn merge(&mut self, other: &Self) {
        self.wrong.iter_mut().zip(&other.wrong).for_each(|(mine, theirs)| mine.merge(theirs));
        self.jumps.merge(&other.jumps);
        self.volumes.merge(&other.volumes);
        self.repeats.merge(&other.repeats);
    }

    /// Books the rows that are wrong by themselves.
    pub(super) fn book(&self, series: &Series<'_>, config: &RobustConfig, report: &mut ReportBuilder<'_>) {
        for (rule, rows) in ROW_RULES.into_iter().zip(&self.wrong) {
            if !rows.is_empty() {
                report.hit_rows(rule, rows, |row| row_detail(series, config, rule, row));
            }
        }
    }

    /// Every set, for tests.
    #[cfg(test)]
    pub(in crate::quality) fn sets(&self) -> impl Iterator<Item = &RowSet> {
        self.wrong.iter().chain([&self.jumps, &self.volumes, &self.repeats])
    }

    /// Whether all prices of all rows are numbers above zero.
    pub(super) fn all_sound(&self) -> bool {
        let unsound = [Rule::EmptyRow, Rule::NotFinite, Rule::NonPositivePrice];
        ROW_RULES.iter().zip(&self.wrong).all(|(rule, rows)| !unsound.contains(rule) || rows.is_empty())
    }

    fn of(&mut self, rule: Rule) -> Option<&mut RowSet> {
        Some(&mut self.wrong[ROW_RULES.iter().position(|other| other.index() == rule.index())?])
    }
}

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

    /// Whether the timestamps ascend strictly.
    fn ascends(&self) -> bool {
        self.last_time.iter().zip(self.time).fold(true, |ascends, (before, after)| ascends & (before < after))
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
            sound |= self.mark_unsound(at, traded, marks);
        }
        if sound != 0 {
            self.mark_shapes(series, config, at, sound, marks);
            self.mark_changes(at, sound, traded, marks);
        }
    }

    /// Rows with prices or volumes that are no numbers or have the wrong sign. The answer are rows
    /// whose prices are sound, those that overflow a sum included.
    fn mark_unsound(&self, at: usize, traded: u32, marks: &mut Marks) -> u32 {
        let [open, high, low, close, volume] = self.bars();
        let finite = |i: usize| open[i].is_finite() & high[i].is_finite() & low[i].is_finite() & close[i].is_finite();
        let finite = mask(finite);
        let positive = mask(|i| (open[i] > 0.0) & (high[i] > 0.0) & (low[i] > 0.0) & (close[i] > 0.0));
        marks.put(Rule::NonPositivePrice, at, finite & !positive);
        let negative = if traded == !0 { 0 } else { mask(|i| (volume[i] < 0.0) & (volume[i] > f64::NEG_INFINITY)) };
        marks.put(Rule::NegativeVolume, at, negative);
        let all_finite = finite & (traded | negative);
        if all_finite != !0 {
            let empty = mask(|i| (open[i].is_nan() & high[i].is_nan()) & (low[i].is_nan() & close[i].is_nan()));
            marks.put(Rule::EmptyRow, at, empty);
            marks.put(Rule::NotFinite, at, !all_finite & !empty);
        }
        finite & positive
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
            let tick = series.price_step().or(config.tick).unwrap_or_default();
            let mut prints = 0;
            for (rule, price) in [(Rule::OpenOutside, open), (Rule::CloseOutside, close)] {
                let farther = |i: usize| {
                    let (over, under) = (price[i] - high[i], low[i] - price[i]);
                    if over > under { (over, high[i]) } else { (under, low[i]) }
                };
                let out = mask(|i| {
                    let (excess, bound) = farther(i);
                    excess > higher(bound * config.ohlc_tolerance, tick)
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

impl Marks {
    fn put(&mut self, rule: Rule, at: usize, rows: u32) {
        if let (1.., Some(set)) = (rows, self.of(rule)) {
            set.insert_mask(at, rows);
        }
    }

    fn put_shape(&mut self, series: &Series<'_>, config: &RobustConfig, row: usize) {
        let Shape { open, close, .. } = shape(series, config, row);
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
        let mut wrong = |rule| self.of(rule).into_iter().for_each(|set| set.insert(row));
        if prices.iter().all(|price| price.is_nan()) {
            wrong(Rule::EmptyRow);
        } else if !are_numbers || !volume.is_finite() {
            wrong(Rule::NotFinite);
        }
        if volume < 0.0 && volume.is_finite() {
            wrong(Rule::NegativeVolume);
        }
        if !are_numbers {
            return;
        }
        if prices.iter().any(|price| *price <= 0.0) {
            wrong(Rule::NonPositivePrice);
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
    for at in rows.clone().step_by(STRIP) {
        let end = rows.end.min(at + STRIP);
        // The first row of all has none before it.
        if at > 0 && end - at == STRIP {
            let strip = Strip::new(series, at);
            if !strip.ascends() {
                return Err(Disorder);
            }
            if !strip.is_plain(config.ohlc_tolerance) {
                strip.mark(series, config, at, &mut marks);
            }
        } else {
            if !time[at.saturating_sub(1)..end].is_sorted_by(|before, after| before < after) {
                return Err(Disorder);
            }
            (at..end).for_each(|row| marks.look(series, config, row));
        }
    }
    Ok(marks)
}
