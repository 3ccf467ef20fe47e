//! Rows of tomorrow, and series that ended long ago.

use chrono::{DateTime, Utc};

use crate::quality::sink::Sink;
use crate::quality::{QualityConfig, Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, config: &QualityConfig, now: DateTime<Utc>, sink: &mut Sink<'_>) {
    let Some(stamps) = series.stamps() else {
        sink.skip(Rule::FutureRow, "time_unit");
        if config.max_age.is_some() {
            sink.skip(Rule::OutOfDate, "time_unit");
        }
        return;
    };
    let seconds = |row: usize| stamps.unix_seconds(series.timestamps()[row]);
    let now = now.timestamp();
    let whole = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let latest = now.saturating_add(whole(config.future_tolerance));
    // In order of time: only the end can be ahead.
    let ahead = (0..series.len()).rev().take_while(|row| seconds(*row).is_none_or(|at| at > latest)).count();
    for row in series.len() - ahead..series.len() {
        sink.hit(Rule::FutureRow, row, seconds(row).map_or(f64::NAN, |at| at as f64), latest as f64);
    }
    if let (Some(max_age), Some(last)) = (config.max_age, series.len().checked_sub(1)) {
        let oldest = now.saturating_sub(whole(max_age));
        if let Some(at) = seconds(last).filter(|at| *at < oldest) {
            sink.hit(Rule::OutOfDate, last, at as f64, oldest as f64);
        }
    }
}
