//! What a check found.

use std::fmt;

use serde::Serialize;

use super::{Dimension, RowSet, Rule, Severity};

/// One row that broke one rule.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Rule, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// let finding = &report.findings[0];
/// assert_eq!((finding.rule, finding.row, finding.value), (Rule::HighBelowLow, 1, 9.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Row in the series as given, from 0.
    pub row: usize,
    /// Place of its timestamp among all timestamps in order of time, from 0: the row's number after
    /// sorting and dropping duplicates.
    pub position: usize,
    /// Timestamp of the row.
    pub timestamp: i64,
    /// The value that broke the rule. NaN, which JSON writes as `null`, for a row without one.
    pub value: f64,
    /// The bound it broke, or the value that would be right; NaN if there is none.
    pub expected: f64,
    /// What the row's cells in the columns [`Rule::mends`] have to be multiplied with to be right, if
    /// the rule knows. To mend all rows, keep all findings: `max_findings_per_rule` drops the middle.
    pub factor: Option<f64>,
}

/// How often a rule was broken.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Rule, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// let total = report.totals.iter().find(|total| total.rule == Rule::HighBelowLow).unwrap();
/// assert_eq!(total.rows, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleTotal {
    /// The rule.
    pub rule: Rule,
    /// How bad its findings are.
    pub severity: Severity,
    /// Findings, also those that were not kept.
    pub rows: usize,
}

/// A rule that could not be checked, or not to the end.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// for skipped in &report.skipped {
///     println!("{} was not checked: it needs {}", skipped.rule, skipped.needs);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Skipped {
    /// The rule.
    pub rule: Rule,
    /// What the series would have to bring, or be.
    pub needs: &'static str,
}

/// Shares of findings by dimension, 0 to 100; 100 where nothing was found.
///
/// Counted by finding of warning or error, not by row: two findings of one row count twice.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Dimension, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// assert!(report.scores.of(Dimension::Validity) < 100.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DimensionScores {
    /// Is everything there?
    pub completeness: f64,
    /// Can each row be right by itself?
    pub validity: f64,
    /// Do rows, columns and sources agree?
    pub consistency: f64,
    /// Can the course of prices and volumes be right?
    pub plausibility: f64,
    /// Is it of today?
    pub timeliness: f64,
}

impl DimensionScores {
    pub(super) fn new(total: usize, totals: &[RuleTotal]) -> Self {
        let score = |dimension| {
            let found: usize = totals
                .iter()
                .filter(|found| found.rule.dimension() == dimension && found.severity > Severity::Info)
                .map(|found| found.rows)
                .sum();
            if total == 0 { 100.0 } else { 100.0 * (1.0 - (found as f64 / total as f64).min(1.0)) }
        };
        Self {
            completeness: score(Dimension::Completeness),
            validity: score(Dimension::Validity),
            consistency: score(Dimension::Consistency),
            plausibility: score(Dimension::Plausibility),
            timeliness: score(Dimension::Timeliness),
        }
    }

    /// The score of one dimension.
    pub const fn of(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::Completeness => self.completeness,
            Dimension::Validity => self.validity,
            Dimension::Consistency => self.consistency,
            Dimension::Plausibility => self.plausibility,
            Dimension::Timeliness => self.timeliness,
        }
    }
}

/// What a check found.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Rule, Series};
/// use feedguard::{DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::new("daily", QualityConfig::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// assert!(!report.valid && report.rows_of(Rule::HighBelowLow) == 1);
/// println!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QualityReport {
    /// Rows looked at.
    pub total: usize,
    /// Rows without a warning or an error.
    pub passed: usize,
    /// Findings of all rules, also those that were not kept.
    pub issues: usize,
    /// Share of rows passed, 0 to 100; 100 for no rows.
    pub score: f64,
    /// The same by dimension.
    pub scores: DimensionScores,
    /// Whether no row has an error.
    pub valid: bool,
    /// Broken rules with their totals.
    pub totals: Vec<RuleTotal>,
    /// Findings by rule, then by time: of each rule the first and the last
    /// `max_findings_per_rule`.
    pub findings: Vec<Finding>,
    /// Rows with an error, numbered as in the series as given.
    pub quarantine: RowSet,
    /// Rules that could not be checked, or not to the end, and what they lack.
    pub skipped: Vec<Skipped>,
    /// Rules of the host that panicked; what they had reported until then is kept.
    pub panicked: Vec<Rule>,
}

impl QualityReport {
    /// Findings of a rule, also those that were not kept.
    pub fn rows_of(&self, rule: Rule) -> usize {
        self.totals.iter().find(|total| total.rule == rule).map_or(0, |total| total.rows)
    }
}

/// One line for a log: `3 of 700 rows failed, score 99.6: unit_error 3, auction_print 1`.
impl fmt::Display for QualityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows failed, score {:.1}", self.quarantine.len(), self.total, self.score)?;
        for (at, total) in self.totals.iter().enumerate() {
            write!(f, "{} {} {}", if at == 0 { ":" } else { "," }, total.rule, total.rows)?;
        }
        Ok(())
    }
}
