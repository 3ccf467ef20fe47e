//! When a fixed quota window starts and ends, pure: calendar arithmetic in a time zone.

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::quota_config::{QuotaPeriod, QuotaWindow};

/// Start and end of the fixed window that holds `now`.
pub(super) fn bounds(window: &QuotaWindow, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    match window.per {
        QuotaPeriod::Day => by_date(window, now, |date| Some((date, date.checked_add_days(Days::new(1))?))),
        QuotaPeriod::Week => by_date(window, now, |date| {
            let monday = date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday())))?;
            Some((monday, monday.checked_add_days(Days::new(7))?))
        }),
        QuotaPeriod::Month => by_date(window, now, |date| {
            let first = date.with_day(1)?;
            Some((first, first.checked_add_months(Months::new(1))?))
        }),
        per => {
            // Minutes and hours of the zone: offsets that are no whole hours move the latter.
            let is_clock = !matches!(per, QuotaPeriod::Every(_));
            let offset = if is_clock { offset_millis(window.zone, now) } else { 0 };
            let length = i64::try_from(per.length().as_millis()).unwrap_or(i64::MAX).max(1);
            let local = now.timestamp_millis().saturating_add(offset);
            let start = (local - local.rem_euclid(length)).saturating_sub(offset);
            (at(start), at(start.saturating_add(length)))
        }
    }
}

type Dates = Option<(NaiveDateTime, NaiveDateTime)>;

/// The window whose first and last date `dates` finds, moved to the reset's wall time.
fn by_date(
    window: &QuotaWindow,
    now: DateTime<Utc>,
    dates: impl Fn(NaiveDateTime) -> Dates,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let local = now.with_timezone(&window.zone).naive_local();
    let into_day = window.reset_at.signed_duration_since(chrono::NaiveTime::default());
    // Before today's reset it is still yesterday's window.
    let shifted = local.checked_sub_signed(into_day).unwrap_or(local);
    let midnight = shifted.date().and_time(chrono::NaiveTime::default());
    let reset = |date: NaiveDateTime| to_utc(window.zone, date.checked_add_signed(into_day).unwrap_or(date));
    let bounds = |date: NaiveDateTime| {
        let (first, last) = dates(date).unwrap_or((date, date));
        (reset(first), reset(last), first, last)
    };
    let (start, end, first, last) = bounds(midnight);
    // On the days of a clock change the wall time alone may point at a neighbour.
    let neighbour = if now < start {
        first.checked_sub_days(Days::new(1))
    } else if now >= end {
        Some(last)
    } else {
        None
    };
    let (start, end, ..) = neighbour.map_or((start, end, first, last), bounds);
    (start, end)
}

/// A wall time as an instant. One that a clock change skips counts as an hour later, one that comes
/// twice as its first.
fn to_utc(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let found = zone.from_local_datetime(&local).earliest();
    let later = || local.checked_add_signed(TimeDelta::hours(1)).and_then(|l| zone.from_local_datetime(&l).earliest());
    found.or_else(later).map_or_else(|| local.and_utc(), |found| found.with_timezone(&Utc))
}

fn offset_millis(zone: Tz, now: DateTime<Utc>) -> i64 {
    use chrono::Offset;
    i64::from(zone.offset_from_utc_datetime(&now.naive_utc()).fix().local_minus_utc()) * 1000
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
