//! Settings of an endpoint with its guards, and of quotas that endpoints share.

use serde::{Deserialize, Serialize};

use crate::breaker::BreakerConfig;
use crate::config::setters;
use crate::limiter::{LimiterConfig, QuotaWindow};
use crate::router::EndpointSpec;

/// An endpoint with its guards.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, EndpointConfig, EndpointSpec};
/// let endpoint = EndpointConfig::new(EndpointSpec::named("sina")).breaker(BreakerConfig::free());
/// assert_eq!(endpoint.breaker.threshold(), 3);
/// let text = r#"{"name": "sina", "price": 0.02, "breaker": {"failure_threshold": 3, "open_for": "30s"}}"#;
/// let endpoint: EndpointConfig = serde_json::from_str(text)?;
/// assert_eq!(endpoint.spec.price, 0.02);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// Its facts; in a file they stand beside `breaker` and `limiter`, without a `spec` around them.
    #[serde(flatten)]
    pub spec: EndpointSpec,
    /// Its breaker. Default as [`BreakerConfig::default`].
    #[serde(default)]
    pub breaker: BreakerConfig,
    /// Its limiter. Default as [`LimiterConfig::default`].
    #[serde(default)]
    pub limiter: LimiterConfig,
    /// The [quota group](super::ManagerConfig::quota_groups) it draws on, for endpoints of one account.
    /// Default none.
    #[serde(default)]
    pub quota_group: Option<String>,
}

/// A calendar quota that several endpoints share.
///
/// # Examples
/// ```
/// use feedguard::{EndpointConfig, EndpointSpec, ManagerConfig};
/// use feedguard::limiter::{QuotaPeriod, QuotaWindow};
/// use feedguard::manager::QuotaGroupConfig;
/// let account = QuotaGroupConfig::new("tushare", vec![QuotaWindow::new(500, QuotaPeriod::Minute)]);
/// let endpoint = |name: &str| EndpointConfig::new(EndpointSpec::named(name)).quota_group(Some("tushare".to_owned()));
/// let config = ManagerConfig::default()
///     .quota_groups(vec![account])
///     .endpoints(vec![endpoint("daily"), endpoint("minute")]);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuotaGroupConfig {
    /// Its name, in errors and for endpoints to refer to.
    pub name: String,
    /// Its windows; a call takes one from each.
    pub windows: Vec<QuotaWindow>,
}

impl QuotaGroupConfig {
    /// A group with these windows.
    pub fn new(name: impl Into<String>, windows: Vec<QuotaWindow>) -> Self {
        Self { name: name.into(), windows }
    }
}

impl EndpointConfig {
    /// An endpoint with default guards.
    pub fn new(spec: EndpointSpec) -> Self {
        Self { spec, breaker: BreakerConfig::default(), limiter: LimiterConfig::default(), quota_group: None }
    }
}

setters!(EndpointConfig { breaker: BreakerConfig, limiter: LimiterConfig, quota_group: Option<String> });
