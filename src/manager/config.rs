//! Settings of a manager: one field a room.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hedge::HedgeConfig;
use crate::batch::BatchConfig;
use crate::breaker::BreakerConfig;
use crate::cache::{CacheConfig, preset};
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;
use crate::limiter::{LimiterConfig, QuotaWindow, validate_windows};
use crate::quality::QualityConfig;
use crate::router::{EndpointSpec, RouterConfig, validate_endpoints};

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
    /// The [quota group](ManagerConfig::quota_groups) it draws on, for endpoints of one account.
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

/// One cache a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CachesConfig {
    /// Daily bars. Default, field by field, [`CacheConfig::daily`].
    #[serde(deserialize_with = "preset::daily")]
    pub daily: CacheConfig,
    /// Minute bars. Default, field by field, [`CacheConfig::minute`].
    #[serde(deserialize_with = "preset::minute")]
    pub minute: CacheConfig,
    /// Quotes. Default, field by field, [`CacheConfig::realtime`].
    #[serde(deserialize_with = "preset::realtime")]
    pub realtime: CacheConfig,
    /// Anything else. Default [`CacheConfig::default`].
    pub other: CacheConfig,
}

impl Default for CachesConfig {
    fn default() -> Self {
        Self {
            daily: CacheConfig::daily(),
            minute: CacheConfig::minute(),
            realtime: CacheConfig::realtime(),
            other: CacheConfig::default(),
        }
    }
}

setters!(CachesConfig { daily: CacheConfig, minute: CacheConfig, realtime: CacheConfig, other: CacheConfig });

impl CachesConfig {
    /// The same change to all four.
    #[must_use]
    pub fn all(self, change: impl Fn(CacheConfig) -> CacheConfig) -> Self {
        Self {
            daily: change(self.daily),
            minute: change(self.minute),
            realtime: change(self.realtime),
            other: change(self.other),
        }
    }
}

/// Settings of a [`DataSourceManager`](super::DataSourceManager).
///
/// # Examples
/// ```
/// use feedguard::{EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig};
/// let config = ManagerConfig::default()
///     .endpoints(vec![EndpointConfig::new(EndpointSpec::named("a")).limiter(LimiterConfig::default().burst(0))]);
/// let error = config.validate().unwrap_err();
/// assert_eq!(error.faults()[0].path, "endpoints[0].limiter.burst");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// The endpoints; at least one.
    pub endpoints: Vec<EndpointConfig>,
    /// Quotas that endpoints share. Default none.
    pub quota_groups: Vec<QuotaGroupConfig>,
    /// The caches.
    pub caches: CachesConfig,
    /// The router.
    pub router: RouterConfig,
    /// The batch processor.
    pub batch: BatchConfig,
    /// Second calls for slow ones.
    pub hedge: HedgeConfig,
    /// The validator.
    pub quality: QualityConfig,
    /// How long a fetch without a deadline may take. Default 30 s.
    #[serde(with = "crate::config::human")]
    pub fetch_timeout: Duration,
    /// How long one call may take, inside that. Default 10 s.
    #[serde(with = "crate::config::human")]
    pub call_timeout: Duration,
    /// How long a fetch waits for one endpoint's limiter before it tries the next. Default 2 s.
    #[serde(with = "crate::config::human")]
    pub permit_timeout: Duration,
}

impl Default for ManagerConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            quota_groups: Vec::new(),
            caches: CachesConfig::default(),
            router: RouterConfig::default(),
            batch: BatchConfig::default(),
            hedge: HedgeConfig::default(),
            quality: QualityConfig::default(),
            fetch_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            permit_timeout: Duration::from_secs(2),
        }
    }
}

setters!(ManagerConfig {
    endpoints: Vec<EndpointConfig>,
    quota_groups: Vec<QuotaGroupConfig>,
    caches: CachesConfig,
    router: RouterConfig,
    batch: BatchConfig,
    hedge: HedgeConfig,
    quality: QualityConfig,
    fetch_timeout: Duration,
    call_timeout: Duration,
    permit_timeout: Duration,
});

impl ManagerConfig {
    /// Checks every field of every room.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        let specs: Vec<EndpointSpec> = self.endpoints.iter().map(|endpoint| endpoint.spec.clone()).collect();
        faults.add_all(validate_endpoints(&specs));
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            faults.nested(&format!("endpoints[{index}].breaker"), endpoint.breaker.validate());
            faults.nested(&format!("endpoints[{index}].limiter"), endpoint.limiter.validate());
            if let Some(group) = &endpoint.quota_group {
                let is_known = self.quota_groups.iter().any(|known| known.name == *group);
                faults.require(
                    is_known,
                    &format!("endpoints[{index}].quota_group"),
                    group,
                    "the name of a quota group",
                );
            }
        }
        for (index, group) in self.quota_groups.iter().enumerate() {
            let is_first = self.quota_groups[..index].iter().all(|known| known.name != group.name);
            faults.require(is_first, &format!("quota_groups[{index}].name"), &group.name, "a name of its own");
            faults.nested(&format!("quota_groups[{index}].windows"), validate_windows(&group.windows));
        }
        faults.nested("caches.daily", self.caches.daily.validate());
        faults.nested("caches.minute", self.caches.minute.validate());
        faults.nested("caches.realtime", self.caches.realtime.validate());
        faults.nested("caches.other", self.caches.other.validate());
        faults.nested("router", self.router.validate());
        faults.nested("batch", self.batch.validate());
        faults.nested("hedge", self.hedge.validate());
        faults.nested("quality", self.quality.validate());
        let millisecond = Duration::from_millis(1);
        faults.duration("fetch_timeout", self.fetch_timeout, millisecond..=MAX_DURATION);
        faults.duration("call_timeout", self.call_timeout, millisecond..=MAX_DURATION);
        faults.duration("permit_timeout", self.permit_timeout, Duration::ZERO..=MAX_DURATION);
        faults.finish()
    }
}
