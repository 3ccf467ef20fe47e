//! What timestamps mean.

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

/// The unit of a series' timestamps.
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

/// How to read the timestamps of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamps {
    pub(super) unit: TimeUnit,
    pub(super) offset_secs: i32,
}

impl Stamps {
    /// The local date; `None` for what is no date, or too far away for one.
    pub(super) fn date(self, timestamp: i64) -> Option<NaiveDate> {
        if self.unit == TimeUnit::YyyyMmDd {
            let (days, year) = (timestamp.rem_euclid(10_000), timestamp.div_euclid(10_000));
            let (month, day) = (u32::try_from(days / 100).ok()?, u32::try_from(days % 100).ok()?);
            return NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day);
        }
        let local = self.unix_seconds(timestamp)?.checked_add(i64::from(self.offset_secs))?;
        Some(DateTime::from_timestamp(local, 0)?.date_naive())
    }

    /// Seconds since 1970 UTC of the (start of the) moment.
    pub(super) fn unix_seconds(self, timestamp: i64) -> Option<i64> {
        match self.unit {
            TimeUnit::Seconds => Some(timestamp),
            TimeUnit::Millis => Some(timestamp.div_euclid(1_000)),
            TimeUnit::Micros => Some(timestamp.div_euclid(1_000_000)),
            TimeUnit::Nanos => Some(timestamp.div_euclid(1_000_000_000)),
            // A date is a local one.
            TimeUnit::Days => timestamp.checked_mul(86_400)?.checked_sub(i64::from(self.offset_secs)),
            TimeUnit::YyyyMmDd => {
                let midnight = self.date(timestamp)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
                midnight.checked_sub(i64::from(self.offset_secs))
            }
        }
    }
}
