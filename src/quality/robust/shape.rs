//! What a row says by itself: which rule it breaks, and by how much. Pure functions of the row.

use super::bounds::{WIDE, unit_of};
use crate::quality::report_builder::Detail;
use crate::quality::{Column, RobustConfig, Rule, Series};

/// Prices below this many steps are in any ratio to each other.
const FEW_TICKS: f64 = 8.0;

/// The rules that look at one row alone.
pub(super) const ROW_RULES: [Rule; 9] = [
    Rule::EmptyRow,
    Rule::NotFinite,
    Rule::NonPositivePrice,
    Rule::NegativeVolume,
    Rule::MixedUnits,
    Rule::HighBelowLow,
    Rule::OpenOutside,
    Rule::CloseOutside,
    Rule::AuctionPrint,
];

/// Place of the rule of placeholders.
pub(super) const EMPTY: usize = 0;

/// Whether a row stands for none: no price at all, or the zeros (and a close carried on) of a suspension.
pub(super) fn is_placeholder([open, high, low, close]: [f64; 4], volume: f64) -> bool {
    let is_nan = open.is_nan() && high.is_nan() && low.is_nan() && close.is_nan();
    let is_zero = open == 0.0 && high == 0.0 && low == 0.0 && (0.0..f64::INFINITY).contains(&close);
    is_nan || (is_zero && (volume == 0.0 || volume.is_nan()))
}

/// The rules that the four prices of a row break among themselves, two at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// By the open, or by the bar as a whole.
    pub(super) open: Option<Rule>,
    /// By the close, if that is another rule.
    pub(super) close: Option<Rule>,
    /// The bar is wide, in one unit.
    pub(super) is_wide: bool,
}

/// The shape of a row whose prices are numbers above zero.
pub(super) fn shape(series: &Series<'_>, config: &RobustConfig, row: usize) -> Shape {
    let prices @ [open, high, low, close] = prices(series, row);
    // One price in another unit is named so, not by what it breaks.
    if odd_price(series, prices).is_some() {
        return Shape { open: Some(Rule::MixedUnits), close: None, is_wide: false };
    }
    if high < low {
        return Shape { open: Some(Rule::HighBelowLow), close: None, is_wide: false };
    }
    let tick = series.price_step().unwrap_or_default();
    let outside = |rule: Rule, price: f64| {
        let bound = price.clamp(low, high);
        let excess = (price - bound).abs();
        let slack = tick.mul_add(1.0 + 1e-6, bound * 1e-12).max(bound * config.ohlc_tolerance);
        let print = if excess > bound * config.auction_tolerance { rule } else { Rule::AuctionPrint };
        (excess > slack).then_some(print)
    };
    let open = outside(Rule::OpenOutside, open);
    let close = outside(Rule::CloseOutside, close).filter(|rule| Some(*rule) != open);
    Shape { open, close, is_wide: high >= low * WIDE }
}

/// The rules that a row breaks of which a price is zero or below, in a feed where that may be.
pub(super) fn shape_below_zero(series: &Series<'_>, config: &RobustConfig, row: usize) -> Vec<Rule> {
    let [open, high, low, close] = prices(series, row);
    if high < low {
        return vec![Rule::HighBelowLow];
    }
    let slack = (high.abs().max(low.abs()) * config.auction_tolerance).max(series.price_step().unwrap_or_default());
    let is_outside = |price: f64| price > high + slack || price < low - slack;
    let rules = [(Rule::OpenOutside, open), (Rule::CloseOutside, close)];
    rules.into_iter().filter(|(_, price)| is_outside(*price)).map(|(rule, _)| rule).collect()
}

/// Whether the prices of a row are in two units.
pub(super) fn has_mixed_units(series: &Series<'_>, row: usize) -> bool {
    odd_price(series, prices(series, row)).is_some()
}

/// What a finding of a rule says about a row.
pub(super) fn row_detail(series: &Series<'_>, config: &RobustConfig, rule: Rule, row: usize) -> Detail {
    let prices @ [open, high, low, close] = prices(series, row);
    let volume = series.bars().volume[row];
    let detail = Detail::new;
    let outside = |price: f64| detail(price, price.clamp(low, high));
    match rule {
        Rule::NotFinite => {
            let value = prices.into_iter().chain([volume]).find(|value| !value.is_finite());
            detail(value.unwrap_or(f64::NAN), f64::NAN)
        }
        Rule::NonPositivePrice => detail(prices.into_iter().find(|price| *price <= 0.0).unwrap_or(f64::NAN), 0.0),
        Rule::NegativeVolume => detail(volume, 0.0),
        Rule::MixedUnits => {
            let (column, value, factor) = odd_price(series, prices).unwrap_or((None, f64::NAN, f64::NAN));
            let detail = detail(value, value * factor);
            column.map_or(detail, |column| detail.factor(factor).columns(column))
        }
        Rule::HighBelowLow => detail(high, low),
        Rule::OpenOutside | Rule::CloseOutside | Rule::AuctionPrint => {
            let is_open = shape(series, config, row).open == Some(rule);
            outside(if is_open { open } else { close })
        }
        _ => detail(f64::NAN, f64::NAN),
    }
}

fn prices(series: &Series<'_>, row: usize) -> [f64; 4] {
    let bars = series.bars();
    [bars.open[row], bars.high[row], bars.low[row], bars.close[row]]
}

/// Four numbers in order.
fn sort([a, b, c, d]: [f64; 4]) -> [f64; 4] {
    let order = |a: f64, b: f64| if a > b { (b, a) } else { (a, b) };
    let ((a, b), (c, d)) = (order(a, b), order(c, d));
    let ((a, c), (b, d)) = (order(a, c), order(b, d));
    let (b, c) = order(b, c);
    [a, b, c, d]
}

const COLUMNS: [&[Column]; 4] = [&[Column::Open], &[Column::High], &[Column::Low], &[Column::Close]];

/// The price of a row that is in another unit than the others: its column if it is one price alone, its value, and
/// the factor that mends it. Prices of a few steps are in any ratio.
fn odd_price(series: &Series<'_>, prices: [f64; 4]) -> Option<(Option<&'static [Column]>, f64, f64)> {
    let (value, factor) = odd_unit(prices)?;
    let lowest = prices.into_iter().fold(f64::INFINITY, f64::min);
    if series.price_step().is_some_and(|tick| lowest < FEW_TICKS * tick) || series.feed().negative_prices {
        return None;
    }
    let ratio = |price: f64| price / value;
    let mut alike = (0..4).filter(|at| (0.5..2.0).contains(&ratio(prices[*at])));
    let (first, second) = (alike.next(), alike.next());
    Some((first.filter(|_| second.is_none()).map(|at| COLUMNS[at]), value, factor))
}

/// A price that is 10, 100 or 1000 times (or a part of) the others, and the factor that mends it.
///
/// The majority is right; of two pairs that of the open is, since it is nearest to what was before.
fn odd_unit(prices: [f64; 4]) -> Option<(f64, f64)> {
    let [open, ..] = prices;
    let (low, high) = prices.iter().fold((open, open), |(low, high), price| (low.min(*price), high.max(*price)));
    if high < low * 8.0 {
        return None;
    }
    let sorted = sort(prices);
    // The widest step between neighbours parts the wrong ones from the right ones.
    let ratios = [sorted[1] / sorted[0], sorted[2] / sorted[1], sorted[3] / sorted[2]];
    let step = if ratios[0] >= ratios[1].max(ratios[2]) {
        1
    } else if ratios[1] >= ratios[2] {
        2
    } else {
        3
    };
    let (below, above) = (sorted[step - 1], sorted[step]);
    let unit = unit_of(above / below)?;
    let is_low_wrong = if step == 2 { open >= above } else { step == 1 };
    Some(if is_low_wrong { (below, unit) } else { (above, unit.recip()) })
}
