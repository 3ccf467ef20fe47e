//! The days of the week on which a series has bars.

use crate::quality::TradingDays;

/// Rows of the busiest day from which on the week is known.
const MIN_ROWS: usize = 8;
/// Part of the busiest day's rows below which a day is one without trading.
const CLOSED: usize = 20;

/// Bars by day of the week, Monday first.
#[derive(Debug)]
pub(super) struct Week {
    told: TradingDays,
    rows: [usize; 7],
}

/// Day of the week of a day since 1970, which began on a Thursday.
fn weekday(day: i64) -> usize {
    usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default()
}

impl Week {
    pub(super) fn new(told: TradingDays) -> Self {
        Self { told, rows: [0; 7] }
    }

    /// Counts bars on days one after the other.
    pub(super) fn count(&mut self, first_day: i64, bars: usize) {
        self.rows.iter_mut().for_each(|rows| *rows += bars / 7);
        for day in (first_day..).take(bars % 7) {
            self.rows[weekday(day)] += 1;
        }
    }

    /// Whether there is no trading on days like this one.
    pub(super) fn is_closed(&self, day: i64) -> bool {
        let (weekday, most) = (weekday(day), self.rows.into_iter().max().unwrap_or_default());
        match self.told {
            TradingDays::MondayToFriday => weekday >= 5,
            TradingDays::SundayToFriday => weekday == 5,
            TradingDays::EveryDay => false,
            TradingDays::Learned => most >= MIN_ROWS && self.rows[weekday] <= (most / CLOSED).max(1),
        }
    }

    /// Days with trading after `from` and before `to`.
    pub(super) fn open_between(&self, from: i64, to: i64) -> i64 {
        let between = (to - from - 1).max(0);
        let rest = (to - between % 7..to).filter(|day| !self.is_closed(*day)).count();
        between / 7 * self.open_days() + i64::try_from(rest).unwrap_or_default()
    }

    /// Missing days that no holiday lasts.
    pub(super) fn long_hole(&self) -> i64 {
        let is_known = self.told != TradingDays::Learned || self.rows.into_iter().any(|rows| rows >= MIN_ROWS);
        if self.open_days() == 7 && is_known { 2 } else { 8 }
    }

    fn open_days(&self) -> i64 {
        (0..7).map(|day| i64::from(!self.is_closed(day))).sum()
    }
}
