//! Logic: what no market can do.

use super::Sink;
use crate::quality::{Bars, Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, by_time: &[usize], sink: &mut Sink<'_>) {
    for pair in by_time.windows(2) {
        let [before, row] = [pair[0], pair[1]];
        if series.timestamps()[before] == series.timestamps()[row] {
            #[expect(clippy::cast_precision_loss, reason = "for the reader's eye")]
            let at = series.timestamps()[row] as f64;
            sink.report(Rule::DuplicateTimestamp, row, at, at);
        }
    }
    for &row in by_time {
        check_row(series.bars(), row, sink);
    }
}

fn check_row(bars: &Bars<'_>, row: usize, sink: &mut Sink<'_>) {
    let [open, high, low, close, volume] =
        [bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row]];
    if let Some(value) = [open, high, low, close, volume].into_iter().find(|value| !value.is_finite()) {
        // Comparisons with NaN are meaningless.
        sink.report(Rule::NotFinite, row, value, 0.0);
        return;
    }
    if high < low {
        sink.report(Rule::HighBelowLow, row, high, low);
    } else {
        for (rule, price) in [(Rule::OpenOutside, open), (Rule::CloseOutside, close)] {
            if price < low || price > high {
                sink.report(rule, row, price, price.clamp(low, high));
            }
        }
    }
    if volume < 0.0 {
        sink.report(Rule::NegativeVolume, row, volume, 0.0);
    }
}
