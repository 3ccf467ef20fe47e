//! How bad a finding is, and which side of quality it is about.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
///
/// # Examples
/// ```
/// use feedguard::quality::Severity;
/// assert_eq!(Severity::Error.as_str(), "error");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Good to know; the row counts as passed.
    Info,
    /// Worth a look; a market may move like this.
    Warning,
    /// Cannot be right; the series is not valid and the row is in quarantine.
    Error,
}

impl Severity {
    /// The name in reports and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a configuration makes of a rule.
///
/// # Examples
/// ```
/// use feedguard::QualityConfig;
/// use feedguard::quality::{Rule, RuleLevel};
/// let config = QualityConfig::default().level(Rule::LargeChange, RuleLevel::Off);
/// assert_eq!(config.severity_of(Rule::LargeChange), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleLevel {
    /// Its findings are dropped.
    Off,
    /// Its findings are of [`Severity::Info`].
    Info,
    /// Its findings are of [`Severity::Warning`].
    Warning,
    /// Its findings are of [`Severity::Error`].
    Error,
}

impl RuleLevel {
    pub(super) const fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::Info => Some(Severity::Info),
            Self::Warning => Some(Severity::Warning),
            Self::Error => Some(Severity::Error),
        }
    }
}

/// A side of data quality, each with a score of its own.
///
/// # Examples
/// ```
/// use feedguard::quality::Dimension;
/// assert_eq!(Dimension::ALL[0].as_str(), "completeness");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dimension {
    /// Is everything there?
    Completeness,
    /// Can each row be right by itself?
    Validity,
    /// Do rows, columns and sources agree?
    Consistency,
    /// Could the prices and volumes have happened in a market?
    Plausibility,
    /// Is the latest row recent enough?
    Timeliness,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: &[Self] =
        &[Self::Completeness, Self::Validity, Self::Consistency, Self::Plausibility, Self::Timeliness];

    /// The name in reports and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completeness => "completeness",
            Self::Validity => "validity",
            Self::Consistency => "consistency",
            Self::Plausibility => "plausibility",
            Self::Timeliness => "timeliness",
        }
    }
}
