//! The locked shell around statistics and score.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::metrics::RouterMetrics;
use super::stats::EndpointStats;
use super::{
    Availability, CallOutcome, Candidate, Decision, EndpointIndex, EndpointSpec, InFlight, RouterConfig, RouterPolicy,
    Settlement, Terms, WhyNot, score,
};
use crate::clock::{Clock, Tick};
use crate::config::Faults;
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::sync::Mutex;

/// Ranks endpoints for the next call from what it has seen of them.
///
/// # Concurrency
/// Thread-safe; one short lock a decision. A decision is a snapshot: two threads deciding at one
/// instant see each other only once [`begin`](Self::begin) has counted a call in flight.
///
/// # Examples
/// ```
/// use feedguard::{CallOutcome, EndpointSpec, SmartRouter};
/// let router = SmartRouter::builder().endpoints(vec![EndpointSpec::named("free"), EndpointSpec::named("paid").price(2.0)]).build()?;
/// let endpoint = router.route(&[]).best()?;
/// let call = router.begin(endpoint);
/// call.finish(CallOutcome::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SmartRouter {
    config: RouterConfig,
    clock: Clock,
    metrics: Metrics,
    state: Mutex<State>,
}

struct State {
    endpoints: Arc<[EndpointSpec]>,
    stats: Vec<EndpointStats>,
    handles: RouterMetrics,
    /// Grows with every change of the list, so that old tickets touch no new statistics.
    generation: u64,
    turn: usize,
    rng: fastrand::Rng,
}

impl SmartRouter {
    /// Starts a router.
    pub fn builder() -> RouterBuilder {
        RouterBuilder {
            config: RouterConfig::default(),
            endpoints: Vec::new(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
        }
    }

    /// Ranks all endpoints; `availability` is by position, missing ones count as available.
    pub fn route(&self, availability: &[Availability]) -> Decision {
        let now = self.clock.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let count = state.stats.len();
        let mut ranked: Vec<(f64, Candidate)> = (0..count)
            .map(|index| {
                let (spec, stats) = (&state.endpoints[index], &state.stats[index]);
                let availability = availability.get(index).copied().unwrap_or_default();
                let terms = self.terms(spec, stats, availability);
                let rank = match self.config.policy {
                    RouterPolicy::Adaptive => terms.total,
                    RouterPolicy::SeedScore => -terms.total,
                    RouterPolicy::Fastest => stats.percentiles().map_or(0.0, |[p50, ..]| p50),
                    RouterPolicy::RoundRobin => ((index + count - state.turn % count) % count) as f64,
                };
                // Ties fall at random: the factor is far below any real difference.
                let rank = rank * (1.0 + 1e-9 * state.rng.f64());
                let why_not = why_not(stats, availability, now);
                (rank, Candidate { endpoint: EndpointIndex(index), terms, why_not })
            })
            .collect();
        if self.config.policy == RouterPolicy::RoundRobin && count > 0 {
            state.turn = (state.turn + 1) % count;
        }
        drop(guard);
        readmit_if_all_ejected(&mut ranked);
        ranked.sort_by(|(a, x), (b, y)| x.why_not.is_some().cmp(&y.why_not.is_some()).then(a.total_cmp(b)));
        Decision::new(ranked.into_iter().map(|(_, candidate)| candidate).collect())
    }

    /// Counts a call to `endpoint` as load until its ticket is finished or dropped.
    pub fn begin(&self, endpoint: EndpointIndex) -> InFlight<'_> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if let Some(stats) = state.stats.get_mut(endpoint.0) {
            stats.in_flight += 1;
        }
        if let Some(picks) = state.handles.picks.get(endpoint.0) {
            picks.inc();
        }
        let generation = state.generation;
        drop(state);
        InFlight::new(self, endpoint, generation, now)
    }

    /// Replaces the list of endpoints; those that keep their name keep their statistics.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults; the old list stays then.
    pub fn set_endpoints(&self, endpoints: Vec<EndpointSpec>) -> Result<(), ConfigError> {
        validate_endpoints(&endpoints)?;
        let handles = RouterMetrics::new(&self.metrics, &endpoints);
        let mut state = self.state.lock();
        let old = Arc::clone(&state.endpoints);
        state.stats = endpoints
            .iter()
            .map(|new| {
                let known = old.iter().position(|spec| spec.name == new.name);
                known.map_or_else(EndpointStats::default, |at| state.stats[at].at_rest())
            })
            .collect();
        state.endpoints = endpoints.into();
        state.handles = handles;
        state.generation += 1;
        drop(state);
        drop(old);
        Ok(())
    }

    /// The endpoints now.
    pub fn endpoints(&self) -> Arc<[EndpointSpec]> {
        Arc::clone(&self.state.lock().endpoints)
    }

    /// What the router knows of each endpoint.
    pub fn snapshot(&self) -> RouterSnapshot {
        let now = self.clock.now();
        let state = self.state.lock();
        let endpoints = state.endpoints.iter().zip(&state.stats).map(|(spec, stats)| {
            let percentiles = stats.percentiles().unwrap_or_default().map(crate::clock::seconds);
            EndpointSnapshot {
                name: Arc::clone(&spec.name),
                in_flight: stats.in_flight,
                calls: stats.calls,
                successes: stats.successes,
                failure_rate: stats.failure_rate,
                p50: percentiles[0],
                p95: percentiles[1],
                p99: percentiles[2],
                ejected_for: stats.ejected_until.since(now),
                cost: spec.price * stats.successes.saturating_sub(spec.free_quota) as f64,
                free_quota_left: spec.free_quota.saturating_sub(stats.successes),
            }
        });
        let endpoints = endpoints.collect();
        drop(state);
        RouterSnapshot { endpoints }
    }

    fn terms(&self, spec: &EndpointSpec, stats: &EndpointStats, availability: Availability) -> Terms {
        match self.config.policy {
            RouterPolicy::SeedScore => score::seed(spec, stats),
            _ => score::adaptive(spec, stats, availability, &self.config),
        }
    }

    pub(super) fn settle(
        &self,
        endpoint: EndpointIndex,
        generation: u64,
        started: Tick,
        outcome: CallOutcome,
    ) -> Settlement {
        let now = self.clock.now();
        let latency = now.since(started);
        let mut charged = 0.0;
        let mut state = self.state.lock();
        let endpoints = Arc::clone(&state.endpoints);
        if let (true, Some(spec)) = (state.generation == generation, endpoints.get(endpoint.0)) {
            let stats = &mut state.stats[endpoint.0];
            stats.in_flight = stats.in_flight.saturating_sub(1);
            if outcome == CallOutcome::Success && stats.successes >= spec.free_quota {
                charged = spec.price;
            }
            if outcome != CallOutcome::Ignore {
                stats.record(latency, outcome == CallOutcome::Success, &self.config, now);
            }
        }
        drop(state);
        Settlement { latency, charged }
    }
}

fn why_not(stats: &EndpointStats, availability: Availability, now: Tick) -> Option<WhyNot> {
    let ejected = stats.ejected_until.since(now);
    match availability.breaker_open {
        Some(retry_after) => Some(WhyNot::BreakerOpen { retry_after }),
        None if !ejected.is_zero() => Some(WhyNot::Ejected { retry_after: ejected }),
        None => None,
    }
}

/// Ejection is a preference, not a verdict: when nobody else can be called, the ejected can.
fn readmit_if_all_ejected(ranked: &mut [(f64, Candidate)]) {
    if ranked.iter().all(|(_, candidate)| candidate.why_not.is_some()) {
        for (_, candidate) in ranked.iter_mut() {
            if matches!(candidate.why_not, Some(WhyNot::Ejected { .. })) {
                candidate.why_not = None;
            }
        }
    }
}

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

impl fmt::Debug for SmartRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartRouter").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What a router knows, at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RouterSnapshot {
    /// One entry an endpoint, in the order given.
    pub endpoints: Vec<EndpointSnapshot>,
}

/// What a router knows of one endpoint.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// Name.
    pub name: Arc<str>,
    /// Calls on their way.
    pub in_flight: u32,
    /// Calls finished, without ignored ones.
    pub calls: u64,
    /// Calls that succeeded.
    pub successes: u64,
    /// Decayed share of failures, 0 to 1.
    pub failure_rate: f64,
    /// Median latency of the last successes.
    pub p50: Duration,
    /// 95th percentile.
    pub p95: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Time until it is tried again after failures in a row.
    pub ejected_for: Duration,
    /// Price of the successful calls beyond the free quota.
    pub cost: f64,
    /// Free calls left.
    pub free_quota_left: u64,
}

/// Collects what a [`SmartRouter`] works with.
#[must_use]
#[derive(Debug)]
pub struct RouterBuilder {
    config: RouterConfig,
    endpoints: Vec<EndpointSpec>,
    clock: Clock,
    metrics: Metrics,
}

impl RouterBuilder {
    /// Sets the settings.
    pub fn config(mut self, config: RouterConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the endpoints.
    pub fn endpoints(mut self, endpoints: Vec<EndpointSpec>) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Sets the clock; the system clock otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Counts into these metrics; otherwise into none.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Makes the router.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings and the endpoints.
    pub fn build(self) -> Result<SmartRouter, ConfigError> {
        let mut faults = Faults::new();
        faults.nested("router", self.config.validate());
        faults.nested("router", validate_endpoints(&self.endpoints));
        faults.finish()?;
        let state = State {
            stats: vec![EndpointStats::default(); self.endpoints.len()],
            handles: RouterMetrics::new(&self.metrics, &self.endpoints),
            endpoints: self.endpoints.into(),
            generation: 0,
            turn: 0,
            rng: fastrand::Rng::with_seed(self.config.seed),
        };
        Ok(SmartRouter { config: self.config, clock: self.clock, metrics: self.metrics, state: Mutex::new(state) })
    }
}
