//! What a check found.

use std::fmt;

use serde::Serialize;

/// A named check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Logic: a price or volume is NaN or infinite.
    NotFinite,
    /// Logic: two rows have one timestamp.
    DuplicateTimestamp,
    /// Logic: the high is below the low.
    HighBelowLow,
    /// Logic: the open is outside low to high.
    OpenOutside,
    /// Logic: the close is outside low to high.
    CloseOutside,
    /// Logic: the volume is negative.
    NegativeVolume,
    /// Business: a price is zero or negative.
    NonPositivePrice,
    /// Business: the close moved by more than `max_change`.
    LargeChange,
    /// Business: the volume is more than `max_volume_ratio` times the mean.
    VolumeSpike,
    /// Business: `max_flat_rows` or more rows without volume and change.
    FlatRows,
    /// Statistical: a return is more than `max_sigma` standard deviations from the mean.
    SigmaOutlier,
    /// Cross-source: the closes of two sources differ by more than `max_source_difference`.
    SourceDifference,
    /// Cross-source: a timestamp of one source is missing in the other.
    MissingInOther,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 13] = [
        Self::NotFinite,
        Self::DuplicateTimestamp,
        Self::HighBelowLow,
        Self::OpenOutside,
        Self::CloseOutside,
        Self::NegativeVolume,
        Self::NonPositivePrice,
        Self::LargeChange,
        Self::VolumeSpike,
        Self::FlatRows,
        Self::SigmaOutlier,
        Self::SourceDifference,
        Self::MissingInOther,
    ];

    /// The name in reports and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::DuplicateTimestamp => "duplicate_timestamp",
            Self::HighBelowLow => "high_below_low",
            Self::OpenOutside => "open_outside",
            Self::CloseOutside => "close_outside",
            Self::NegativeVolume => "negative_volume",
            Self::NonPositivePrice => "non_positive_price",
            Self::LargeChange => "large_change",
            Self::VolumeSpike => "volume_spike",
            Self::FlatRows => "flat_rows",
            Self::SigmaOutlier => "sigma_outlier",
            Self::SourceDifference => "source_difference",
            Self::MissingInOther => "missing_in_other",
        }
    }

    /// How bad a finding of this rule is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::LargeChange | Self::VolumeSpike | Self::FlatRows | Self::SigmaOutlier | Self::MissingInOther => {
                Severity::Warning
            }
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; a market may move like this.
    Warning,
    /// Cannot be right; the series is not valid.
    Error,
}

impl Severity {
    /// The name in reports and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One row that broke one rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Row in the series as given, from 0.
    pub row: usize,
    /// Timestamp of the row.
    pub timestamp: i64,
    /// The value that broke the rule.
    pub value: f64,
    /// The bound it broke.
    pub expected: f64,
}

/// How often a rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleTotal {
    /// The rule.
    pub rule: Rule,
    /// Rows that broke it, also those whose findings were not kept.
    pub rows: usize,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QualityReport {
    /// Rows looked at.
    pub total: usize,
    /// Rows without any finding.
    pub passed: usize,
    /// Share of rows passed, 0 to 100; 100 for no rows.
    pub score: f64,
    /// Whether no row has an error.
    pub valid: bool,
    /// Broken rules with their totals.
    pub totals: Vec<RuleTotal>,
    /// Findings by rule, then by time; at most `max_findings_per_rule` of each.
    pub findings: Vec<Finding>,
}

impl QualityReport {
    /// Rows that broke a rule.
    pub fn rows_of(&self, rule: Rule) -> usize {
        self.totals.iter().find(|total| total.rule == rule).map_or(0, |total| total.rows)
    }
}
