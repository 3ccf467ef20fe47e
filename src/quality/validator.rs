//! The face of the quality room.

use std::fmt;
use std::sync::Arc;

use super::metrics::QualityMetrics;
use super::rules::{Sink, business, cross_source, logic, statistical};
use super::{QualityConfig, QualityReport, Series};
use crate::error::ConfigError;
use crate::metrics::Metrics;

/// Checks price series against the four layers of rules.
///
/// Logic errors make a series invalid; business and statistical findings are warnings, since a
/// market may move like that.
///
/// # Concurrency
/// Thread-safe; keeps no state between checks.
///
/// # Examples
/// ```
/// use feedguard::{Bars, DataQualityValidator, Rule, Series};
/// let validator = DataQualityValidator::new(Default::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// assert!(!report.valid);
/// assert_eq!(report.findings[0].rule, Rule::HighBelowLow);
/// assert_eq!(report.findings[0].row, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataQualityValidator {
    config: QualityConfig,
    metrics: QualityMetrics,
}

impl DataQualityValidator {
    /// A validator with the given settings, without metrics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(config: QualityConfig) -> Result<Self, ConfigError> {
        Self::builder("quality").config(config).build()
    }

    /// Starts a validator; `name` stands in labels.
    pub fn builder(name: impl Into<Arc<str>>) -> ValidatorBuilder {
        ValidatorBuilder { name: name.into(), config: QualityConfig::default(), metrics: Metrics::unregistered() }
    }

    /// Checks one series.
    pub fn validate(&self, series: &Series<'_>) -> QualityReport {
        let mut sink = Sink::new(*series, self.config.max_findings_per_rule);
        if self.config.enabled {
            let by_time = series.by_time();
            logic::check(series, &by_time, &mut sink);
            business::check(series, &by_time, &self.config, &mut sink);
            statistical::check(series, &by_time, &self.config, &mut sink);
        }
        let report = sink.finish();
        self.metrics.record(&report);
        report
    }

    /// Compares a series with another source's, by timestamp; findings are rows of `series`.
    pub fn compare(&self, series: &Series<'_>, other: &Series<'_>) -> QualityReport {
        let mut sink = Sink::new(*series, self.config.max_findings_per_rule);
        if self.config.enabled {
            cross_source::check(series, other, &self.config, &mut sink);
        }
        sink.finish()
    }
}

impl fmt::Debug for DataQualityValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataQualityValidator").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Collects what a [`DataQualityValidator`] works with.
#[must_use]
#[derive(Debug)]
pub struct ValidatorBuilder {
    name: Arc<str>,
    config: QualityConfig,
    metrics: Metrics,
}

impl ValidatorBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: QualityConfig) -> Self {
        self.config = config;
        self
    }

    /// Counts into these metrics; otherwise into none.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Makes the validator.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<DataQualityValidator, ConfigError> {
        self.config.validate()?;
        Ok(DataQualityValidator { metrics: QualityMetrics::new(&self.metrics, &self.name), config: self.config })
    }
}
