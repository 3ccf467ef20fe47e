//! What the host says of an endpoint: fixed facts, and its state at this moment.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, setters};
use crate::error::ConfigError;

/// Position of an endpoint in the list given to the router.
///
/// # Examples
/// ```
/// use feedguard::router::EndpointIndex;
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// router.begin(EndpointIndex(0)).finish(Outcome::Success);
/// assert_eq!(router.snapshot().endpoints[0].successes, 1);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointIndex(pub usize);

/// Fixed facts about an endpoint.
///
/// # Examples
/// ```
/// use feedguard::EndpointSpec;
/// let spec = EndpointSpec::named("tushare").price(0.02).free_quota(500).concurrency(8);
/// assert!(spec.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EndpointSpec {
    /// Name in errors, logs and labels; unique in its router.
    pub name: Arc<str>,
    /// Price of one successful call, in units of `currency`. Default 0.
    #[serde(default)]
    pub price: f64,
    /// Currency of the price, a label of the cost metric. Default `units`.
    #[serde(default = "units")]
    pub currency: Arc<str>,
    /// Calls that are free before the price applies. Default 0.
    #[serde(default)]
    pub free_quota: u64,
    /// Calls the endpoint serves at once before they queue. Default 16.
    #[serde(default = "concurrency")]
    pub concurrency: u32,
    /// Calls a second it accepts, if that is known: the router keeps to it, half a second's worth at
    /// once. Default unknown; the limiter finds it.
    #[serde(default)]
    pub rate_limit: Option<f64>,
    /// Whether it is in the host's own location. Default `false`.
    #[serde(default)]
    pub local: bool,
}

fn units() -> Arc<str> {
    "units".into()
}

const fn concurrency() -> u32 {
    16
}

setters!(EndpointSpec {
    price: f64,
    free_quota: u64,
    concurrency: u32,
    rate_limit: Option<f64>,
    local: bool,
    currency: Arc<str>,
});

impl EndpointSpec {
    /// An endpoint that is free, remote, and serves 16 calls at once.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            price: 0.0,
            currency: units(),
            free_quota: 0,
            concurrency: concurrency(),
            rate_limit: None,
            local: false,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        let length = self.name.len();
        faults.require((1..=200).contains(&length), "name", format_args!("{length} bytes"), "1 to 200 bytes");
        faults.range("price", self.price, 0.0..=1e12);
        if let Some(limit) = self.rate_limit {
            faults.range("rate_limit", limit, 1e-5..=1e9);
        }
        faults.range("concurrency", self.concurrency, 1..=1_000_000);
        faults.finish()
    }
}

/// What other guards say of an endpoint at this moment, as plain data.
///
/// # Examples
/// ```
/// use feedguard::router::Availability;
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// use std::time::Duration;
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// let open = Availability::new(Some(Duration::from_secs(30)), Duration::ZERO);
/// let decision = router.route(&[open]);
/// assert_eq!(decision.candidates().count(), 0, "its breaker is open");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Availability {
    /// Time until its breaker admits a call, if open.
    pub breaker_open: Option<Duration>,
    /// Time until its limiter has a permit.
    pub permit_in: Duration,
}

impl Availability {
    /// An endpoint whose breaker and limiter say the given things.
    pub fn new(breaker_open: Option<Duration>, permit_in: Duration) -> Self {
        Self { breaker_open, permit_in }
    }
}

/// Checks a whole list.
pub(crate) fn validate_endpoints(endpoints: &[EndpointSpec]) -> Result<(), ConfigError> {
    let mut faults = Faults::new();
    faults.range("endpoints", endpoints.len(), 1..=10_000);
    let mut names = std::collections::HashSet::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = format!("endpoints[{index}]");
        faults.nested(&path, endpoint.validate());
        faults.require(names.insert(&endpoint.name), &format!("{path}.name"), &endpoint.name, "a name not used before");
    }
    faults.finish()
}
