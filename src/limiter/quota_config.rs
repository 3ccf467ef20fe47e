//! Calendar quotas as data: what the vendor's price list says.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Calls a sliding window may hold: it remembers each.
const MAX_SLIDING: u64 = 100_000;

/// Length of a quota window. In a file `"minute"`, `"day"`, or `{"every": "15m"}`.
///
/// # Examples
/// ```
/// use feedguard::limiter::QuotaPeriod;
/// assert_eq!(QuotaPeriod::Day.as_str(), "day");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuotaPeriod {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// From one [`reset_at`](QuotaWindow::reset_at) to the next.
    Day,
    /// From Monday's `reset_at` to the next.
    Week,
    /// From the `reset_at` of the first to the next.
    Month,
    /// This time; fixed windows are counted from 1970-01-01 00:00 UTC.
    Every(#[serde(with = "crate::config::human")] Duration),
}

impl QuotaPeriod {
    /// Its length; of a month 30 days. What a sliding window looks back at.
    pub(super) fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Every(time) => return time,
        })
    }

    /// Name in errors and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Every(_) => "custom",
        }
    }
}

impl fmt::Display for QuotaPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(time) => humantime::format_duration(*time).fmt(f),
            named => f.write_str(named.as_str()),
        }
    }
}

/// How a quota window moves.
///
/// # Examples
/// ```
/// use feedguard::limiter::{QuotaKind, QuotaPeriod, QuotaWindow};
/// assert_eq!(QuotaWindow::new(500, QuotaPeriod::Day).kind, QuotaKind::Fixed);
/// assert_eq!(QuotaWindow::sliding(5, QuotaPeriod::Minute).kind, QuotaKind::Sliding);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuotaKind {
    /// The count restarts at each reset.
    #[default]
    Fixed,
    /// The last period, whenever one looks; at most 100,000 calls.
    Sliding,
}

/// A limit on the calls per period.
///
/// # Examples
/// ```
/// use feedguard::limiter::{QuotaPeriod, QuotaWindow};
/// let day = QuotaWindow::new(25, QuotaPeriod::Day);
/// let text = r#"{"limit": 25, "per": "day", "reset_at": "00:00:00", "zone": "America/New_York"}"#;
/// let eastern: QuotaWindow = serde_json::from_str(text)?;
/// assert_eq!((day.limit, eastern.limit), (25, 25));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuotaWindow {
    /// Calls, from 1 on.
    pub limit: u64,
    /// Length.
    pub per: QuotaPeriod,
    /// Fixed or sliding. Default fixed.
    #[serde(default)]
    pub kind: QuotaKind,
    /// Wall time of the reset of day, week and month. Default `00:00:00`.
    #[serde(default)]
    pub reset_at: NaiveTime,
    /// Time zone of fixed windows, by its IANA name. Default `UTC`.
    #[serde(default = "utc")]
    pub zone: Tz,
}

fn utc() -> Tz {
    Tz::UTC
}

impl QuotaWindow {
    /// A fixed window that is reset at midnight UTC.
    pub fn new(limit: u64, per: QuotaPeriod) -> Self {
        Self { limit, per, kind: QuotaKind::Fixed, reset_at: NaiveTime::default(), zone: Tz::UTC }
    }

    /// A sliding window.
    pub fn sliding(limit: u64, per: QuotaPeriod) -> Self {
        Self::new(limit, per).kind(QuotaKind::Sliding)
    }
}

setters!(QuotaWindow { kind: QuotaKind, reset_at: NaiveTime, zone: Tz });

/// Checks the windows of one quota.
pub(crate) fn validate_windows(windows: &[QuotaWindow]) -> Result<(), ConfigError> {
    let mut faults = Faults::new();
    faults.require(windows.len() <= 8, "len", windows.len(), "at most 8 windows");
    for (index, window) in windows.iter().enumerate() {
        let path = |field: &str| format!("[{index}].{field}");
        let most = if window.kind == QuotaKind::Sliding { MAX_SLIDING } else { u64::MAX };
        faults.range(&path("limit"), window.limit, 1..=most);
        if let QuotaPeriod::Every(time) = window.per {
            faults.duration(&path("per.every"), time, Duration::from_millis(1)..=MAX_DURATION);
            let is_whole = time.subsec_nanos() % 1_000_000 == 0;
            faults.require(is_whole, &path("per.every"), humantime::format_duration(time), "whole milliseconds");
        }
        let is_known = windows[..index].iter().any(|other| (other.per, other.kind) == (window.per, window.kind));
        faults.require(!is_known, &path("per"), window.per, "one window for each period and kind");
    }
    faults.finish()
}

/// The count of a quota, to be saved by the host and restored after a restart.
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use feedguard::limiter::{CalendarQuota, QuotaPeriod, QuotaWindow};
/// let quota = CalendarQuota::new("account", vec![QuotaWindow::new(500, QuotaPeriod::Day)], Clock::system())?;
/// let saved = serde_json::to_string(&quota.save())?; // before a restart
/// quota.restore(&serde_json::from_str(&saved)?); // after it
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuotaState {
    /// The windows.
    pub windows: Vec<QuotaWindowState>,
}

/// The count of one window.
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use feedguard::limiter::{CalendarQuota, QuotaPeriod, QuotaWindow};
/// let quota = CalendarQuota::new("account", vec![QuotaWindow::new(500, QuotaPeriod::Day)], Clock::system())?;
/// assert_eq!(quota.save().windows[0].used, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuotaWindowState {
    /// Which window.
    pub per: QuotaPeriod,
    /// Which window.
    pub kind: QuotaKind,
    /// Calls made in it.
    pub used: u64,
    /// Start of a fixed window.
    pub start: DateTime<Utc>,
    /// Calls of a sliding window: when, and how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<(DateTime<Utc>, u32)>,
}
