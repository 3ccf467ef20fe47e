//! Settings and counts of hedging: a call that takes longer than most is made a second time, elsewhere;
//! the first answer counts. For requests that may be made twice only, and within a budget.

use serde::{Deserialize, Serialize};

use crate::config::{Faults, setters};
use crate::error::ConfigError;

/// Settings of hedging; it needs [`Source::is_idempotent`](super::Source::is_idempotent) too.
///
/// # Examples
/// ```
/// use feedguard::ManagerConfig;
/// use feedguard::manager::HedgeConfig;
/// let config = ManagerConfig::default().hedge(HedgeConfig::default().enabled(true));
/// assert_eq!(config.hedge.budget, 0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HedgeConfig {
    /// Default `false`.
    pub enabled: bool,
    /// A second call is made when the first has taken longer than this share of the endpoint's calls,
    /// 0.5 to 0.999. Default 0.95.
    pub after_quantile: f64,
    /// Second calls, as a share of first ones, 0 to 1. Default 0.05.
    pub budget: f64,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { enabled: false, after_quantile: 0.95, budget: 0.05 }
    }
}

setters!(HedgeConfig { enabled: bool, after_quantile: f64, budget: f64 });

impl HedgeConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("after_quantile", self.after_quantile, 0.5..=0.999);
        faults.range("budget", self.budget, 0.0..=1.0);
        faults.finish()
    }
}

/// What hedging has done.
///
/// # Examples
/// ```
/// assert_eq!(feedguard::manager::HedgeSnapshot::default().hedged, 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct HedgeSnapshot {
    /// First calls that could have been hedged.
    pub calls: u64,
    /// Second calls made.
    pub hedged: u64,
    /// Of these, answered first.
    pub won: u64,
}
