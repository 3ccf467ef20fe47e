//! Rows that share a timestamp, and rows out of order.

use crate::quality::ordered::{Ordered, is_same_row};
use crate::quality::report_builder::ReportBuilder;
use crate::quality::{Rule, Series};

/// Books the dropped rows; of a conflict also the row that was kept, since nobody knows which one is
/// right. `given` is the series as given, `ordered` what was made of it.
pub(in crate::quality) fn check(given: &Series<'_>, ordered: &Ordered, report: &mut ReportBuilder<'_>) {
    let time = given.timestamps();
    let mut suspect = None;
    for (dropped, kept) in ordered.dropped() {
        let (row, other) = (ordered.row(dropped), ordered.row(kept));
        #[expect(clippy::cast_precision_loss, reason = "for the reader's eye")]
        let at = time[row] as f64;
        if is_same_row(given, row, other) {
            report.hit(Rule::DuplicateRow, report.from() + dropped, at, f64::NAN);
        } else {
            let (close, kept_close) = (given.bars().close[row], given.bars().close[other]);
            if suspect != Some(kept) {
                report.hit(Rule::ConflictingRows, report.from() + kept, kept_close, f64::NAN);
                suspect = Some(kept);
            }
            report.hit(Rule::ConflictingRows, report.from() + dropped, close, kept_close);
        }
    }
    let is_sorted = time.is_sorted() || time.is_sorted_by(|a, b| a >= b);
    if let (false, Some(at)) = (is_sorted, time.windows(2).position(|pair| pair[1] < pair[0])) {
        let place = (0..given.len()).find(|place| ordered.row(*place) == at + 1).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "for the reader's eye")]
        let (value, expected) = (time[at + 1] as f64, time[at] as f64);
        report.hit(Rule::OutOfOrder, report.from() + place, value, expected);
    }
}
