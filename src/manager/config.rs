//! Settings of a manager: one field a room.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer_config::AnswerQualityConfig;
use super::caches_config::CachesConfig;
use super::calls_config::CallsConfig;
use super::endpoint_config::{EndpointConfig, QuotaGroupConfig};
use super::hedge_config::HedgeConfig;
use crate::batch::BatchConfig;
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;
use crate::limiter::validate_windows;
use crate::retry::RetryConfig;
use crate::router::{EndpointSpec, RouterConfig, validate_endpoints};

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
    /// The caches, by category.
    pub caches: CachesConfig,
    /// The router.
    pub router: RouterConfig,
    /// The batch processor.
    pub batch: BatchConfig,
    /// The threads that calls run on.
    pub calls: CallsConfig,
    /// Second calls for slow ones.
    pub hedge: HedgeConfig,
    /// Further rounds for fetches that found nobody, or whose calls failed.
    pub retry: RetryConfig,
    /// The validator, and what is done with flawed answers.
    pub quality: AnswerQualityConfig,
    /// How long a fetch without a deadline may take. Default 30 s.
    #[serde(with = "crate::config::human")]
    pub fetch_timeout: Duration,
    /// How long one call may take, inside that. Default 10 s.
    #[serde(with = "crate::config::human")]
    pub call_timeout: Duration,
    /// How long a fetch waits for one endpoint's limiter while another endpoint could be asked; for the
    /// last one it waits until its deadline. Default 2 s.
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
            calls: CallsConfig::default(),
            hedge: HedgeConfig::default(),
            retry: RetryConfig::default(),
            quality: AnswerQualityConfig::default(),
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
    calls: CallsConfig,
    hedge: HedgeConfig,
    retry: RetryConfig,
    fetch_timeout: Duration,
    call_timeout: Duration,
    permit_timeout: Duration,
});

impl ManagerConfig {
    /// Sets [`quality`](Self#structfield.quality); the validator's settings alone will do.
    #[must_use]
    pub fn quality(mut self, quality: impl Into<AnswerQualityConfig>) -> Self {
        self.quality = quality.into();
        self
    }

    /// Checks every field of every room.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        let specs: Vec<EndpointSpec> = self.endpoints.iter().map(|endpoint| endpoint.spec.clone()).collect();
        faults.add_all(validate_endpoints(&specs));
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let path = format!("endpoints[{index}]");
            faults.nested(&format!("{path}.breaker"), endpoint.breaker.validate());
            faults.nested(&format!("{path}.limiter"), endpoint.limiter.validate());
            if let Some(group) = &endpoint.quota_group {
                let is_known = self.quota_groups.iter().any(|known| known.name == *group);
                faults.require(is_known, &format!("{path}.quota_group"), group, "the name of a quota group");
            }
        }
        for (index, group) in self.quota_groups.iter().enumerate() {
            let path = format!("quota_groups[{index}]");
            let is_first = self.quota_groups[..index].iter().all(|known| known.name != group.name);
            faults.require(is_first, &format!("{path}.name"), &group.name, "a name of its own");
            faults.name(&format!("{path}.name"), &group.name);
            faults.nested(&format!("{path}.windows"), validate_windows(&group.windows));
        }
        for (category, cache) in self.caches.iter() {
            let path = format!("caches.{category}");
            faults.nested(&path, cache.validate());
            faults.name(&path, category);
            let is_served = specs.is_empty() || specs.iter().any(|spec| spec.serves(category));
            faults.require(is_served, &path, category, "a category that some endpoint serves");
        }
        faults.nested("router", self.router.validate());
        faults.nested("batch", self.batch.validate());
        faults.nested("calls", self.calls.validate());
        faults.nested("hedge", self.hedge.validate());
        faults.nested("retry", self.retry.validate());
        faults.nested("quality", self.quality.validate());
        let millisecond = Duration::from_millis(1);
        faults.duration("fetch_timeout", self.fetch_timeout, millisecond..=MAX_DURATION);
        faults.duration("call_timeout", self.call_timeout, millisecond..=MAX_DURATION);
        faults.duration("permit_timeout", self.permit_timeout, Duration::ZERO..=MAX_DURATION);
        faults.finish()
    }

    /// Faults of a configuration that is to replace this one in a running manager: what was built with
    /// threads and tables stays as it is.
    pub(super) fn validate_reload(&self, new: &Self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.add_all(new.validate());
        let fixed = [
            ("caches", self.caches == new.caches),
            ("router", self.router == new.router),
            ("batch", self.batch == new.batch),
            ("calls", self.calls == new.calls),
            ("hedge", self.hedge == new.hedge),
            ("retry", self.retry == new.retry),
            ("quality", self.quality == new.quality),
        ];
        for (path, is_same) in fixed {
            faults.require(is_same, path, "changed", "as it was at build; these settings need a new manager");
        }
        faults.finish()
    }
}
