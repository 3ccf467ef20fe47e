//! What a validator would change to make a series right, and the series so changed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::columns::Columns;
use super::{Column, DataQualityValidator, Finding, QualityReport, Reason, RowSet, Rule, Series, Severity};

/// Rounds of remedies: what one mends may show another.
const MAX_ROUNDS: usize = 4;

/// A run of cells that a remedy multiplies with one factor.
///
/// # Examples
/// ```
/// use feedguard::DataQualityValidator;
/// use feedguard::quality::{Bars, Column, Series};
/// let mut price: Vec<f64> = (0..60).map(|row| 100.0 + (0.7 * row as f64).sin()).collect();
/// price[30] *= 100.0;
/// let time: Vec<i64> = (0..60).collect();
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e3; 60] };
/// let repair = DataQualityValidator::new("daily", Default::default())?.repair(&Series::new(&time, bars)?);
/// let change = &repair.changes()[0];
/// assert_eq!((change.column, change.row, change.factor), (Column::Open, 30, 0.01));
/// assert!(repair.after().valid);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The column.
    pub column: Column,
    /// First row, numbered as in the series as given.
    pub row: usize,
    /// Last row.
    pub last_row: usize,
    /// Timestamps of the two.
    pub timestamp: i64,
    /// Of the last row.
    pub last_timestamp: i64,
    /// Cells.
    pub cells: usize,
    /// What they are multiplied with.
    pub factor: f64,
    /// The cell of the first row before.
    pub value: f64,
    /// And after.
    pub mended: f64,
    /// The rule that says so.
    pub rule: Rule,
    /// Why it does.
    pub reason: Reason,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, row, last_row, factor, value, mended, rule, .. } = self;
        let rows = if row == last_row { format!("row {row}") } else { format!("rows {row}-{last_row}") };
        write!(f, "{rows}: {} x {factor} ({value} to {mended}): {rule}", column.as_str())
    }
}

/// A series as it should be, what was changed, and what is found before and after.
///
/// Only cells for which a rule knows the factor are changed, each once; rows are neither added nor dropped, nor is
/// their order changed. To look before one leaps, read [`changes`](Self::changes) and drop the rest: the series given
/// is never touched.
#[derive(Debug, Clone)]
pub struct Repair {
    columns: Columns,
    changes: Vec<Change>,
    before: QualityReport,
    after: QualityReport,
}

impl Repair {
    /// What was changed, in order of rule and time.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What is found in the series as given.
    pub const fn before(&self) -> &QualityReport {
        &self.before
    }

    /// What is found in the mended one: nothing that had a remedy, or it is said here.
    pub const fn after(&self) -> &QualityReport {
        &self.after
    }

    /// The mended series, with the facts of the one it was made from.
    pub fn series<'a>(&'a self, given: &Series<'a>) -> Series<'a> {
        self.columns.series(given)
    }
}

impl DataQualityValidator {
    /// Mends what rules know a remedy for: factors of wrong units, missed splits, dividends and adjusted closes.
    ///
    /// # Examples
    /// See [`Change`].
    pub fn repair(&self, series: &Series<'_>) -> Repair {
        let rows: Vec<usize> = (0..series.len()).collect();
        let mut columns = Columns::gather(series, &rows);
        let (mut report, mut order) = self.judged(series, usize::MAX);
        let mut changes = Vec::new();
        let mut touched = BTreeMap::new();
        for _ in 0..MAX_ROUNDS {
            let known = changes.len();
            for finding in report.findings.iter().filter(|finding| finding.severity == Severity::Error) {
                apply(&mut columns, series, finding, order.as_deref(), &mut touched, &mut changes);
            }
            if changes.len() == known {
                break;
            }
            (report, order) = self.judged(&columns.series(series), usize::MAX);
        }
        let after = self.validate(&columns.series(series));
        Repair { columns, changes, before: self.validate(series), after }
    }
}

/// Multiplies the cells of a finding that no other has changed.
fn apply(
    columns: &mut Columns,
    series: &Series<'_>,
    finding: &Finding,
    order: Option<&[usize]>,
    touched: &mut BTreeMap<Column, RowSet>,
    changes: &mut Vec<Change>,
) {
    let Some(factor) = finding.factor.filter(|factor| factor.is_finite()) else { return };
    for column in finding.columns {
        let Some(cells) = columns.column_mut(*column) else { continue };
        let done = touched.entry(*column).or_default();
        let row_of = |position: usize| order.map_or(position, |order| order[position]);
        let rows = (finding.position..=finding.last_position).map(row_of);
        let rows: Vec<usize> = rows.filter(|row| cells[*row].is_finite() && !done.contains(*row)).collect();
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { continue };
        let value = cells[first];
        for row in &rows {
            cells[*row] *= factor;
            done.insert(*row);
        }
        let time = series.timestamps();
        changes.push(Change {
            column: *column,
            row: first,
            last_row: last,
            timestamp: time[first],
            last_timestamp: time[last],
            cells: rows.len(),
            factor,
            value,
            mended: cells[first],
            rule: finding.rule,
            reason: finding.reason,
        });
    }
}
