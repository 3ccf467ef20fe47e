//! Volumes of another order of magnitude than those around.

use super::evidence::{Evidence, FrameLoad, Volumes};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{RobustConfig, RowSet, Rule};

/// Marked rows of a frame from which on there is no usual volume.
const MAX_LEAPS: usize = 48;
/// Longest run of wrong volumes that is followed from its first row.
const MAX_RUN: usize = 64;

pub(super) fn judge(
    evidence: &mut Evidence<'_>,
    config: &RobustConfig,
    marked: &RowSet,
    report: &mut ReportBuilder<'_>,
) {
    let mut next = 0;
    let mut load = FrameLoad::default();
    for row in marked.iter() {
        // The row after a wrong one is marked as well: it is far from the wrong one. Where volumes
        // leap all the time none is usual.
        load.enter(row, marked, report);
        if row < next || load.is_hopeless || load.marks > MAX_LEAPS {
            continue;
        }
        next = row;
        while next < evidence.series.len() && next - row < MAX_RUN && judge_row(evidence, config, next, report) {
            next += 1;
        }
    }
}

/// Books the row if its volume is wrong.
///
/// News moves volume and price together; a unit moves the volume alone.
fn judge_row(evidence: &mut Evidence<'_>, config: &RobustConfig, row: usize, report: &mut ReportBuilder<'_>) -> bool {
    let volume = evidence.series.bars().volume[row];
    if !(volume > 0.0 && volume.is_finite()) {
        return false;
    }
    let Some(Volumes { median, sigma }) = evidence.volumes(row) else { return false };
    let distance = (volume / median).ln().abs();
    let is_wrong = distance >= config.volume_factor.ln()
        && distance >= config.volume_sigma * sigma
        && is_usual_day(evidence, row, volume < median)
        && !is_split(evidence, row, volume / median);
    if is_wrong {
        let unit = 10f64.powf(-(volume / median).log10().round());
        report.hit_with(Rule::VolumeUnit, row, volume, median, unit);
    }
    is_wrong
}

/// Whether the prices of the row are as usual: no news, and with a small volume not the stub of a bar
/// in which there was hardly any trade.
fn is_usual_day(evidence: &mut Evidence<'_>, row: usize, is_small: bool) -> bool {
    let (Some(before), true) = (evidence.before(row), evidence.is_sound(row)) else { return true };
    let close = evidence.series.bars().close;
    let change = (close[row] / close[before] - 1.0).abs();
    let range = evidence.range_of(row);
    change <= 5.0 * evidence.returns(row)
        && evidence.range(row).is_none_or(|usual| range <= 5.0 * usual && !(is_small && range < 0.5 * usual))
}

/// Whether the price is as far from its median as the volume, the other way: after a split the money
/// traded is what it was.
fn is_split(evidence: &mut Evidence<'_>, row: usize, ratio: f64) -> bool {
    let close = evidence.series.bars().close[row];
    evidence.close(row).is_some_and(|median| (close / median * ratio).ln().abs() < 0.5 * ratio.ln().abs())
}
