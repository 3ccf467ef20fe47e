//! Settings of a validator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FeedProfile, PriceLimits, RobustConfig, Rule, RuleLevel, Severity};
use crate::config::{Faults, MAX_DURATION, human, human_opt, setters};
use crate::error::ConfigError;

/// Which set of rules judges prices and volumes.
///
/// # Examples
/// ```
/// use feedguard::QualityConfig;
/// use feedguard::quality::Policy;
/// assert_eq!(QualityConfig::default().policy, Policy::Robust);
/// assert_eq!(QualityConfig::literal().policy, Policy::Literal);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// Tells errors of the data from moves of the market; made to be left switched on.
    #[default]
    Robust,
    /// Rules of thumb: changes beyond a share, volumes beyond a multiple of the mean, three standard
    /// deviations. Finds fewer errors and more market.
    Literal,
}

/// Settings of a [`DataQualityValidator`](super::DataQualityValidator).
///
/// # Examples
/// ```
/// use feedguard::QualityConfig;
/// use feedguard::quality::{Policy, Rule, RuleLevel};
/// let config = QualityConfig::default().policy(Policy::Literal).level(Rule::VolumeSpike, RuleLevel::Off);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct QualityConfig {
    /// `false`: every series is valid and nothing is looked at. Default `true`.
    pub enabled: bool,
    /// Which set of rules judges prices and volumes. Default robust.
    pub policy: Policy,
    /// Change of the close from row to row that is worth a look, as a share; in the robust policy of
    /// those that are no error. Default 0.2.
    pub max_change: f64,
    /// Literal policy: volume that is worth a look, in multiples of the mean. Default 10.
    pub max_volume_ratio: f64,
    /// Rows in a row without volume and without change that are worth a look. Default 3.
    pub max_flat_rows: usize,
    /// Literal policy: standard deviations of a return from the mean that are worth a look.
    /// Default 3.
    pub max_sigma: f64,
    /// Largest difference of two sources' closes, as a share. Default 0.01.
    pub max_source_difference: f64,
    /// Age of the last row that is worth a look; `None`: any age will do. Default `None`.
    #[serde(with = "human_opt")]
    pub max_age: Option<Duration>,
    /// How far ahead of the clock a row may be: bars of a day carry its end, and zones differ.
    /// Default 1 day.
    #[serde(with = "human")]
    pub future_tolerance: Duration,
    /// Findings kept of each rule at either end; the totals count all. Default 100.
    pub max_findings_per_rule: usize,
    /// Threads that check a series of more than 196,608 rows; results do not depend on it. Default 1: the
    /// caller's; a larger number starts that many threads of the validator's own; 0 takes one per processor, at most 8.
    pub threads: usize,
    /// How bad the findings of a rule are, by its name; rules that are not named keep their own
    /// severity. Default empty.
    pub levels: BTreeMap<String, RuleLevel>,
    /// What the feed says about itself; a series may bring its own. Default: nothing.
    pub profile: FeedProfile,
    /// Settings of the robust policy.
    pub robust: RobustConfig,
    /// Price limits by board and date. Default: China's boards.
    pub price_limits: PriceLimits,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            policy: Policy::Robust,
            max_change: 0.2,
            max_volume_ratio: 10.0,
            max_flat_rows: 3,
            max_sigma: 3.0,
            max_source_difference: 0.01,
            max_age: None,
            future_tolerance: Duration::from_secs(24 * 3600),
            max_findings_per_rule: 100,
            threads: 1,
            levels: BTreeMap::new(),
            profile: FeedProfile::default(),
            robust: RobustConfig::default(),
            price_limits: PriceLimits::default(),
        }
    }
}

setters!(QualityConfig {
    enabled: bool,
    policy: Policy,
    max_change: f64,
    max_volume_ratio: f64,
    max_flat_rows: usize,
    max_sigma: f64,
    max_source_difference: f64,
    max_age: Option<Duration>,
    future_tolerance: Duration,
    max_findings_per_rule: usize,
    threads: usize,
    levels: BTreeMap<String, RuleLevel>,
    profile: FeedProfile,
    robust: RobustConfig,
    price_limits: PriceLimits,
});

impl QualityConfig {
    /// Every series is valid.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// The rules of thumb.
    pub fn literal() -> Self {
        Self::default().policy(Policy::Literal)
    }

    /// Sets how bad the findings of a rule are.
    #[must_use]
    pub fn level(mut self, rule: Rule, level: RuleLevel) -> Self {
        self.levels.insert(rule.as_str().to_owned(), level);
        self
    }

    /// How bad the findings of a rule are; `None` if it is off.
    pub fn severity_of(&self, rule: Rule) -> Option<Severity> {
        self.levels.get(rule.as_str()).map_or(Some(rule.severity()), |level| level.severity())
    }

    /// Checks every field. Names in `levels` that are no rule of this crate are left for
    /// [`ValidatorBuilder::build`](super::ValidatorBuilder::build), which knows the host's rules.
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
        if let Some(max_age) = self.max_age {
            faults.duration("max_age", max_age, Duration::from_secs(1)..=MAX_DURATION);
        }
        faults.duration("future_tolerance", self.future_tolerance, Duration::ZERO..=MAX_DURATION);
        faults.range("max_findings_per_rule", self.max_findings_per_rule, 0..=1_000_000);
        faults.range("threads", self.threads, 0..=64);
        faults.nested("profile", self.profile.validate());
        faults.nested("robust", self.robust.validate());
        faults.nested("price_limits", self.price_limits.validate());
        faults.finish()
    }
}
