//! A ranking that explains itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{EndpointIndex, EndpointSpec, NoEndpoint};

/// Why an endpoint is not a candidate now.
///
/// # Examples
/// ```
/// use feedguard::router::{Availability, Exclusion};
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// use std::time::Duration;
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// let open = Availability::new(Some(Duration::from_secs(30)), Duration::ZERO);
/// let decision = router.route(&[open]);
/// assert!(matches!(decision.explain()[0].exclusion, Some(Exclusion::BreakerOpen { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// Its breaker is open.
    BreakerOpen {
        /// Time until a probe is admitted; `None` if only an operator can close it.
        retry_after: Option<Duration>,
    },
    /// It was set aside after failures in a row.
    Ejected {
        /// Time until it is tried again.
        retry_after: Duration,
    },
    /// It is new, or has just come back, and has as many calls under way as it may have now.
    Ramping {
        /// Calls under way.
        in_flight: u32,
    },
    /// Its own rate limit is used up.
    RateLimited {
        /// Time until it accepts a call.
        retry_after: Duration,
    },
    /// The budget is spent, and a call would cost.
    OverBudget {
        /// Time until the budget is full again; `None` if the price is above the whole budget.
        retry_after: Option<Duration>,
    },
    /// As many calls are under way as it may have, hung ones included.
    Saturated {
        /// Calls under way.
        in_flight: u32,
    },
    /// Another call is its probe, or has spent what probes may cost.
    Probing,
    /// Another call took the last free one between the ranking and the start; ranked again it has its
    /// price.
    Repriced,
    /// The list of endpoints was replaced after the ranking.
    Replaced,
}

impl Exclusion {
    /// When the endpoint may be callable again, from now; `None` if that depends on calls that end, or
    /// can never be.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Ejected { retry_after } | Self::RateLimited { retry_after } => Some(retry_after),
            Self::BreakerOpen { retry_after } | Self::OverBudget { retry_after } => retry_after,
            Self::Repriced | Self::Replaced => Some(Duration::ZERO),
            Self::Probing | Self::Ramping { .. } | Self::Saturated { .. } => None,
        }
    }
}

/// The terms of a score. Under `Adaptive` they are seconds and add up to `total`, lower is better;
/// under `SeedScore` they are the factors of `total`, higher is better.
///
/// # Examples
/// ```
/// use feedguard::router::Availability;
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// use std::time::Duration;
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// let open = Availability::new(Some(Duration::from_secs(30)), Duration::ZERO);
/// let decision = router.route(&[open]);
/// let terms = decision.explain()[0].terms;
/// assert!(terms.total >= terms.latency && terms.price == 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct ScoreTerms {
    /// Predicted latency, or performance.
    pub latency: f64,
    /// Cost of failures; zero under `SeedScore`, where success is part of performance.
    pub failure: f64,
    /// Cost of the price.
    pub price: f64,
    /// Cost of waiting for the limiter, or the load factor.
    pub load: f64,
    /// Cost of the location.
    pub location: f64,
    /// Cost of flawed data; zero under `SeedScore`.
    pub quality: f64,
    /// The score.
    pub total: f64,
}

/// One endpoint in a decision.
///
/// # Examples
/// ```
/// use feedguard::router::Availability;
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// use std::time::Duration;
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// let open = Availability::new(Some(Duration::from_secs(30)), Duration::ZERO);
/// let decision = router.route(&[open]);
/// let candidate = &decision.explain()[0];
/// assert_eq!(decision.name(candidate.endpoint), "sina");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// Which endpoint.
    pub endpoint: EndpointIndex,
    /// How its score came about.
    pub terms: ScoreTerms,
    /// Why it cannot be called now, if so.
    pub exclusion: Option<Exclusion>,
    /// Why it should not be called, but is, since nobody else can be.
    pub readmitted: Option<Exclusion>,
    /// The next call to it costs nothing.
    pub is_free: bool,
    /// It is first not since it is the best, but to learn how it does.
    pub is_probe: bool,
}

/// All endpoints of a router, callable ones first, best first.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, SmartRouter};
/// let router = SmartRouter::builder("router").endpoints(vec![EndpointSpec::named("a"), EndpointSpec::named("b").price(9.0)]).build()?;
/// let decision = router.route(&[]);
/// assert_eq!(decision.candidates().next(), Some(feedguard::router::EndpointIndex(0)));
/// assert!(decision.explain()[1].terms.price > 0.0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    ranked: Vec<Candidate>,
    endpoints: Arc<[EndpointSpec]>,
    /// Of the list of endpoints it was made from.
    pub(super) generation: u64,
    pub(super) category: usize,
    pub(super) arm: usize,
}

impl Decision {
    pub(super) fn new(
        ranked: Vec<Candidate>,
        endpoints: Arc<[EndpointSpec]>,
        generation: u64,
        (category, arm): (usize, usize),
    ) -> Self {
        Self { ranked, endpoints, generation, category, arm }
    }

    /// The callable endpoints, best first.
    pub fn candidates(&self) -> impl Iterator<Item = EndpointIndex> + '_ {
        self.ranked.iter().filter(|candidate| candidate.exclusion.is_none()).map(|candidate| candidate.endpoint)
    }

    /// Every endpoint with every term.
    pub fn explain(&self) -> &[Candidate] {
        &self.ranked
    }

    /// The name of an endpoint of this decision.
    pub fn name(&self, endpoint: EndpointIndex) -> &str {
        self.endpoints.get(endpoint.0).map_or("?", |spec| &spec.name)
    }

    /// The best endpoint.
    ///
    /// # Errors
    /// [`NoEndpoint`] with the earliest retry if none is callable.
    pub fn best(&self) -> Result<EndpointIndex, NoEndpoint> {
        self.candidates().next().ok_or_else(|| self.refusal())
    }

    pub(super) fn refusal(&self) -> NoEndpoint {
        NoEndpoint { endpoints: self.ranked.len(), retry_after: self.retry_after() }
    }

    /// The earliest time an endpoint that is set aside may be callable, from now.
    pub fn retry_after(&self) -> Option<Duration> {
        self.ranked.iter().filter_map(|candidate| candidate.exclusion?.retry_after()).min()
    }
}

/// One line an endpoint, best first: its terms, or why it is set aside.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, candidate) in self.ranked.iter().enumerate() {
            let ScoreTerms { latency, failure, price, load, location, quality, total } = candidate.terms;
            let name = self.name(candidate.endpoint);
            write!(
                f,
                "{}. {name}: {total:.4} = latency {latency:.4}, failure {failure:.4}, price {price:.4}",
                place + 1
            )?;
            write!(f, ", load {load:.4}, location {location:.4}, quality {quality:.4}")?;
            if candidate.is_probe {
                write!(f, "; a probe")?;
            }
            match candidate.exclusion {
                Some(exclusion) => writeln!(f, "; set aside: {exclusion}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Exclusion {}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BreakerOpen { retry_after: Some(after) } => write!(f, "breaker open for {after:?}"),
            Self::BreakerOpen { retry_after: None } => f.write_str("breaker open until an operator resets it"),
            Self::Ejected { retry_after } => write!(f, "ejected for {retry_after:?}"),
            Self::Ramping { in_flight } => write!(f, "ramping, {in_flight} call(s) under way"),
            Self::RateLimited { retry_after } => write!(f, "rate limit used up for {retry_after:?}"),
            Self::OverBudget { retry_after: Some(after) } => write!(f, "budget spent for {after:?}"),
            Self::OverBudget { retry_after: None } => f.write_str("its price is above the whole budget"),
            Self::Saturated { in_flight } => write!(f, "saturated, {in_flight} call(s) under way"),
            Self::Probing => f.write_str("another call is its probe"),
            Self::Repriced => f.write_str("its last free call has just gone"),
            Self::Replaced => f.write_str("the endpoints were replaced"),
        }
    }
}
