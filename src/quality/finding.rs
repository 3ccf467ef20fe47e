//! One finding: rows of one cause, and why.

use std::fmt;

use serde::Serialize;

use super::{Column, Reason, Rule, Severity};

/// A run of rows that broke one rule for one cause.
///
/// Neighbouring rows (in order of time) with one rule, one factor and one reason are one finding; value and expected
/// are those of the first. A report's totals count rows.
///
/// `Display` is a line for people: `rows 30-34: block of jumps (error): ...`.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Rule, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// let finding = &report.findings[0];
/// assert_eq!((finding.rule, finding.row, finding.value, finding.rows), (Rule::HighBelowLow, 1, 9.0, 1));
/// assert!(finding.to_string().starts_with("row 1: high_below_low"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// First row of the run, numbered as in the series as given, from 0.
    pub row: usize,
    /// Place of its timestamp among all timestamps in order of time, from 0: the row's number after
    /// sorting and dropping duplicates.
    pub position: usize,
    /// Timestamp of the first row.
    pub timestamp: i64,
    /// Last row of the run, numbered as in the series as given.
    pub last_row: usize,
    /// Place of the last row in order of time: the run is `position..=last_position`.
    pub last_position: usize,
    /// Timestamp of the last row.
    pub last_timestamp: i64,
    /// Rows of the run.
    pub rows: usize,
    /// The value that broke the rule, of the first row. NaN, which JSON writes as `null`, for a row without one.
    pub value: f64,
    /// The bound it broke, or the value that would be right; NaN if there is none.
    pub expected: f64,
    /// What the cells of the run in [`columns`](Self::columns) have to be multiplied with to be right, if the rule
    /// knows. [`repair`](super::DataQualityValidator::repair) applies it.
    pub factor: Option<f64>,
    /// The columns the factor is for; empty without a factor.
    pub columns: &'static [Column],
    /// Witnesses, alternatives, and how sure the rule is.
    pub reason: Reason,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows == 1 {
            write!(f, "row {}", self.row)?;
        } else {
            write!(f, "rows {}-{}", self.row, self.last_row)?;
        }
        write!(f, ": {} ({}): {}", self.rule, self.severity.as_str(), self.reason.witness)?;
        if !self.value.is_nan() {
            write!(f, "; {}", Short(self.value))?;
        }
        if !self.expected.is_nan() {
            write!(f, " against {}", Short(self.expected))?;
        }
        if let Some(factor) = self.factor {
            let columns: Vec<&str> = self.columns.iter().map(|column| column.as_str()).collect();
            write!(f, "; remedy: {} x {}", columns.join(", "), Short(factor))?;
        }
        write!(f, "; {:.0} % sure", 100.0 * self.reason.confidence)?;
        if !self.reason.alternative.is_empty() {
            write!(f, ", or {}", self.reason.alternative)?;
        }
        Ok(())
    }
}

/// A number of seven digits.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (1e-4..1e12).contains(&size) {
            let text = format!("{:.6}", self.0);
            f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
        } else {
            write!(f, "{:.6e}", self.0)
        }
    }
}
