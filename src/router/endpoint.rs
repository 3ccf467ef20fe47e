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
    /// The vendor, for limits and labels that endpoints of one vendor share. Default: the name up to its
    /// first dot; see [`vendor`](Self::vendor).
    #[serde(default)]
    pub source: Option<Arc<str>>,
    /// Categories of requests it serves. Default empty: all.
    #[serde(default)]
    pub categories: Vec<Arc<str>>,
    /// 0 is called first; a higher number only while no endpoint of a lower one can be called, or all of
    /// them have failed. Default 0.
    #[serde(default)]
    pub priority: u32,
    /// Calls under way at once, hung ones included; more are refused. Default: twice `concurrency`; see
    /// [`places`](Self::places).
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    /// Whether it gets calls. Default `active`.
    #[serde(default)]
    pub state: EndpointState,
}

/// Whether an endpoint gets calls.
///
/// # Examples
/// ```
/// use feedguard::EndpointSpec;
/// use feedguard::router::EndpointState;
/// let spec = EndpointSpec::named("sina.daily").state(EndpointState::Drained);
/// assert_eq!(spec.vendor(), "sina");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndpointState {
    /// It gets calls.
    #[default]
    Active,
    /// It gets no new calls; those under way end in peace.
    Drained,
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
    source: Option<Arc<str>>,
    categories: Vec<Arc<str>>,
    priority: u32,
    max_in_flight: Option<u32>,
    state: EndpointState,
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
            source: None,
            categories: Vec::new(),
            priority: 0,
            max_in_flight: None,
            state: EndpointState::Active,
        }
    }

    /// The vendor: `source`, or the name up to its first dot.
    pub fn vendor(&self) -> &str {
        self.source.as_deref().unwrap_or_else(|| self.name.split('.').next().unwrap_or(&self.name))
    }

    /// Whether it serves a category.
    pub fn serves(&self, category: &str) -> bool {
        self.categories.is_empty() || self.categories.iter().any(|own| **own == *category)
    }

    /// Calls that may be under way at once, hung ones included.
    pub fn places(&self) -> usize {
        self.max_in_flight.unwrap_or_else(|| self.concurrency.saturating_mul(2)) as usize
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.name("name", &self.name);
        if let Some(source) = &self.source {
            faults.name("source", source);
        }
        for (at, category) in self.categories.iter().enumerate() {
            faults.name(&format!("categories[{at}]"), category);
        }
        if let Some(most) = self.max_in_flight {
            faults.range("max_in_flight", most, 1..=1_000_000);
        }
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
    /// Time until its breaker admits a call, if open; [`Duration::MAX`] if only an operator can close it.
    pub breaker_open: Option<Duration>,
    /// Time until its limiter has a permit.
    pub permit_in: Duration,
    /// Leave it out: it does not serve the request, or is drained.
    pub is_excluded: bool,
}

impl Availability {
    /// An endpoint whose breaker and limiter say the given things.
    pub fn new(breaker_open: Option<Duration>, permit_in: Duration) -> Self {
        Self { breaker_open, permit_in, is_excluded: false }
    }

    /// An endpoint that is left out of the ranking.
    pub fn excluded() -> Self {
        Self { is_excluded: true, ..Self::default() }
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
