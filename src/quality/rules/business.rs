//! Business: what a market seldom does.

use super::Sink;
use crate::quality::{QualityConfig, Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, by_time: &[usize], config: &QualityConfig, sink: &mut Sink<'_>) {
    let bars = series.bars();
    let volumes = by_time.iter().map(|row| bars.volume[*row]).filter(|volume| volume.is_finite() && *volume > 0.0);
    let (sum, count) = volumes.fold((0.0, 0u32), |(sum, count), volume| (sum + volume, count + 1));
    let heavy = config.max_volume_ratio * sum / f64::from(count.max(1));
    let mut flat = 0;
    for (position, &row) in by_time.iter().enumerate() {
        let prices = [bars.open[row], bars.high[row], bars.low[row], bars.close[row]];
        if let Some(price) = prices.into_iter().find(|price| *price <= 0.0) {
            sink.report(Rule::NonPositivePrice, row, price, 0.0);
        }
        if bars.volume[row] > heavy && count > 1 {
            sink.report(Rule::VolumeSpike, row, bars.volume[row], heavy);
        }
        let (close, before) = (bars.close[row], position.checked_sub(1).map(|at| bars.close[by_time[at]]));
        if let Some(before) = before.filter(|before| *before > 0.0) {
            let change = close / before - 1.0;
            if change.abs() > config.max_change {
                sink.report(Rule::LargeChange, row, change, config.max_change);
            }
        }
        // Exactly equal is what "frozen" means.
        #[expect(clippy::float_cmp, reason = "a frozen feed repeats its bits")]
        let is_flat = bars.volume[row] == 0.0 && before.is_none_or(|before| before == close);
        flat = if is_flat { flat + 1 } else { 0 };
        if flat == config.max_flat_rows {
            let first = position + 1 - flat;
            for &row in &by_time[first..=position] {
                sink.report(Rule::FlatRows, row, 0.0, config.max_flat_rows as f64);
            }
        } else if flat > config.max_flat_rows {
            sink.report(Rule::FlatRows, row, 0.0, config.max_flat_rows as f64);
        }
    }
}
