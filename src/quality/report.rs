//! What a check found.

use std::fmt;

use serde::Serialize;

use super::{Dimension, Finding, RowSet, Rule, Severity};

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
    /// Rows of its findings, also of those that were not kept.
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
/// Counted by finding, not by row: two findings of one row count twice, a warning a quarter of an error.
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

/// What a row costs of the score: a warning a quarter of an error.
const fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Error => 1.0,
        Severity::Warning => 0.25,
        Severity::Info => 0.0,
    }
}

/// The score of a series: 100 without findings, 0 only if nothing is usable.
pub(super) fn score(total: usize, errors: usize, warned: usize, is_usable: bool) -> f64 {
    if !is_usable {
        return 0.0;
    }
    let cost = errors as f64 * weight(Severity::Error) + warned as f64 * weight(Severity::Warning);
    (100.0 * (1.0 - cost / total.max(1) as f64)).max(1.0)
}

impl DimensionScores {
    pub(super) fn new(total: usize, totals: &[RuleTotal]) -> Self {
        let score = |dimension| {
            let found: f64 = totals
                .iter()
                .filter(|found| found.rule.dimension() == dimension)
                .map(|found| found.rows as f64 * weight(found.severity))
                .sum();
            if total == 0 { 100.0 } else { 100.0 * (1.0 - (found / total as f64).min(1.0)) }
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
    /// Rows of the findings of all rules, also those that were not kept; a row counts once a rule.
    pub issues: usize,
    /// 100 without findings: rows with an error cost their share, rows with warnings alone a quarter of it. 0 only
    /// for what cannot be used at all ([`Rule::Unusable`]); errors in all rows leave 1.
    pub score: f64,
    /// The same by dimension.
    pub scores: DimensionScores,
    /// Whether no row has an error, and there is something to use.
    pub valid: bool,
    /// Broken rules with their totals.
    pub totals: Vec<RuleTotal>,
    /// Findings by rule, then by time: of each rule the first and the last `max_findings_per_rule` runs.
    pub findings: Vec<Finding>,
    /// Rows with an error, numbered as in the series as given.
    pub quarantine: RowSet,
    /// Rules that could not be checked, or not to the end, and what they lack.
    pub skipped: Vec<Skipped>,
    /// Rules of the host that panicked; what they had reported until then is kept.
    pub panicked: Vec<Rule>,
}

impl QualityReport {
    /// Rows of a rule's findings, also those that were not kept.
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
