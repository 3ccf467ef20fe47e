//! The locked shell around the [`Table`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::arm::Arm;
use super::booking::{Charge, Ending, Wish};
use super::histogram::Bucket;
use super::metrics::{EndpointMetrics, RouterMetrics};
use super::ranking::Query;
use super::storm::Storm;
use super::table::{Choice, Table};
use super::ticket::{Begun, OwnedInFlight};
use super::{
    Availability, Candidate, Decision, EndpointIndex, EndpointSnapshot, EndpointSpec, Exclusion, InFlight, NoEndpoint,
    RouterConfig, RouterSnapshot, Settlement, validate_endpoints,
};
use crate::clock::{Clock, Tick};
use crate::error::ConfigError;
use crate::metrics::{Metrics, Scrape, TimedMutex};
use crate::name::Name;
use crate::outcome::Outcome;
use crate::sync::MutexGuard;

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
    clock: Clock,
    metrics: Metrics,
    categories: Arc<[Arc<str>]>,
    state: Arc<Apart>,
}

/// On cache lines of its own: what is read without the lock is not taken away by those who write.
#[repr(align(128))]
struct Apart {
    state: TimedMutex<State>,
    clock: Clock,
    categories: usize,
}

impl Scrape for Apart {
    /// Shows scores and quotas; the lock is free between two categories.
    fn scrape(&self) {
        for category in 0..self.categories {
            let now = self.clock.now();
            let state = self.state.lock();
            let mut dice = state.table.rng.clone();
            let ranked = state.table.rank(Query { availability: &[], category, arm: 0 }, now, &mut dice);
            for candidate in ranked.iter().filter(|candidate| candidate.terms.total.is_finite()) {
                state.handles.endpoints[candidate.endpoint.0].show_score(category, candidate.terms.total);
            }
        }
        let state = self.state.lock();
        for ((spec, stats), handles) in state.table.specs.iter().zip(&state.table.stats).zip(&state.handles.endpoints) {
            handles.show_quota(spec.free_quota.saturating_sub(stats.free_used + stats.free_reserved));
        }
    }
}

struct State {
    table: Table,
    handles: RouterMetrics,
    /// Grows with every change of the list, so that old tickets touch no new statistics.
    generation: u64,
    /// The last lists before, for what their tickets hold of quotas and budgets.
    old_lists: VecDeque<(u64, Arc<[EndpointSpec]>)>,
    refusals: Storm,
    last_resorts: Storm,
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
        categories: Arc<[Arc<str>]>,
    ) -> Self {
        let handles = EndpointMetrics::of_all(&metrics, &endpoints, &categories);
        let handles = RouterMetrics::new(&metrics, &name, &config, handles);
        let table = Table::new(endpoints, config, clock.now());
        let state = State {
            table,
            handles,
            generation: 0,
            old_lists: VecDeque::new(),
            refusals: Storm::default(),
            last_resorts: Storm::default(),
        };
        let state = TimedMutex::new(state, metrics.lock_wait("router"));
        let state = Arc::new(Apart { state, clock: clock.clone(), categories: categories.len() });
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&state) as Arc<dyn Scrape>));
        metrics.on_scrape(scrape);
        Self { name, clock, metrics, categories, state }
    }

    /// Chooses the best endpoint for one call, and counts the call as load.
    ///
    /// # Errors
    /// [`NoEndpoint`] if all are over a rate limit or a budget, or are ejected and
    /// [`fail_closed`](RouterConfig::fail_closed) says so.
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
        let mut guard = self.state.state.lock();
        let state = &mut *guard;
        let arm = state.table.draw_arm();
        let Some(choice) = state.table.pick(except, arm, now) else {
            let mut dice = state.table.rng.clone();
            let query = Query { availability: &[], category: 0, arm };
            let ranked = state.table.rank(query, now, &mut dice);
            return Err(self.decide(guard, ranked, (0, arm), now).refusal());
        };
        let Choice { index, is_probe, is_last_resort } = choice;
        let wish = Wish { index, category: 0, arm, is_probe, is_last_resort, expects_free: false };
        let charge = state.table.begin(wish, now);
        state.handles.endpoints[index].picks.inc();
        let generation = state.generation;
        let last_resorts = if is_last_resort { state.last_resorts.count(now) } else { None };
        drop(guard);
        let endpoint = EndpointIndex(index);
        if let Some(calls) = last_resorts {
            self.say_last_resort(endpoint, calls);
        }
        Ok(InFlight::new(self, Begun { endpoint, category: 0, generation, started: now, charge }))
    }

    /// Ranks all endpoints; `availability` is by position, missing ones count as available. The call is
    /// begun with [`try_begin_ranked`](Self::try_begin_ranked).
    pub fn route(&self, availability: &[Availability]) -> Decision {
        self.route_in(0, availability)
    }

    /// As [`route`](Self::route), by what is known of a category of requests; categories are numbers
    /// that the host gives out, from 0 on.
    pub fn route_in(&self, category: usize, availability: &[Availability]) -> Decision {
        let now = self.clock.now();
        let mut guard = self.state.state.lock();
        let arm = guard.table.draw_arm();
        let ranked = guard.table.route(Query { availability, category, arm }, now);
        self.decide(guard, ranked, (category, arm), now)
    }

    /// A decision, and the line that a bad one deserves.
    fn decide(
        &self,
        mut guard: MutexGuard<'_, State>,
        ranked: Vec<Candidate>,
        of: (usize, usize),
        now: Tick,
    ) -> Decision {
        let state = &mut *guard;
        let (mut refusals, mut last_resorts) = (None, None);
        match ranked.first() {
            Some(first) if first.exclusion.is_none() && first.readmitted.is_some() => {
                last_resorts = state.last_resorts.count(now);
            }
            Some(first) if first.exclusion.is_none() => {}
            _ => refusals = state.refusals.count(now),
        }
        let decision = Decision::new(ranked, Arc::clone(&state.table.specs), state.generation, of);
        drop(guard);
        if let Some(refusals) = refusals {
            tracing::warn!(router = %self.name, refusals, refusal = %decision.refusal(), "no endpoint can be called");
        }
        if let (Some(calls), Some(first)) = (last_resorts, decision.explain().first()) {
            self.say_last_resort(first.endpoint, calls);
        }
        decision
    }

    #[cold]
    fn say_last_resort(&self, endpoint: EndpointIndex, decisions: u64) {
        let endpoints = self.endpoints();
        let endpoint = endpoints.get(endpoint.0).map_or("?", |spec| &spec.name);
        tracing::warn!(router = %self.name, decisions, endpoint, "no endpoint is healthy, the least bad is called");
    }

    /// What [`route_in`](Self::route_in) would decide, by the router's own policy and without a trace: it
    /// moves neither turns, nor dice, nor the shadow.
    pub fn explain(&self, category: usize, availability: &[Availability]) -> Decision {
        let now = self.clock.now();
        let state = self.state.state.lock();
        let mut dice = state.table.rng.clone();
        let ranked = state.table.rank(Query { availability, category, arm: 0 }, now, &mut dice);
        let (endpoints, generation) = (Arc::clone(&state.table.specs), state.generation);
        drop(state);
        Decision::new(ranked, endpoints, generation, (category, 0))
    }

    /// Counts a call to `endpoint` as load until its ticket is finished or dropped, whatever its health.
    pub fn begin(&self, endpoint: EndpointIndex) -> InFlight<'_> {
        let now = self.clock.now();
        let mut guard = self.state.state.lock();
        let state = &mut *guard;
        let is_known = endpoint.0 < state.table.stats.len();
        let charge = if is_known {
            state.handles.endpoints[endpoint.0].picks.inc();
            state.table.begin(Wish::plain(endpoint.0), now)
        } else {
            Charge::default()
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
        self.try_begin_wish(Wish::plain(endpoint.0), None).map(|begun| InFlight::new(self, begun))
    }

    /// As [`try_begin`](Self::try_begin), for a candidate of a decision: counted for its category and its
    /// policy, as a probe if it was ranked as one, and whatever its health if nobody else can be called.
    ///
    /// # Errors
    /// [`Exclusion`]: why not, and when; [`Exclusion::Replaced`] if it is not in the decision, too.
    pub fn try_begin_ranked(&self, decision: &Decision, endpoint: EndpointIndex) -> Result<InFlight<'_>, Exclusion> {
        let candidate = decision.explain().iter().find(|candidate| candidate.endpoint == endpoint);
        let wish = Wish::of(decision, candidate.ok_or(Exclusion::Replaced)?);
        self.try_begin_wish(wish, Some(decision.generation)).map(|begun| InFlight::new(self, begun))
    }

    /// Begins the call of a candidate of a decision.
    pub(crate) fn try_begin_candidate(
        self: &Arc<Self>,
        decision: &Decision,
        candidate: &Candidate,
    ) -> Result<OwnedInFlight, Exclusion> {
        let begun = self.try_begin_wish(Wish::of(decision, candidate), Some(decision.generation))?;
        Ok(OwnedInFlight::new(Arc::clone(self), begun))
    }

    fn try_begin_wish(&self, wish: Wish, ranked_in: Option<u64>) -> Result<Begun, Exclusion> {
        let now = self.clock.now();
        let mut guard = self.state.state.lock();
        let state = &mut *guard;
        let generation = state.generation;
        if ranked_in.is_some_and(|ranked_in| ranked_in != generation) {
            return Err(Exclusion::Replaced);
        }
        let charge = state.table.try_begin(wish, now)?;
        state.handles.endpoints[wish.index].picks.inc();
        drop(guard);
        Ok(Begun { endpoint: EndpointIndex(wish.index), category: wish.category, generation, started: now, charge })
    }

    /// Takes note of the quality of an answer: `badness` 0 is clean, 1 unusable.
    pub(crate) fn record_quality(&self, name: &str, category: usize, badness: f64) {
        let now = self.clock.now();
        let mut state = self.state.state.lock();
        if let Some(index) = state.table.specs.iter().position(|spec| *spec.name == *name) {
            state.table.record_flaws(index, category, badness, now);
        }
    }

    /// Replaces the list of endpoints; those that keep their name keep their statistics. Calls under
    /// way to the old list are not counted any more.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults; the old list stays then.
    pub fn set_endpoints(&self, endpoints: Vec<EndpointSpec>) -> Result<(), ConfigError> {
        validate_endpoints(&endpoints)?;
        let handles = EndpointMetrics::of_all(&self.metrics, &endpoints, &self.categories);
        let now = self.clock.now();
        let mut state = self.state.state.lock();
        let gone = std::mem::replace(&mut state.handles.endpoints, handles);
        let old = state.table.replace(endpoints, now);
        let generation = state.generation;
        state.old_lists.push_back((generation, old));
        let forgotten = if state.old_lists.len() > MAX_OLD_LISTS { state.old_lists.pop_front() } else { None };
        state.generation += 1;
        drop(state);
        drop((forgotten, gone));
        Ok(())
    }

    /// Another one is in its place: its gauges say nothing any more.
    pub(crate) fn retire(&self) {
        self.state.state.lock().handles.endpoints.iter().for_each(EndpointMetrics::end);
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The endpoints now.
    pub fn endpoints(&self) -> Arc<[EndpointSpec]> {
        Arc::clone(&self.state.state.lock().table.specs)
    }

    /// The latency below which this share of an endpoint's latest successes lies; `None` before the
    /// first.
    pub fn quantile(&self, endpoint: EndpointIndex, share: f64) -> Option<Duration> {
        self.quantile_in(0, endpoint, share)
    }

    pub(crate) fn quantile_in(&self, category: usize, endpoint: EndpointIndex, share: f64) -> Option<Duration> {
        self.state.state.lock().table.quantile(endpoint.0, category, share).map(crate::clock::seconds)
    }

    /// What the router knows of each endpoint.
    pub fn snapshot(&self) -> RouterSnapshot {
        let now = self.clock.now();
        let state = self.state.state.lock();
        let endpoints = state.table.specs.iter().zip(&state.table.stats).map(|(spec, stats)| {
            let percentiles = stats.percentiles(0).unwrap_or_default().map(crate::clock::seconds);
            EndpointSnapshot {
                name: Arc::clone(&spec.name),
                in_flight: stats.load.calls(),
                calls: stats.calls,
                successes: stats.successes,
                failure_rate: stats.expected_failures(&state.table.config, now),
                p50: percentiles[0],
                p95: percentiles[1],
                p99: percentiles[2],
                ejected_for: stats.standing.ejected_for(now),
                cost: stats.spent,
                free_quota_left: spec.free_quota.saturating_sub(stats.free_used + stats.free_reserved),
            }
        });
        let endpoints = endpoints.collect();
        let shadow = state.table.shadow;
        let arm = |number: usize, arm: &Arm| arm.snapshot(state.table.policy(number));
        let arms = state.table.arms.as_ref().map(|[first, second]| [arm(0, first), arm(1, second)]);
        drop(state);
        RouterSnapshot { endpoints, shadow, arms }
    }

    #[inline]
    pub(super) fn settle(&self, begun: Begun, outcome: Outcome) -> Settlement {
        let Begun { endpoint, category, generation, started, charge } = begun;
        let now = self.clock.now();
        // Takes a logarithm: before the lock.
        let latency = Bucket::from(now.since(started));
        let mut state = self.state.state.lock();
        let is_current = state.generation == generation && endpoint.0 < state.table.stats.len();
        let charged = if is_current {
            let ending = Ending { category, charge, outcome, began: started, latency };
            let charged = state.table.settle(endpoint.0, ending, now);
            let success = outcome == Outcome::Success;
            if let Some(arms) = state.handles.arms.as_ref().filter(|_| success || outcome.is_failure()) {
                arms[charge.arm].record(latency.seconds, success, charged);
            }
            charged
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
        f.debug_struct("SmartRouter").field("name", &self.name).finish_non_exhaustive()
    }
}
