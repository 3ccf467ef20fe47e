//! Rows of tomorrow, and series that ended long ago.

use chrono::{DateTime, Utc};

use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{QualityConfig, RowSet, Rule, Series, TimeUnit};

pub(in crate::quality) fn check(
    series: &Series<'_>,
    config: &QualityConfig,
    now: DateTime<Utc>,
    report: &mut ReportBuilder<'_>,
) {
    let Some(stamps) = series.stamps() else {
        report.skip(Rule::BadTimestamp, "time_unit");
        report.skip(Rule::FutureRow, "time_unit");
        if config.max_age.is_some() {
            report.skip(Rule::OutOfDate, "time_unit");
        }
        return;
    };
    let seconds = |row: usize| {
        let timestamp = series.timestamps()[row];
        stamps.date(timestamp).and_then(|_| stamps.unix_seconds(timestamp))
    };
    // In order of time: numbers too large for a date are at either end, numbers that look like a date
    // but are none may be anywhere.
    let is_date = stamps.unit == TimeUnit::YyyyMmDd;
    let unreadable = |row: &usize| seconds(*row).is_none();
    let first = if is_date { 0 } else { (0..series.len()).take_while(unreadable).count() };
    let end = if is_date { 0 } else { series.len() - (first..series.len()).rev().take_while(unreadable).count() };
    for row in (0..first).chain(end..series.len()).filter(unreadable) {
        #[expect(clippy::cast_precision_loss, reason = "for the reader's eye")]
        report.hit(Rule::BadTimestamp, row, series.timestamps()[row] as f64, f64::NAN);
    }
    let now = now.timestamp();
    let whole = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let latest = now.saturating_add(whole(config.future_tolerance));
    let readable = || (first..series.len()).rev().filter_map(|row| Some((row, seconds(row)?)));
    let ahead: RowSet = readable().take_while(|(_, at)| *at > latest).map(|(row, _)| row).collect();
    report.hit_rows(Rule::FutureRow, &ahead, |row| {
        Detail::new(seconds(row).map_or(f64::NAN, |at| at as f64), latest as f64)
    });
    if let (Some(max_age), Some((row, at))) = (config.max_age, readable().next()) {
        let oldest = now.saturating_sub(whole(max_age));
        if at < oldest {
            report.hit(Rule::OutOfDate, row, at as f64, oldest as f64);
        }
    }
}
