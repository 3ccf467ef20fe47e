//! Prices beyond the day's limit.

use chrono::NaiveDate;

use crate::quality::report_builder::ReportBuilder;
use crate::quality::time::Stamps;
use crate::quality::{Board, PriceLimits, Rule, Series};

/// A limit from here on is none: vendors write 99999.99, 100000 and the like.
const NO_LIMIT: f64 = 99_999.0;
/// Shares of a day that is not one of trading: five of seven days.
const CALENDAR_DAYS: (u32, u32) = (7, 5);

pub(in crate::quality) fn check(series: &Series<'_>, limits: &PriceLimits, report: &mut ReportBuilder<'_>) {
    let needs = "limit_up or limit_down, or board with pre_close and time_unit";
    let extras = series.extras();
    if extras.limit_up.or(extras.limit_down).or(extras.pre_close).is_none() {
        report.skip(Rule::LimitExceeded, needs);
        return;
    }
    let bars = series.bars();
    let mut board_rule = BoardRule::new(series, limits);
    let mut is_limited = false;
    for row in 0..series.len() {
        let board = board_rule.as_mut().and_then(|rule| rule.limit(series.timestamps()[row], row));
        let [low_limit, high_limit] = column_limits(series, row);
        let (low_limit, high_limit) =
            (low_limit.or(board.map(|(low, ..)| low)), high_limit.or(board.map(|(_, high, _)| high)));
        is_limited |= low_limit.or(high_limit).is_some();
        let tick = board.map_or(0.0, |(.., tick)| tick);
        let slack = |limit: f64| (tick / 2.0).max(limit * 1e-6);
        let (low, high) = (bars.low[row], bars.high[row]);
        if let Some(limit) = high_limit.filter(|limit| high > limit + slack(*limit)) {
            report.hit(Rule::LimitExceeded, row, high, limit);
        } else if let Some(limit) = low_limit.filter(|limit| low > 0.0 && low < limit - slack(*limit)) {
            report.hit(Rule::LimitExceeded, row, low, limit);
        }
    }
    if !is_limited {
        report.skip(Rule::LimitExceeded, needs);
    }
}

/// Lowest and highest price by the columns, which win; NaN, 0 and what vendors write for "none" stand for none.
fn column_limits(series: &Series<'_>, row: usize) -> [Option<f64>; 2] {
    let extras = series.extras();
    [extras.limit_down, extras.limit_up]
        .map(|column| column.map(|column| column[row]).filter(|limit| *limit > 0.0 && *limit < NO_LIMIT))
}

/// What a board's limits go by, and the days since the listing.
struct BoardRule<'a> {
    limits: &'a PriceLimits,
    board: Board,
    stamps: Stamps,
    pre_close: &'a [f64],
    listed: Option<NaiveDate>,
    /// Trading days without a limit: what a share may do in its first days is ruled by the day of its
    /// listing.
    free_days: u32,
    /// Whether the series has all days since the listing.
    starts_here: bool,
    days: u32,
    last: Option<NaiveDate>,
}

impl<'a> BoardRule<'a> {
    fn new(series: &Series<'a>, limits: &'a PriceLimits) -> Option<Self> {
        let (board, stamps, listed) = (series.trading_board()?, series.stamps()?, series.first_day());
        let starts_here = match listed {
            Some(listed) => stamps.date(*series.timestamps().first()?)? <= listed,
            None => false,
        };
        Some(Self {
            limits,
            board,
            stamps,
            pre_close: series.extras().pre_close?,
            listed,
            free_days: listed.and_then(|listed| limits.of(board, listed)).map_or(0, |line| line.free_days),
            starts_here,
            days: 0,
            last: None,
        })
    }

    /// Lowest and highest price and the tick of a row; `None` where there is no limit. Rows come in
    /// order.
    fn limit(&mut self, timestamp: i64, row: usize) -> Option<(f64, f64, f64)> {
        let day = self.stamps.date(timestamp)?;
        let line = self.limits.of(self.board, day)?;
        if let Some(listed) = self.listed {
            let since = if self.starts_here { self.days_before(day, listed) } else { trading_days(listed, day) };
            if since < self.free_days {
                return None;
            }
        }
        let pre_close = self.pre_close[row];
        let (low, high) = line.prices(pre_close);
        (pre_close > 0.0 && high.is_finite()).then_some((low, high, line.tick))
    }

    /// Days with rows from the listing on and before `day`.
    fn days_before(&mut self, day: NaiveDate, listed: NaiveDate) -> u32 {
        if self.last.is_some_and(|last| last >= listed && last < day) {
            self.days += 1;
        }
        self.last = Some(day);
        self.days
    }
}

/// About how many days of trading have been before `day`, at most.
fn trading_days(listed: NaiveDate, day: NaiveDate) -> u32 {
    let days = u32::try_from((day - listed).num_days().max(0)).unwrap_or(u32::MAX / CALENDAR_DAYS.1);
    days.saturating_mul(CALENDAR_DAYS.1) / CALENDAR_DAYS.0
}
