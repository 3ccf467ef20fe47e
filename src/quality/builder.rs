//! Collects what a validator works with.

use std::sync::atomic::AtomicU64;

use super::custom::{CustomFindings, CustomRule};
use super::metrics::QualityMetrics;
use super::report_builder::Levels;
use super::threads::Threads;
use super::{DataQualityValidator, QualityConfig, Rule, Series, Severity};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;

/// Collects what a [`DataQualityValidator`] works with.
///
/// # Examples
/// ```
/// use feedguard::{Clock, DataQualityValidator, QualityConfig};
/// let validator = DataQualityValidator::builder("daily").config(QualityConfig::literal()).clock(Clock::os()).build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
#[derive(Debug)]
pub struct ValidatorBuilder {
    name: Name,
    config: QualityConfig,
    clock: Clock,
    metrics: Metrics,
    custom: Vec<CustomRule>,
}

impl DataQualityValidator {
    /// A validator with the given settings, without metrics; `name` stands in logs.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: QualityConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a validator; `name` stands in labels and logs.
    pub fn builder(name: impl Into<Name>) -> ValidatorBuilder {
        ValidatorBuilder::new(name.into())
    }
}

impl ValidatorBuilder {
    pub(super) fn new(name: Name) -> Self {
        let metrics = Metrics::unregistered();
        Self { name, config: QualityConfig::default(), clock: Clock::system(), metrics, custom: Vec::new() }
    }

    pub(crate) fn name(mut self, name: Name) -> Self {
        self.name = name;
        self
    }

    builder_setters!(QualityConfig);

    /// Adds a rule of the host, which sees the series as given. Its name stands in reports, labels
    /// and configuration; a panic in it is caught, logged and listed in the report.
    ///
    /// # Examples
    /// ```
    /// use feedguard::DataQualityValidator;
    /// use feedguard::quality::{Bars, Rule, Series, Severity};
    /// let validator = DataQualityValidator::builder("daily")
    ///     .rule("lot_size", Severity::Error, |series, found| {
    ///         for (row, volume) in series.bars().volume.iter().enumerate() {
    ///             if volume % 100.0 != 0.0 {
    ///                 found.report(row, *volume, 100.0);
    ///             }
    ///         }
    ///     })
    ///     .build()?;
    /// let price = [10.0, 10.0];
    /// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[200.0, 150.0] };
    /// let report = validator.validate(&Series::new(&[1, 2], bars)?);
    /// assert_eq!(report.rows_of(Rule::Custom("lot_size")), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rule(
        mut self,
        name: &'static str,
        severity: Severity,
        check: impl Fn(&Series<'_>, &mut CustomFindings) + Send + Sync + 'static,
    ) -> Self {
        self.custom.push(CustomRule::new(name, severity, check));
        self
    }

    /// Makes the validator.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings; rules of the host whose names are taken, and
    /// levels of rules that do not exist, are faults too.
    pub fn build(self) -> Result<DataQualityValidator, ConfigError> {
        let mut faults = Faults::of_guard(&self.name, self.config.validate());
        for (at, custom) in self.custom.iter().enumerate() {
            let name = custom.rule.as_str();
            let is_free =
                Rule::from_name(name).is_none() && self.custom[..at].iter().all(|other| other.rule != custom.rule);
            faults.require(is_free, &format!("rules.{name}"), name, "a name that no other rule has");
        }
        for (name, level) in &self.config.levels {
            let is_known =
                Rule::from_name(name).is_some() || self.custom.iter().any(|custom| custom.rule.as_str() == name);
            faults.require(is_known, &format!("levels.{name}"), format!("{level:?}"), "the name of a rule");
        }
        faults.finish()?;
        let levels = Levels::new(&self.config, self.custom.iter().map(|custom| (custom.rule, custom.severity)));
        Ok(DataQualityValidator {
            metrics: QualityMetrics::new(&self.metrics, &self.name, &levels),
            threads: Threads::new(self.config.threads),
            name: self.name,
            config: self.config,
            clock: self.clock,
            custom: self.custom,
            levels,
            told: AtomicU64::new(0),
        })
    }
}
