//! The locked shell around the [`Table`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::metrics::RouterMetrics;
use super::table::{Charge, Ending, Table, Wish};
use super::ticket::{Begun, OwnedInFlight};
use super::{
    Availability, Candidate, Decision, EndpointIndex, EndpointSnapshot, EndpointSpec, Exclusion, InFlight, NoEndpoint,
    RouterConfig, RouterSnapshot, Settlement, validate_endpoints,
};
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::outcome::Outcome;
use crate::sync::Mutex;

/// Chooses an endpoint for the next call from what it has seen of them.
///
/// [`pick`](Self::pick) chooses and counts the call in one step; [`route`](Self::route) ranks all
/// endpoints with every term of their scores, for fallback, hedging and explanation, and
/// [`begin`](Self::begin) counts the call then.
///
/// # Concurrency
/// Thread-safe; one short lock a decision. Threads that pick at one instant see each other's picks;
/// two decisions of `route` see each other only once `begin` has counted a call.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, SmartRouter};
/// use feedguard::Outcome;
/// let endpoints = vec![EndpointSpec::named("free"), EndpointSpec::named("paid").price(2.0)];
/// let router = SmartRouter::builder("router").endpoints(endpoints).build()?;
/// let call = router.pick()?;
/// // ... call `router.endpoints()[call.endpoint().0]` ...
/// let settled = call.finish(Outcome::Success);
/// assert_eq!(settled.charged, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SmartRouter {
    name: Name,
    config: RouterConfig,
    clock: Clock,
    metrics: Metrics,
    state: Mutex<State>,
}

struct State {
    table: Table,
    handles: RouterMetrics,
    /// Grows with every change of the list, so that old tickets touch no new statistics.
    generation: u64,
    /// The last lists before, for what their tickets hold of quotas and budgets.
    old_lists: VecDeque<(u64, Arc<[EndpointSpec]>)>,
}

/// Older lists that are remembered; tickets of older ones give nothing back.
const MAX_OLD_LISTS: usize = 8;

impl SmartRouter {
    pub(super) fn from_parts(
        name: Name,
        config: RouterConfig,
        endpoints: Vec<EndpointSpec>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let handles = RouterMetrics::new(&metrics, &endpoints);
        let table = Table::new(endpoints, &config, clock.now());
        let state = Mutex::new(State { table, handles, generation: 0, old_lists: VecDeque::new() });
        Self { name, config, clock, metrics, state }
    }

    /// Chooses the best endpoint for one call, and counts the call as load.
    ///
    /// # Errors
    /// [`NoEndpoint`] if all are over a rate limit or a budget.
    #[inline]
    pub fn pick(&self) -> Result<InFlight<'_>, NoEndpoint> {
        self.pick_from(None)
    }

    /// As [`pick`](Self::pick), without the endpoint that has just failed.
    ///
    /// # Errors
    /// As [`pick`](Self::pick).
    pub fn pick_other(&self, than: EndpointIndex) -> Result<InFlight<'_>, NoEndpoint> {
        self.pick_from(Some(than.0))
    }

    #[inline]
    fn pick_from(&self, except: Option<usize>) -> Result<InFlight<'_>, NoEndpoint> {
        let now = self.clock.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(index) = state.table.pick(except, &self.config, now) else {
            let ranked = state.table.route(&[], 0, &self.config, now);
            let (endpoints, generation) = (Arc::clone(&state.table.specs), state.generation);
            drop(guard);
            return Err(Decision::new(ranked, endpoints, generation, 0).refusal());
        };
        let charge = state.table.begin(index, &self.config, now);
        state.handles.picks[index].inc();
        let generation = state.generation;
        drop(guard);
        let endpoint = EndpointIndex(index);
        Ok(InFlight::new(self, Begun { endpoint, category: 0, generation, started: now, charge }))
    }

    /// Ranks all endpoints; `availability` is by position, missing ones count as available.
    pub fn route(&self, availability: &[Availability]) -> Decision {
        self.route_in(0, availability)
    }

    /// As [`route`](Self::route), by what is known of a category of requests; categories are numbers
    /// that the host gives out.
    pub fn route_in(&self, category: usize, availability: &[Availability]) -> Decision {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let ranked = state.table.route(availability, category, &self.config, now);
        let (endpoints, generation) = (Arc::clone(&state.table.specs), state.generation);
        drop(state);
        Decision::new(ranked, endpoints, generation, category)
    }

    /// What [`route_in`](Self::route_in) would decide, without a trace: it moves neither turns, nor
    /// dice, nor the shadow.
    pub fn explain(&self, category: usize, availability: &[Availability]) -> Decision {
        let now = self.clock.now();
        let state = self.state.lock();
        let mut dice = state.table.dice();
        let ranked = state.table.rank(availability, category, &self.config, now, &mut dice);
        let (endpoints, generation) = (Arc::clone(&state.table.specs), state.generation);
        drop(state);
        Decision::new(ranked, endpoints, generation, category)
    }

    /// Counts a call to `endpoint` as load until its ticket is finished or dropped, whatever its health.
    pub fn begin(&self, endpoint: EndpointIndex) -> InFlight<'_> {
        let now = self.clock.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let is_known = endpoint.0 < state.table.stats.len();
        let charge = if is_known {
            state.handles.picks[endpoint.0].inc();
            state.table.begin(endpoint.0, &self.config, now)
        } else {
            Charge { is_free: false, price: 0.0, unqueued: false }
        };
        let generation = state.generation;
        drop(guard);
        InFlight::new(self, Begun { endpoint, category: 0, generation, started: now, charge })
    }

    /// Begins a call if the endpoint may have it now: budget, rate limit, probe and ramp are checked and
    /// taken in one step, so that of many callers who saw the last free one, one gets it.
    ///
    /// # Errors
    /// [`Exclusion`]: why not, and when.
    pub fn try_begin(&self, endpoint: EndpointIndex) -> Result<InFlight<'_>, Exclusion> {
        let wish = Wish { index: endpoint.0, is_last_resort: false, expects_free: false };
        self.try_begin_wish(wish, None, 0).map(|begun| InFlight::new(self, begun))
    }

    /// Begins the call of a candidate of a decision.
    pub(crate) fn try_begin_candidate(
        self: &Arc<Self>,
        decision: &Decision,
        candidate: &Candidate,
    ) -> Result<OwnedInFlight, Exclusion> {
        let Candidate { endpoint, readmitted, is_free, .. } = *candidate;
        let wish = Wish { index: endpoint.0, is_last_resort: readmitted.is_some(), expects_free: is_free };
        let begun = self.try_begin_wish(wish, Some(decision.generation), decision.category)?;
        Ok(OwnedInFlight::new(Arc::clone(self), begun))
    }

    fn try_begin_wish(&self, wish: Wish, ranked_in: Option<u64>, category: usize) -> Result<Begun, Exclusion> {
        let now = self.clock.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let generation = state.generation;
        if ranked_in.is_some_and(|ranked_in| ranked_in != generation) {
            return Err(Exclusion::Replaced);
        }
        let charge = state.table.try_begin(wish, &self.config, now)?;
        state.handles.picks[wish.index].inc();
        drop(guard);
        Ok(Begun { endpoint: EndpointIndex(wish.index), category, generation, started: now, charge })
    }

    /// Takes note of the quality of an answer: `badness` 0 is clean, 1 unusable.
    pub(crate) fn record_quality(&self, name: &str, category: usize, badness: f64) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if let Some(index) = state.table.specs.iter().position(|spec| *spec.name == *name) {
            state.table.record_flaws(index, category, badness, &self.config, now);
        }
    }

    /// Replaces the list of endpoints; those that keep their name keep their statistics. Calls under
    /// way to the old list are not counted any more.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults; the old list stays then.
    pub fn set_endpoints(&self, endpoints: Vec<EndpointSpec>) -> Result<(), ConfigError> {
        validate_endpoints(&endpoints)?;
        let handles = RouterMetrics::new(&self.metrics, &endpoints);
        let now = self.clock.now();
        let mut state = self.state.lock();
        let old = state.table.replace(endpoints, &self.config, now);
        state.handles = handles;
        let generation = state.generation;
        state.old_lists.push_back((generation, old));
        let forgotten = if state.old_lists.len() > MAX_OLD_LISTS { state.old_lists.pop_front() } else { None };
        state.generation += 1;
        drop(state);
        drop(forgotten);
        Ok(())
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The endpoints now.
    pub fn endpoints(&self) -> Arc<[EndpointSpec]> {
        Arc::clone(&self.state.lock().table.specs)
    }

    /// The latency below which this share of an endpoint's latest successes lies; `None` before the
    /// first.
    pub fn quantile(&self, endpoint: EndpointIndex, share: f64) -> Option<Duration> {
        self.quantile_in(0, endpoint, share)
    }

    pub(crate) fn quantile_in(&self, category: usize, endpoint: EndpointIndex, share: f64) -> Option<Duration> {
        self.state.lock().table.quantile(endpoint.0, category, share).map(crate::clock::seconds)
    }

    /// What the router knows of each endpoint.
    pub fn snapshot(&self) -> RouterSnapshot {
        let now = self.clock.now();
        let state = self.state.lock();
        let endpoints = state.table.specs.iter().zip(&state.table.stats).map(|(spec, stats)| {
            let percentiles = stats.percentiles(0).unwrap_or_default().map(crate::clock::seconds);
            EndpointSnapshot {
                name: Arc::clone(&spec.name),
                in_flight: stats.in_flight,
                calls: stats.calls,
                successes: stats.successes,
                failure_rate: stats.failure_rate,
                p50: percentiles[0],
                p95: percentiles[1],
                p99: percentiles[2],
                ejected_for: stats.standing.ejected_for(now),
                cost: spec.price * stats.charged_calls as f64,
                free_quota_left: spec.free_quota.saturating_sub(stats.free_used + stats.free_reserved),
            }
        });
        let endpoints = endpoints.collect();
        let shadow = state.table.shadow.as_ref().map(|shadow| shadow.counts);
        drop(state);
        RouterSnapshot { endpoints, shadow }
    }

    #[inline]
    pub(super) fn settle(&self, begun: Begun, outcome: Outcome) -> Settlement {
        let Begun { endpoint, category, generation, started, charge } = begun;
        let now = self.clock.now();
        let mut state = self.state.lock();
        let is_current = state.generation == generation && endpoint.0 < state.table.stats.len();
        let charged = if is_current {
            state.table.settle(endpoint.0, Ending { category, charge, outcome, began: started }, &self.config, now)
        } else {
            let success = outcome == Outcome::Success;
            let State { old_lists, table, .. } = &mut *state;
            let old = old_lists.iter().find(|(of, _)| *of == generation).and_then(|(_, specs)| specs.get(endpoint.0));
            if let Some(spec) = old {
                table.settle_old(&spec.name, &spec.currency, charge, success, started);
            }
            if success { charge.price } else { 0.0 }
        };
        drop(state);
        Settlement { latency: now.since(started), charged }
    }
}

impl fmt::Debug for SmartRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartRouter").field("config", &self.config).finish_non_exhaustive()
    }
}
