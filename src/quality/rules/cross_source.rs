//! Two sources of one series, compared by timestamp.

use std::cmp::Ordering;

use crate::quality::median::median;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{Policy, QualityConfig, Rule, Series};

/// Rows in a row with one ratio that are a scale rather than single differences.
const SCALE_ROWS: usize = 3;

/// A row of both: its place here and the ratio of the closes.
#[derive(Debug, Clone, Copy)]
struct Pair {
    row: usize,
    close: f64,
    expected: f64,
}

/// Both series are in order of time.
pub(in crate::quality) fn check(
    series: &Series<'_>,
    other: &Series<'_>,
    config: &QualityConfig,
    report: &mut ReportBuilder<'_>,
) {
    let (ours, theirs) = (series.timestamps(), other.timestamps());
    let (mut row, mut other_row, mut missing_here) = (0, 0, 0usize);
    let mut run: Vec<Pair> = Vec::new();
    while row < ours.len() || other_row < theirs.len() {
        let order = match (ours.get(row), theirs.get(other_row)) {
            (Some(here), Some(there)) => here.cmp(there),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order == Ordering::Greater {
            (missing_here, other_row) = (missing_here + 1, other_row + 1);
            continue;
        }
        // What is missing after the last row is found at the last row too.
        if row + 1 < ours.len() && missing_here > 0 {
            report.hit(Rule::MissingHere, row, missing_here as f64, 0.0);
            missing_here = 0;
        }
        let close = series.bars().close[row];
        if order == Ordering::Less {
            report.hit(Rule::MissingInOther, row, close, f64::NAN);
        } else {
            let pair = Pair { row, close, expected: other.bars().close[other_row] };
            if !belongs(&run, pair, config) {
                book(&run, config, report);
                run.clear();
            }
            if differs(pair, config) {
                run.push(pair);
            }
            other_row += 1;
        }
        row += 1;
    }
    book(&run, config, report);
    match (missing_here, ours.len().checked_sub(1)) {
        (1.., Some(last)) => report.hit(Rule::MissingHere, last, missing_here as f64, 0.0),
        (1.., None) => report.skip(Rule::MissingHere, "rows of its own"),
        _ => {}
    }
}

/// A NaN on one side is a difference; on both it is none.
fn differs(pair: Pair, config: &QualityConfig) -> bool {
    let difference = (pair.close / pair.expected - 1.0).abs();
    #[expect(clippy::float_cmp, reason = "the same is the same bits, zero and infinity included")]
    let is_same = pair.close == pair.expected || (pair.close.is_nan() && pair.expected.is_nan());
    (difference > config.max_source_difference || difference.is_nan()) && !is_same
}

/// Whether the pair differs by the ratio that the run differs by.
fn belongs(run: &[Pair], pair: Pair, config: &QualityConfig) -> bool {
    let Some(first) = run.first() else { return true };
    let drift = (pair.close / pair.expected) / (first.close / first.expected) - 1.0;
    differs(pair, config) && drift.abs() <= config.max_source_difference
}

fn book(run: &[Pair], config: &QualityConfig, report: &mut ReportBuilder<'_>) {
    if config.policy == Policy::Robust && run.len() >= SCALE_ROWS {
        let mut ratios: Vec<f64> = run.iter().map(|pair| pair.close / pair.expected).collect();
        let ratio = median(&mut ratios).unwrap_or(f64::NAN);
        report.hit_with(Rule::SourceScale, run[0].row, ratio, 1.0, ratio.recip());
    } else {
        for pair in run {
            report.hit_with(Rule::SourceDifference, pair.row, pair.close, pair.expected, pair.expected / pair.close);
        }
    }
}
