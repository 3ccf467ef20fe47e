//! Missing days and days too many, by the calendar the host gives; without one the grid is learned.

use crate::quality::report_builder::ReportBuilder;
use crate::quality::{Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, report: &mut ReportBuilder<'_>) {
    let Some(calendar) = series.trading_calendar() else { return };
    let Some(stamps) = series.stamps() else {
        report.skip(Rule::Gap, "time_unit");
        report.skip(Rule::OffCalendar, "time_unit");
        return;
    };
    let is_covered =
        |row: &usize| stamps.date(series.timestamps()[*row]).is_some_and(|day| calendar.is_open(day).is_some());
    if !series.is_empty() && (0..series.len()).find(is_covered).is_none() {
        report.skip(Rule::Gap, "a calendar of its days");
        report.skip(Rule::OffCalendar, "a calendar of its days");
        return;
    }
    let (mut last, mut is_open) = (None, true);
    for (row, timestamp) in series.timestamps().iter().enumerate() {
        let Some(day) = stamps.date(*timestamp) else { continue };
        if last != Some(day) {
            is_open = calendar.is_open(day) != Some(false);
        }
        if !is_open {
            report.hit(Rule::OffCalendar, row, f64::NAN, f64::NAN);
        }
        let missing = last.map_or(0, |last| calendar.between(last, day).len());
        if missing > 0 {
            report.hit(Rule::Gap, row, missing as f64, 0.0);
        }
        last = Some(day);
    }
}
