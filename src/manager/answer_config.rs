//! Settings of what a manager does with flawed answers.

use serde::{Deserialize, Serialize};

use crate::config::{Faults, setters};
use crate::error::ConfigError;
use crate::quality::QualityConfig;

/// Which rows of an answer decide whether it is flawed or unusable.
///
/// # Examples
/// ```
/// use feedguard::manager::JudgeRows;
/// let last: JudgeRows = serde_json::from_str(r#"{"last": 5}"#)?;
/// assert_eq!(last, JudgeRows::Last(5));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JudgeRows {
    /// All rows.
    #[default]
    All,
    /// The latest rows, this many.
    Last(usize),
    /// The rows from this timestamp on.
    Since(i64),
}

/// Settings of the validator, and of what is done with answers that it finds wanting; in a file they stand
/// side by side.
///
/// # Examples
/// ```
/// use feedguard::manager::{AnswerQualityConfig, JudgeRows};
/// let text = r#"{"max_sigma": 4.0, "reject_share": 0.5, "judge_rows": {"last": 20}}"#;
/// let quality: AnswerQualityConfig = serde_json::from_str(text)?;
/// assert_eq!((quality.rules.max_sigma, quality.judge_rows), (4.0, JudgeRows::Last(20)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AnswerQualityConfig {
    /// The validator.
    #[serde(flatten)]
    pub rules: QualityConfig,
    /// Share of the rows that count above which errors make an answer unusable, 0 to 1. Default 0.2.
    pub reject_share: f64,
    /// Further endpoints asked for a clean answer when one is flawed. Default 1.
    pub second_opinions: u32,
    /// Which rows count. Default `all`.
    pub judge_rows: JudgeRows,
}

impl Default for AnswerQualityConfig {
    fn default() -> Self {
        Self { rules: QualityConfig::default(), reject_share: 0.2, second_opinions: 1, judge_rows: JudgeRows::All }
    }
}

impl From<QualityConfig> for AnswerQualityConfig {
    fn from(rules: QualityConfig) -> Self {
        Self { rules, ..Self::default() }
    }
}

setters!(AnswerQualityConfig { rules: QualityConfig, reject_share: f64, second_opinions: u32, judge_rows: JudgeRows });

impl AnswerQualityConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.add_all(self.rules.validate());
        faults.range("reject_share", self.reject_share, 0.0..=1.0);
        faults.require(self.judge_rows != JudgeRows::Last(0), "judge_rows", "last(0)", "at least one row");
        faults.finish()
    }
}
