//! How endpoints are ranked.

use serde::{Deserialize, Serialize};

/// How endpoints are ranked.
///
/// # Examples
/// ```
/// use feedguard::RouterConfig;
/// use feedguard::router::RouterPolicy;
/// let config = RouterConfig::default().shadow(Some(RouterPolicy::SeedScore)); // compared, not obeyed
/// assert_eq!(config.policy, RouterPolicy::Adaptive);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouterPolicy {
    /// One unit, seconds: predicted latency under the present load, plus failures and price
    /// turned into seconds. The default.
    #[default]
    Adaptive,
    /// The literal score: performance .4, cost .3, load .2, location .1.
    SeedScore,
    /// Lowest measured median latency.
    Fastest,
    /// In turn.
    RoundRobin,
}
