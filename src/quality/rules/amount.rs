//! Money traded by units traded is a mean price: it lies within the bar, in some unit.

use crate::quality::median::median;
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{Rule, Series};

/// Rows that share a unit.
const FRAME: usize = 128;
/// How far a row's unit may be from its frame's.
const SLACK: f64 = 5.0;
/// Fewest rows that tell a unit.
const MIN_ROWS: usize = 5;

/// Volume may come in lots, money in thousands, prices adjusted: the median around says in which
/// unit; a row in another one is wrong.
pub(in crate::quality) fn check(series: &Series<'_>, report: &mut ReportBuilder<'_>) {
    let Some(amount) = series.extras().amount else {
        report.skip(Rule::AmountMismatch, "amount");
        return;
    };
    let bars = series.bars();
    let ratio = |row: usize| {
        let ratio = amount[row] / bars.volume[row] / bars.close[row];
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    };
    let mut ratios = Vec::with_capacity(FRAME);
    let mut is_known = false;
    for first in (0..series.len()).step_by(FRAME) {
        let rows = first..(first + FRAME).min(series.len());
        // A short last frame is judged with the rows before it.
        let around = first.min(series.len().saturating_sub(FRAME))..rows.end;
        ratios.clear();
        ratios.extend(around.filter_map(ratio));
        let usual = median(&mut ratios).filter(|_| ratios.len() >= MIN_ROWS);
        is_known |= usual.is_some();
        for row in rows {
            let off = ratio(row).zip(usual).map_or(1.0, |(ratio, usual)| ratio / usual);
            if off.max(off.recip()) > SLACK {
                let unit = 10f64.powf(-off.log10().round());
                let is_unit = (0.7..1.4).contains(&(off * unit));
                let factor = if is_unit { unit } else { f64::NAN };
                report.hit_with(Rule::AmountMismatch, row, amount[row], amount[row] / off, factor);
            } else if amount[row] < 0.0 || amount[row].is_infinite() {
                report.hit(Rule::AmountMismatch, row, amount[row], f64::NAN);
            }
        }
    }
    if !is_known {
        report.skip(Rule::AmountMismatch, "five rows with amount and volume");
    }
}
