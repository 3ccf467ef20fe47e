//! The pass over all bars. Strips of rows are checked without branches; only a strip in which
//! something is odd is looked at row by row.

use std::ops::Range;

use crate::quality::sink::Sink;
use crate::quality::{RobustConfig, RowSet, Rule, Series};

/// Rows of a strip.
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

/// Rows that deserve a second look.
#[derive(Debug, Default)]
pub(in crate::quality) struct Marks {
    /// The price jumped against the last close.
    pub(super) jumps: RowSet,
    /// The volume is far from the one before.
    pub(super) volumes: RowSet,
    /// The bar is the one before.
    pub(super) repeats: RowSet,
}

impl Marks {
    pub(in crate::quality) fn merge(&mut self, other: Self) {
        self.jumps.merge(other.jumps);
        self.volumes.merge(other.volumes);
        self.repeats.merge(other.repeats);
    }
}

/// The columns of a strip, each with the row before it.
struct Strip<'a> {
    time: &'a [i64],
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
}

impl<'a> Strip<'a> {
    /// Rows `rows` and, in front of them, the row before.
    fn new(series: &Series<'a>, rows: Range<usize>) -> Self {
        let with_last = rows.start - 1..rows.end;
        let bars = series.bars();
        Self {
            time: &series.timestamps()[with_last.clone()],
            open: &bars.open[with_last.clone()],
            high: &bars.high[with_last.clone()],
            low: &bars.low[with_last.clone()],
            close: &bars.close[with_last.clone()],
            volume: &bars.volume[with_last],
        }
    }

    /// Whether the timestamps ascend strictly.
    fn ascends(&self) -> bool {
        let (before, after) = (&self.time[..STRIP], &self.time[1..=STRIP]);
        before.iter().zip(after).fold(true, |ascends, (before, after)| ascends & (before < after))
    }

    /// Whether nothing in the strip deserves a look. NaN and infinity fail every comparison they
    /// have to pass.
    fn is_plain(&self, tolerance: f64) -> bool {
        let (up, down) = (1.0 + tolerance, 1.0 - tolerance);
        let [o, h, l, c, v] = [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[1..=STRIP]);
        let [last_o, last_c, last_v] = [self.open, self.close, self.volume].map(|column| &column[..STRIP]);
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
}

pub(super) fn sweep(
    series: &Series<'_>,
    config: &RobustConfig,
    rows: Range<usize>,
    sink: &mut Sink<'_>,
) -> Result<Marks, Disorder> {
    let mut marks = Marks::default();
    let mut at = rows.start;
    while at < rows.end {
        // The first row of all has none before it; it goes alone.
        let end = if at == 0 { 1 } else { rows.end.min(at + STRIP) };
        let is_whole = end - at == STRIP;
        if is_whole {
            let strip = Strip::new(series, at..end);
            if !strip.ascends() {
                return Err(Disorder);
            }
            if strip.is_plain(config.ohlc_tolerance) {
                at = end;
                continue;
            }
        } else if at > 0 && !series.timestamps()[at - 1..end].is_sorted_by(|before, after| before < after) {
            return Err(Disorder);
        }
        for row in at..end {
            look(series, config, row, sink, &mut marks);
        }
        at = end;
    }
    Ok(marks)
}

/// Judges one row by itself and marks it if its neighbours have to be heard.
fn look(series: &Series<'_>, config: &RobustConfig, row: usize, sink: &mut Sink<'_>, marks: &mut Marks) {
    let bars = series.bars();
    let (open, high, low, close, volume) =
        (bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row]);
    let prices = [open, high, low, close];
    if prices.iter().all(|price| price.is_nan()) {
        sink.hit(Rule::EmptyRow, row, f64::NAN, f64::NAN);
        return;
    }
    if let Some(value) = prices.into_iter().chain([volume]).find(|value| !value.is_finite()) {
        sink.hit(Rule::NotFinite, row, value, f64::NAN);
        if prices.iter().any(|price| !price.is_finite()) {
            return;
        }
    }
    if volume < 0.0 {
        sink.hit(Rule::NegativeVolume, row, volume, 0.0);
    }
    if let Some(price) = prices.into_iter().find(|price| *price <= 0.0) {
        sink.hit(Rule::NonPositivePrice, row, price, 0.0);
        return;
    }
    shape(config, row, prices, sink);
    if row > 0 {
        compare(series, row, marks);
    }
}

/// The four prices among themselves.
fn shape(config: &RobustConfig, row: usize, [open, high, low, close]: [f64; 4], sink: &mut Sink<'_>) {
    // One price in another unit is named so, not by what it breaks.
    if let Some((price, factor)) = odd_unit([open, high, low, close]) {
        sink.hit_with(Rule::MixedUnits, row, price, price * factor, factor);
        return;
    }
    let slack = |price: f64| (price * config.ohlc_tolerance).max(config.tick.unwrap_or_default());
    if high < low {
        sink.hit(Rule::HighBelowLow, row, high, low);
        return;
    }
    let mut print = None;
    for (rule, price) in [(Rule::OpenOutside, open), (Rule::CloseOutside, close)] {
        let bound = price.clamp(low, high);
        let excess = (price - bound).abs();
        if excess > slack(bound) {
            if excess > bound * config.auction_tolerance {
                sink.hit(rule, row, price, bound);
            } else {
                print = print.or(Some((price, bound)));
            }
        }
    }
    if let Some((price, bound)) = print {
        sink.hit(Rule::AuctionPrint, row, price, bound);
    }
}

/// A price that is 10, 100 or 1000 times (or a part of) the others, and the factor that mends it.
///
/// The majority is right: of two pairs the higher one is taken for the wrong one only if the low
/// and the close are the lower pair, and so on; what counts is that the row is found.
fn odd_unit(prices: [f64; 4]) -> Option<(f64, f64)> {
    let sorted = {
        let mut sorted = prices;
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (low, high) = (sorted[0], sorted[3]);
    if high < low * 8.0 {
        return None;
    }
    // The widest step between neighbours parts the wrong ones from the right ones.
    let step = (1..4).max_by(|a, b| (sorted[*a] / sorted[a - 1]).total_cmp(&(sorted[*b] / sorted[b - 1])))?;
    let (below, above) = (sorted[step - 1], sorted[step]);
    let unit = super::jumps::unit_of(above / below)?;
    // Two against two: the open is nearest to what was before, so its side is right.
    let is_low_wrong = if step == 2 { prices[0] >= above } else { step < 2 };
    Some(if is_low_wrong { (below, unit) } else { (above, unit.recip()) })
}

/// The row beside the one before.
fn compare(series: &Series<'_>, row: usize, marks: &mut Marks) {
    let bars = series.bars();
    let (open, close, volume) = (bars.open[row], bars.close[row], bars.volume[row]);
    let (last_close, last_volume) = (bars.close[row - 1], bars.volume[row - 1]);
    let (top, bottom) = (open.max(close), open.min(close));
    // Not the negation: after a row of NaN a look is due, since the jump may be across it.
    if !(top < last_close * JUMP && bottom * JUMP > last_close) {
        marks.jumps.insert(row);
    }
    if !(volume <= last_volume * SWELL && volume * SWELL >= last_volume) {
        marks.volumes.insert(row);
    }
    let is_repeat = [bars.open, bars.high, bars.low, bars.close].iter().all(|column| column[row] == column[row - 1]);
    if is_repeat {
        marks.repeats.insert(row);
    }
}
