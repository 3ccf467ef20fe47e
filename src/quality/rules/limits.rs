//! Prices beyond the day's limit.

use chrono::NaiveDate;

use crate::quality::sink::Sink;
use crate::quality::{PriceLimits, Rule, Series};

/// Shares of a day that is not one of trading: five of seven days.
const CALENDAR_DAYS: (u32, u32) = (7, 5);

pub(in crate::quality) fn check(series: &Series<'_>, limits: &PriceLimits, sink: &mut Sink<'_>) {
    let extras = series.extras();
    let has_columns = extras.limit_up.is_some() || extras.limit_down.is_some();
    if !has_columns {
        let needs = match (series.trading_board(), extras.pre_close, series.stamps()) {
            (None, ..) => Some("limit_up and limit_down, or board"),
            (_, None, _) => Some("pre_close"),
            (_, _, None) => Some("time_unit"),
            _ => None,
        };
        if let Some(needs) = needs {
            sink.skip(Rule::LimitExceeded, needs);
            return;
        }
    }
    let bars = series.bars();
    let mut listing = Listing::default();
    for row in 0..series.len() {
        let (low_limit, high_limit, tick) = if has_columns {
            let column = |column: Option<&[f64]>| column.map_or(f64::NAN, |column| column[row]);
            (column(extras.limit_down), column(extras.limit_up), 0.0)
        } else {
            match board_limit(series, limits, row, &mut listing) {
                Some(found) => found,
                None => continue,
            }
        };
        // NaN and 0 stand for no limit and fail the comparison.
        let slack = |limit: f64| (tick / 2.0).max(limit * 1e-6);
        if high_limit > 0.0 && bars.high[row] > high_limit + slack(high_limit) {
            sink.hit(Rule::LimitExceeded, row, bars.high[row], high_limit);
        } else if low_limit > 0.0 && bars.low[row] > 0.0 && bars.low[row] < low_limit - slack(low_limit) {
            sink.hit(Rule::LimitExceeded, row, bars.low[row], low_limit);
        }
    }
}

/// Days of trading since the listing, counted in a series that has them all.
#[derive(Debug, Default)]
struct Listing {
    days: u32,
    last: Option<NaiveDate>,
}

impl Listing {
    /// Days with rows from the listing on and before `day`; days come in order.
    fn days_before(&mut self, day: NaiveDate, listed: NaiveDate) -> u32 {
        if self.last.is_some_and(|last| last >= listed && last < day) {
            self.days += 1;
        }
        self.last = Some(day);
        self.days
    }
}

/// Lowest and highest price and the tick; `None` where there is no limit.
fn board_limit(
    series: &Series<'_>,
    limits: &PriceLimits,
    row: usize,
    listing: &mut Listing,
) -> Option<(f64, f64, f64)> {
    let day = series.stamps()?.date(series.timestamps()[row])?;
    let line = limits.of(series.trading_board()?, day)?;
    if let Some(listed) = series.first_day() {
        let starts_here = series.stamps()?.date(series.timestamps()[0])? <= listed;
        let since = if starts_here { listing.days_before(day, listed) } else { trading_days(listed, day) };
        // What a share may do in its first days is ruled by the day of its listing.
        let free = limits.of(line.board, listed).map_or(0, |line| line.free_days);
        if since < free {
            return None;
        }
    }
    let pre_close = series.extras().pre_close?[row];
    let (low, high) = line.prices(pre_close);
    (pre_close > 0.0 && high.is_finite()).then_some((low, high, line.tick))
}

/// About how many days of trading have been before `day`, at most.
fn trading_days(listed: NaiveDate, day: NaiveDate) -> u32 {
    let days = u32::try_from((day - listed).num_days().max(0)).unwrap_or(u32::MAX / CALENDAR_DAYS.1);
    days.saturating_mul(CALENDAR_DAYS.1) / CALENDAR_DAYS.0
}
