//! Statistical: returns far from the series' own mean.

use super::Sink;
use crate::quality::{QualityConfig, Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, by_time: &[usize], config: &QualityConfig, sink: &mut Sink<'_>) {
    let close = series.bars().close;
    let returns: Vec<(usize, f64)> = by_time
        .windows(2)
        .map(|pair| (pair[1], close[pair[1]] / close[pair[0]] - 1.0))
        .filter(|(_, change)| change.is_finite())
        .collect();
    if returns.len() < 2 {
        return;
    }
    let count = returns.len() as f64;
    let mean = returns.iter().map(|(_, change)| change).sum::<f64>() / count;
    let variance = returns.iter().map(|(_, change)| (change - mean).powi(2)).sum::<f64>() / count;
    let bound = config.max_sigma * variance.sqrt();
    if bound > 0.0 {
        for (row, change) in returns {
            if (change - mean).abs() > bound {
                sink.report(Rule::SigmaOutlier, row, change, bound);
            }
        }
    }
}
