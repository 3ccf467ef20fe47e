//! Rows without prices or volumes: a holiday, or an answer that is none.

use super::marks::Marks;
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::{RowSet, Rule, Series};

/// Share of the rows that may lack prices: one in ten.
const MISSING_SHARE: usize = 10;
/// Fewest rows without prices that are more than holidays.
const MIN_MISSING: usize = 3;
/// Rows in a row that no holiday lasts.
const LONG_MISSING: usize = 20;
/// Share of the rows that may be those of a suspension: one in two.
const SUSPENDED_SHARE: usize = 2;
/// Rows without volume in a row that are a stretch rather than an accident.
const LONG_UNKNOWN: usize = 10;
/// Share of the rows, as one in so many, from which on volumes are missing rather than wrong.
const UNKNOWN_SHARE: usize = 3;

const NOTHING: Detail = Detail::new(f64::NAN, f64::NAN);

pub(super) fn judge(series: &Series<'_>, marks: &Marks, report: &mut ReportBuilder<'_>) {
    judge_prices(series, marks.empty(), report);
    judge_volumes(series, marks, report);
}

fn judge_prices(series: &Series<'_>, empty: &RowSet, report: &mut ReportBuilder<'_>) {
    if empty.is_empty() {
        return;
    }
    let close = series.bars().close;
    let of = |is_nan: bool| empty.iter().filter(|row| close[*row].is_nan() == is_nan).collect::<RowSet>();
    let (nan, suspended) = (of(true), of(false));
    let mut missing = RowSet::default();
    if nan.len() >= MIN_MISSING && nan.len() * MISSING_SHARE >= series.len() {
        missing.merge(&nan);
    }
    if suspended.len() >= MIN_MISSING && suspended.len() * SUSPENDED_SHARE >= series.len() {
        missing.merge(&suspended);
    }
    nan.ranges().filter(|(first, last)| last + 1 - first >= LONG_MISSING).for_each(|(first, last)| {
        missing.insert_range(first..last + 1);
    });
    let mut single = empty.clone();
    single.retain(|row| !missing.contains(row));
    report.hit_rows(Rule::MissingPrices, &missing, |_| NOTHING);
    report.hit_rows(Rule::EmptyRow, &single, |_| NOTHING);
}

/// A column without numbers is none; a stretch without numbers is missing; a hole is an error.
fn judge_volumes(series: &Series<'_>, marks: &Marks, report: &mut ReportBuilder<'_>) {
    let unknown = &marks.no_volume;
    if unknown.is_empty() || !series.feed().volume {
        return;
    }
    let rows = unknown.len();
    if rows + marks.empty().len() >= series.len() {
        report.skip(Rule::VolumeUnit, "volumes: the column has none");
        return;
    }
    let is_many = rows >= MIN_MISSING && rows * UNKNOWN_SHARE >= series.len();
    let mut stretch = RowSet::default();
    for (first, last) in unknown.ranges().filter(|(first, last)| is_many || last + 1 - first >= LONG_UNKNOWN) {
        stretch.insert_range(first..last + 1);
    }
    let mut holes = unknown.clone();
    holes.retain(|row| !stretch.contains(row));
    report.hit_rows(Rule::MissingVolume, &stretch, |_| NOTHING);
    report.hit_rows(Rule::NotFinite, &holes, |_| NOTHING);
}
