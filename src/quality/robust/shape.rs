//! What a row says by itself: which rule it breaks, and by how much. Pure functions of the row.

use crate::quality::report_builder::Detail;
use crate::quality::{RobustConfig, Rule, Series};

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

/// The rules that the four prices of a row break among themselves, two at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// By the open, or by the bar as a whole.
    pub(super) open: Option<Rule>,
    /// By the close, if that is another rule.
    pub(super) close: Option<Rule>,
}

/// The shape of a row whose prices are numbers above zero.
pub(super) fn shape(series: &Series<'_>, config: &RobustConfig, row: usize) -> Shape {
    let prices @ [open, high, low, close] = prices(series, row);
    // One price in another unit is named so, not by what it breaks.
    if odd_unit(prices).is_some() {
        return Shape { open: Some(Rule::MixedUnits), close: None };
    }
    if high < low {
        return Shape { open: Some(Rule::HighBelowLow), close: None };
    }
    let outside = |rule: Rule, price: f64| {
        let bound = price.clamp(low, high);
        let excess = (price - bound).abs();
        let slack = (bound * config.ohlc_tolerance).max(series.price_step().or(config.tick).unwrap_or_default());
        let print = if excess > bound * config.auction_tolerance { rule } else { Rule::AuctionPrint };
        (excess > slack).then_some(print)
    };
    let open = outside(Rule::OpenOutside, open);
    Shape { open, close: outside(Rule::CloseOutside, close).filter(|rule| Some(*rule) != open) }
}

/// Whether the prices of a row are in two units.
pub(super) fn has_mixed_units(series: &Series<'_>, row: usize) -> bool {
    odd_unit(prices(series, row)).is_some()
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
            let (value, factor) = odd_unit(prices).unwrap_or((f64::NAN, f64::NAN));
            detail(value, value * factor)
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
    let unit = super::witness::unit_of(above / below)?;
    let is_low_wrong = if step == 2 { open >= above } else { step == 1 };
    Some(if is_low_wrong { (below, unit) } else { (above, unit.recip()) })
}
