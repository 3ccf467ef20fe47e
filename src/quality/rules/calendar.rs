//! Missing days and days too many.

use crate::quality::sink::Sink;
use crate::quality::{Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, sink: &mut Sink<'_>) {
    let (calendar, stamps) = match (series.trading_calendar(), series.stamps()) {
        (Some(calendar), Some(stamps)) => (calendar, stamps),
        (calendar, _) => {
            let needs = if calendar.is_none() { "calendar" } else { "time_unit" };
            sink.skip(Rule::Gap, needs);
            sink.skip(Rule::OffCalendar, needs);
            return;
        }
    };
    let (mut last, mut is_open) = (None, true);
    for (row, timestamp) in series.timestamps().iter().enumerate() {
        let Some(day) = stamps.date(*timestamp) else { continue };
        if last != Some(day) {
            is_open = calendar.is_open(day) != Some(false);
        }
        if !is_open {
            sink.hit(Rule::OffCalendar, row, f64::NAN, f64::NAN);
        }
        let missing = last.map_or(0, |last| calendar.between(last, day).len());
        if missing > 0 {
            sink.hit(Rule::Gap, row, missing as f64, 0.0);
        }
        last = Some(day);
    }
}
