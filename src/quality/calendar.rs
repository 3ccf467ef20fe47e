//! The days on which an exchange trades.

use chrono::{Datelike, NaiveDate, Weekday};

/// The days on which an exchange trades; outside of its first and last day it knows nothing.
///
/// # Examples
/// ```
/// use chrono::NaiveDate;
/// use feedguard::quality::TradingCalendar;
/// let day = |day| NaiveDate::from_ymd_opt(2024, 1, day).unwrap();
/// let calendar = TradingCalendar::weekdays(day(1), day(12), [day(1)]);
/// assert_eq!(calendar.between(day(4), day(9)), [day(5), day(8)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradingCalendar {
    days: Vec<NaiveDate>,
}

impl TradingCalendar {
    /// The given trading days, in any order.
    pub fn new(days: impl IntoIterator<Item = NaiveDate>) -> Self {
        let mut days: Vec<NaiveDate> = days.into_iter().collect();
        days.sort_unstable();
        days.dedup();
        Self { days }
    }

    /// Monday to Friday from `first` to `last`, both included, without the holidays.
    pub fn weekdays(first: NaiveDate, last: NaiveDate, holidays: impl IntoIterator<Item = NaiveDate>) -> Self {
        let holidays = Self::new(holidays);
        let is_open = |day: &NaiveDate| {
            !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && holidays.days.binary_search(day).is_err()
        };
        Self { days: first.iter_days().take_while(|day| *day <= last).filter(is_open).collect() }
    }

    /// The trading days, ascending.
    pub fn days(&self) -> &[NaiveDate] {
        &self.days
    }

    /// The trading days after `from` and before `to`.
    pub fn between(&self, from: NaiveDate, to: NaiveDate) -> &[NaiveDate] {
        let first = self.days.partition_point(|day| *day <= from);
        let last = self.days.partition_point(|day| *day < to);
        self.days.get(first..last).unwrap_or_default()
    }

    /// Whether there is trading on the day; `None` if it is outside of what the calendar knows.
    pub fn is_open(&self, day: NaiveDate) -> Option<bool> {
        let is_known = *self.days.first()? <= day && day <= *self.days.last()?;
        is_known.then(|| self.days.binary_search(&day).is_ok())
    }
}
