//! Settings of a validator.

use serde::{Deserialize, Serialize};

use crate::config::{Faults, setters};
use crate::error::ConfigError;

/// Settings of a [`DataQualityValidator`](super::DataQualityValidator): the literal thresholds of
/// the four layers.
///
/// # Examples
/// ```
/// let config = feedguard::QualityConfig::default().max_change(0.1);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct QualityConfig {
    /// `false`: every series is valid and nothing is looked at. Default `true`.
    pub enabled: bool,
    /// Change of the close from row to row that is worth a look, as a share. Default 0.2.
    pub max_change: f64,
    /// Volume that is worth a look, in multiples of the mean. Default 10.
    pub max_volume_ratio: f64,
    /// Rows in a row without volume and without change that are worth a look. Default 3.
    pub max_flat_rows: usize,
    /// Standard deviations of a return from the mean that are worth a look. Default 3.
    pub max_sigma: f64,
    /// Largest difference of two sources' closes, as a share. Default 0.01.
    pub max_source_difference: f64,
    /// Findings kept of each rule; the totals count all. Default 100.
    pub max_findings_per_rule: usize,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_change: 0.2,
            max_volume_ratio: 10.0,
            max_flat_rows: 3,
            max_sigma: 3.0,
            max_source_difference: 0.01,
            max_findings_per_rule: 100,
        }
    }
}

setters!(QualityConfig {
    enabled: bool,
    max_change: f64,
    max_volume_ratio: f64,
    max_flat_rows: usize,
    max_sigma: f64,
    max_source_difference: f64,
    max_findings_per_rule: usize,
});

impl QualityConfig {
    /// Every series is valid.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("max_change", self.max_change, 0.001..=100.0);
        faults.range("max_volume_ratio", self.max_volume_ratio, 1.0..=1e9);
        faults.range("max_flat_rows", self.max_flat_rows, 2..=1_000_000);
        faults.range("max_sigma", self.max_sigma, 0.5..=1e6);
        faults.range("max_source_difference", self.max_source_difference, 0.0..=100.0);
        faults.range("max_findings_per_rule", self.max_findings_per_rule, 0..=1_000_000);
        faults.finish()
    }
}
