//! A ranking that explains itself.

use std::time::Duration;

use super::{EndpointIndex, NoEndpoint};

/// Why an endpoint is not a candidate now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNot {
    /// Its breaker is open.
    BreakerOpen {
        /// Time until a probe is admitted.
        retry_after: Duration,
    },
    /// It was set aside after failures in a row.
    Ejected {
        /// Time until it is tried again.
        retry_after: Duration,
    },
}

impl WhyNot {
    /// When the endpoint may be callable again, from now.
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::BreakerOpen { retry_after } | Self::Ejected { retry_after } => retry_after,
        }
    }
}

/// The terms of a score. Under `Adaptive` they are seconds and add up to `total`, lower is better;
/// under `SeedScore` they are the factors of `total`, higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Terms {
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
    /// The score.
    pub total: f64,
}

/// One endpoint in a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// Which endpoint.
    pub endpoint: EndpointIndex,
    /// How its score came about.
    pub terms: Terms,
    /// Why it cannot be called now, if so.
    pub why_not: Option<WhyNot>,
}

/// All endpoints of a router, callable ones first, best first.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, SmartRouter};
/// let router = SmartRouter::builder().endpoints(vec![EndpointSpec::named("a"), EndpointSpec::named("b").price(9.0)]).build()?;
/// let decision = router.route(&[]);
/// assert_eq!(decision.candidates().next(), Some(feedguard::EndpointIndex(0)));
/// assert!(decision.explain()[1].terms.price > 0.0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    ranked: Vec<Candidate>,
}

impl Decision {
    pub(super) fn new(ranked: Vec<Candidate>) -> Self {
        Self { ranked }
    }

    /// The callable endpoints, best first.
    pub fn candidates(&self) -> impl Iterator<Item = EndpointIndex> + '_ {
        self.ranked.iter().filter(|candidate| candidate.why_not.is_none()).map(|candidate| candidate.endpoint)
    }

    /// Every endpoint with every term.
    pub fn explain(&self) -> &[Candidate] {
        &self.ranked
    }

    /// The best endpoint.
    ///
    /// # Errors
    /// [`NoEndpoint`] with the earliest retry if none is callable.
    pub fn best(&self) -> Result<EndpointIndex, NoEndpoint> {
        self.candidates()
            .next()
            .ok_or_else(|| NoEndpoint { endpoints: self.ranked.len(), retry_after: self.retry_after() })
    }

    /// The earliest time an endpoint that is set aside may be callable, from now.
    pub fn retry_after(&self) -> Option<Duration> {
        self.ranked.iter().filter_map(|candidate| candidate.why_not).map(WhyNot::retry_after).min()
    }
}
