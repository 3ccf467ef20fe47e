//! The pass over all bars. Strips of rows are checked without branches; a strip in which something
//! is odd is checked rule by rule, again without branches; details are for those that are kept.

use std::ops::Range;

use super::shape::{ROW_RULES, Shape, row_detail, shape};
use crate::quality::sink::Sink;
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
    pub(super) fn book(&self, series: &Series<'_>, config: &RobustConfig, sink: &mut Sink<'_>) {
        for (rule, rows) in ROW_RULES.into_iter().zip(&self.wrong) {
            if !rows.is_empty() {
                sink.hit_rows(rule, rows, |row| row_detail(series, config, rule, row));
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
        let [o, h, l, c, v] = [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[..STRIP]);
        let [last_o, last_c, last_v] =
            [self.last_open, self.last_close, self.last_volume].map(|column| &column[..STRIP]);
        let mut odd = false;
        for i in 0..STRIP {
            let (o, h, l, c, v, last_c, last_v) = (o[i], h[i], l[i], c[i], v[i], last_c[i], last_v[i]);
            let top = if o > c { o } else { c };
            let bottom = if o > c { c } else { o };
            odd |= !(top <= h * up)
                | !(bottom >= l * down)
                | !(h >= l)
                | !(h < l * WIDE)
                | !(l > 0.0)
                | !(top < last_c * JUMP)
                | !(bottom * JUMP > last_c)
                | !(v >= 0.0)
                | !(v <= last_v * SWELL)
                | !(v * SWELL >= last_v)
                | ((c == last_c) & (o == last_o[i]));
        }
        // A sum of finite numbers less itself is 0; one that overflows deserves a look as well.
        let total = (0..STRIP).fold(0.0, |sum, i| sum + (o[i] + h[i]) + (c[i] + v[i]));
        !odd & (total - total == 0.0)
    }

    /// The rule-by-rule masks of an odd strip.
    fn mark(&self, series: &Series<'_>, config: &RobustConfig, at: usize, marks: &mut Marks) {
        let (up, down) = (1.0 + config.ohlc_tolerance * 0.999, 1.0 - config.ohlc_tolerance * 0.999);
        let [o, h, l, c, v] = [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[..STRIP]);
        // A sum of numbers less itself is 0; of those that overflow it is not, so those are looked at below.
        let mut sound = mask(|i| {
            let sum = (o[i] + h[i]) + (l[i] + c[i]);
            (o[i] > 0.0) & (h[i] > 0.0) & (l[i] > 0.0) & (c[i] > 0.0) & (sum - sum == 0.0)
        });
        let volumes = mask(|i| (v[i] >= 0.0) & (v[i] < f64::INFINITY));
        if !(sound & volumes) != 0 {
            sound |= self.mark_unsound(at, volumes, marks);
        }
        if sound == 0 {
            return;
        }
        let upside_down = mask(|i| h[i] < l[i]);
        let wide = mask(|i| !(h[i] < l[i] * WIDE) | !(l[i] < h[i] * WIDE));
        let misshapen = if upside_down | wide == !0 {
            0
        } else {
            mask(|i| {
                let top = if o[i] > c[i] { o[i] } else { c[i] };
                let bottom = if o[i] > c[i] { c[i] } else { o[i] };
                !(top <= h[i] * up) | !(bottom >= l[i] * down)
            })
        };
        // Upside down and no price in another unit: that is all there is to say.
        marks.put(Rule::HighBelowLow, at, sound & upside_down & !wide);
        let mut rows = sound & ((misshapen & !upside_down) | wide);
        while rows != 0 {
            let row = at + rows.trailing_zeros() as usize;
            rows &= rows - 1;
            marks.put_shape(series, config, row);
        }
        let [last_c, last_v] = [self.last_close, self.last_volume].map(|column| &column[..STRIP]);
        let still = mask(|i| {
            let top = if o[i] > c[i] { o[i] } else { c[i] };
            let bottom = if o[i] > c[i] { c[i] } else { o[i] };
            (top < last_c[i] * JUMP) & (bottom * JUMP > last_c[i])
        });
        marks.jumps.insert_mask(at, sound & !still);
        let steady = mask(|i| (v[i] <= last_v[i] * SWELL) & (v[i] * SWELL >= last_v[i]));
        marks.volumes.insert_mask(at, sound & volumes & !steady);
        let equal = mask(|i| (c[i] == last_c[i]) & (o[i] == self.last_open[i]));
        if sound & equal != 0 {
            let (last_h, last_l) = (self.last_high, self.last_low);
            marks.repeats.insert_mask(at, sound & equal & mask(|i| (h[i] == last_h[i]) & (l[i] == last_l[i])));
        }
    }

    /// Rows with prices or volumes that are no numbers or have the wrong sign. The answer are rows
    /// that are sound after all.
    fn mark_unsound(&self, at: usize, volumes: u32, marks: &mut Marks) -> u32 {
        let [o, h, l, c, v] = [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[..STRIP]);
        let numbers =
            mask(|i| (o[i] - o[i] == 0.0) & (h[i] - h[i] == 0.0) & (l[i] - l[i] == 0.0) & (c[i] - c[i] == 0.0));
        let positive = mask(|i| (o[i] > 0.0) & (h[i] > 0.0) & (l[i] > 0.0) & (c[i] > 0.0));
        marks.put(Rule::NonPositivePrice, at, numbers & !positive);
        let negative = if volumes == !0 { 0 } else { mask(|i| (v[i] < 0.0) & (v[i] > f64::NEG_INFINITY)) };
        marks.put(Rule::NegativeVolume, at, negative);
        let finite = numbers & (volumes | negative);
        if finite != !0 {
            let empty = mask(|i| (o[i].is_nan() & h[i].is_nan()) & (l[i].is_nan() & c[i].is_nan()));
            marks.put(Rule::EmptyRow, at, empty);
            marks.put(Rule::NotFinite, at, !finite & !empty);
        }
        numbers & positive
    }
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
