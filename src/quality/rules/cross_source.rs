//! Cross-source: two sources of one series, compared by timestamp.

use std::collections::HashMap;

use super::Sink;
use crate::quality::{QualityConfig, Rule, Series};

pub(in crate::quality) fn check(series: &Series<'_>, other: &Series<'_>, config: &QualityConfig, sink: &mut Sink<'_>) {
    let closes: HashMap<i64, f64> =
        other.timestamps().iter().copied().zip(other.bars().close.iter().copied()).collect();
    for (row, (timestamp, close)) in series.timestamps().iter().zip(series.bars().close).enumerate() {
        match closes.get(timestamp) {
            None => sink.report(Rule::MissingInOther, row, *close, f64::NAN),
            Some(expected) => {
                let difference = (close / expected - 1.0).abs();
                // A NaN on either side is a difference too.
                if difference > config.max_source_difference || difference.is_nan() {
                    sink.report(Rule::SourceDifference, row, *close, *expected);
                }
            }
        }
    }
}
