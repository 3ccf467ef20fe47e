//! What timestamps mean.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// The unit of a series' timestamps.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Series, TimeUnit};
/// let price = [10.0, 10.1, 10.2];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e5, 1e5, 1e5] };
/// let series = Series::new(&[20240102, 20240103, 20240104], bars)?.time_unit(TimeUnit::YyyyMmDd, 8 * 3600);
/// assert_eq!(series.date(0).unwrap().to_string(), "2024-01-02");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// Nanoseconds since 1970.
    Nanos,
    /// Days since 1970.
    Days,
    /// Dates written as a number: 20241231.
    YyyyMmDd,
}

/// How far local time is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// By this many seconds.
    Fixed(i32),
    /// By what the zone has at the time.
    Named(Tz),
}

impl Zone {
    /// Seconds that local time is ahead at a moment of UTC.
    fn ahead(self, utc: &NaiveDateTime) -> i64 {
        i64::from(match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => zone.offset_from_utc_datetime(utc).fix().local_minus_utc(),
        })
    }
}

/// How to read the timestamps of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamps {
    pub(super) unit: TimeUnit,
    pub(super) zone: Zone,
}

impl Stamps {
    /// The local date; `None` for what is no date, or too far away for one.
    pub(super) fn date(self, timestamp: i64) -> Option<NaiveDate> {
        match self.unit {
            TimeUnit::YyyyMmDd => {
                let (days, year) = (timestamp.rem_euclid(10_000), timestamp.div_euclid(10_000));
                let (month, day) = (u32::try_from(days / 100).ok()?, u32::try_from(days % 100).ok()?);
                NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
            }
            // A date is a local one.
            TimeUnit::Days => Some(DateTime::from_timestamp(timestamp.checked_mul(86_400)?, 0)?.date_naive()),
            _ => {
                let moment = DateTime::from_timestamp(self.unix_seconds(timestamp)?, 0)?;
                let local = moment.timestamp().checked_add(self.zone.ahead(&moment.naive_utc()))?;
                Some(DateTime::from_timestamp(local, 0)?.date_naive())
            }
        }
    }

    /// Seconds since 1970 by the clock of the exchange.
    pub(super) fn local_seconds(self, timestamp: i64) -> Option<i64> {
        if matches!(self.unit, TimeUnit::Days | TimeUnit::YyyyMmDd) {
            return Some(self.date(timestamp)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
        }
        let seconds = self.unix_seconds(timestamp)?;
        match self.zone {
            Zone::Fixed(ahead) => seconds.checked_add(i64::from(ahead)),
            Zone::Named(_) => {
                let moment = DateTime::from_timestamp(seconds, 0)?.naive_utc();
                seconds.checked_add(self.zone.ahead(&moment))
            }
        }
    }

    /// How many of the unit are a number of seconds; `None` for dates.
    pub(super) const fn ticks_of(self, seconds: i64) -> Option<i64> {
        match self.unit {
            TimeUnit::Seconds => Some(seconds),
            TimeUnit::Millis => seconds.checked_mul(1_000),
            TimeUnit::Micros => seconds.checked_mul(1_000_000),
            TimeUnit::Nanos => seconds.checked_mul(1_000_000_000),
            TimeUnit::Days => Some(seconds / 86_400),
            TimeUnit::YyyyMmDd => None,
        }
    }

    /// Seconds of a difference of two timestamps; of dates only what is a step of days.
    pub(super) const fn seconds_of(self, ticks: i64) -> Option<i64> {
        match self.unit {
            TimeUnit::Seconds => Some(ticks),
            TimeUnit::Millis => Some(ticks / 1_000),
            TimeUnit::Micros => Some(ticks / 1_000_000),
            TimeUnit::Nanos => Some(ticks / 1_000_000_000),
            TimeUnit::Days => ticks.checked_mul(86_400),
            TimeUnit::YyyyMmDd => match ticks {
                ..=3 => Some(86_400),
                4..=10 => Some(7 * 86_400),
                _ => Some(30 * 86_400),
            },
        }
    }

    /// Seconds since 1970 UTC of the (start of the) moment.
    pub(super) fn unix_seconds(self, timestamp: i64) -> Option<i64> {
        match self.unit {
            TimeUnit::Seconds => Some(timestamp),
            TimeUnit::Millis => Some(timestamp.div_euclid(1_000)),
            TimeUnit::Micros => Some(timestamp.div_euclid(1_000_000)),
            TimeUnit::Nanos => Some(timestamp.div_euclid(1_000_000_000)),
            TimeUnit::Days | TimeUnit::YyyyMmDd => {
                let midnight = self.date(timestamp)?.and_hms_opt(0, 0, 0)?;
                // Where a clock change skips midnight, the hour does not matter.
                midnight.and_utc().timestamp().checked_sub(self.zone.ahead(&midnight))
            }
        }
    }
}
