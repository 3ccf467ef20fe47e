//! All a router knows, pure: (table, event, now) -> decision. The shell holds it under its lock.
//!
//! `costs` mirrors the adaptive score of each endpoint as its statistics are now, and `not_before` the
//! tick until which it may not be called, so that a pick is one scan over two lists of numbers.
//! Whatever changes an endpoint calls [`Table::update`].

use std::sync::Arc;
use std::time::Duration;

use super::budget::BudgetLedger;
use super::health::Health;
use super::shadow::Shadow;
use super::stats::{EndpointStats, Sample};
use super::{
    Availability, Candidate, EndpointIndex, EndpointSpec, Exclusion, RouterConfig, RouterPolicy, ScoreTerms, score,
};
use crate::clock::Tick;
use crate::outcome::Outcome;

pub(super) struct Table {
    pub(super) specs: Arc<[EndpointSpec]>,
    pub(super) stats: Vec<EndpointStats>,
    costs: Vec<f64>,
    not_before: Vec<Tick>,
    /// When a call to the endpoint keeps to its rate limit.
    rate_free_at: Vec<Tick>,
    ledgers: Vec<BudgetLedger>,
    /// The earliest tick at which some idle endpoint is due for a probe.
    next_probe: Tick,
    turn: usize,
    picks: u64,
    rng: fastrand::Rng,
    pub(super) shadow: Option<Shadow>,
}

/// Puts a priority behind every cost of a lower one, in a list of numbers.
const PRIORITY_STEP: f64 = 1e9;
/// Puts probes before all others, in the order of their scores.
const PROBE_FIRST: f64 = 1e12;

/// A call that somebody wants to begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    pub(super) index: usize,
    /// Health does not matter: nobody else can be called.
    pub(super) is_last_resort: bool,
    /// It was ranked as costing nothing.
    pub(super) expects_free: bool,
}

/// A call that ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ending {
    pub(super) category: usize,
    pub(super) charge: Charge,
    pub(super) outcome: Outcome,
    pub(super) began: Tick,
}

/// What a call that begins holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Charge {
    /// A free call of the quota.
    pub(super) is_free: bool,
    /// What it will cost if it succeeds.
    pub(super) price: f64,
    /// It found a free place.
    pub(super) unqueued: bool,
}

impl Table {
    pub(super) fn new(specs: Vec<EndpointSpec>, config: &RouterConfig, now: Tick) -> Self {
        let count = specs.len();
        let mut table = Self {
            specs: specs.into(),
            stats: vec![EndpointStats::new(now); count],
            costs: vec![0.0; count],
            not_before: vec![Tick::default(); count],
            rate_free_at: vec![Tick::default(); count],
            ledgers: config.budgets.iter().map(BudgetLedger::new).collect(),
            next_probe: now,
            turn: 0,
            picks: 0,
            rng: fastrand::Rng::with_seed(config.seed),
            shadow: config.shadow.map(Shadow::new),
        };
        (0..count).for_each(|index| table.update(index, config, now));
        table
    }

    /// Replaces the list; endpoints that keep their name keep their history.
    pub(super) fn replace(
        &mut self,
        specs: Vec<EndpointSpec>,
        config: &RouterConfig,
        now: Tick,
    ) -> Arc<[EndpointSpec]> {
        let known = |spec: &EndpointSpec| self.specs.iter().position(|old| old.name == spec.name);
        let fresh = || EndpointStats::new(now);
        let places: Vec<Option<usize>> = specs.iter().map(known).collect();
        self.stats = places.iter().map(|at| at.map_or_else(fresh, |at| self.stats[at].at_rest())).collect();
        let rate_free_at = |(at, spec): (&Option<usize>, &EndpointSpec)| {
            let (Some(at), Some(limit)) = (*at, spec.rate_limit) else { return Tick::default() };
            // Never later than the new limit has it.
            self.rate_free_at[at].min(now.after(crate::clock::seconds(1.0 / limit)))
        };
        let rate_free_at: Vec<Tick> = places.iter().zip(&specs).map(rate_free_at).collect();
        self.rate_free_at = rate_free_at;
        self.costs = vec![0.0; specs.len()];
        self.not_before = vec![Tick::default(); specs.len()];
        let old = std::mem::replace(&mut self.specs, specs.into());
        (0..self.specs.len()).for_each(|index| self.update(index, config, now));
        self.next_probe = now;
        old
    }

    /// The dice as they lie, for a look that moves nothing.
    pub(super) fn dice(&self) -> fastrand::Rng {
        self.rng.clone()
    }

    /// Chooses an endpoint for one call; `except` is not asked. `None`: nobody may be called.
    #[inline]
    pub(super) fn pick(&mut self, except: Option<usize>, config: &RouterConfig, now: Tick) -> Option<usize> {
        if now >= self.next_probe {
            let probe = self.probe(except, config, now);
            if probe.is_some() {
                return probe;
            }
        }
        let mut best = (f64::INFINITY, usize::MAX, 1u32);
        for (index, (cost, not_before)) in self.costs.iter().zip(&self.not_before).enumerate() {
            if *cost > best.0 || *not_before > now || Some(index) == except {
                continue;
            }
            // Purses are shared: what one call holds changes what all may do.
            if !self.ledgers.is_empty() && !self.fits_budget(index, now) {
                continue;
            }
            // Equals fall at random, each with the same chance.
            best.2 = if *cost < best.0 { 1 } else { best.2 + 1 };
            if best.2 == 1 || self.rng.u32(0..best.2) == 0 {
                (best.0, best.1) = (*cost, index);
            }
        }
        match best.1 {
            usize::MAX => self.last_resort(except, now),
            index => Some(index),
        }
    }

    /// An endpoint that is due for a probe: new, out of its ejection, or idle for long.
    #[cold]
    fn probe(&mut self, except: Option<usize>, config: &RouterConfig, now: Tick) -> Option<usize> {
        let due = |table: &Self, index: usize| {
            table.stats[index].wants_probe(config, now)
                && table.not_before[index] <= now
                && table.fits_budget(index, now)
                && Some(index) != except
        };
        let probe = (0..self.stats.len()).filter(|index| due(self, *index));
        // The cheapest first, as always.
        let probe = probe.min_by(|a, b| self.costs[*a].total_cmp(&self.costs[*b]));
        // Not before endpoints of a lower priority number.
        let first = |index: usize| self.specs[index].priority;
        let lowest = (0..self.stats.len()).filter(|index| self.not_before[*index] <= now && Some(*index) != except);
        let lowest = lowest.map(first).min();
        let probe = probe.filter(|index| lowest.is_none_or(|lowest| first(*index) <= lowest));
        if probe.is_none() && except.is_none() {
            // Nothing before the first idle time or ejection is over.
            let next = self.stats.iter().map(|stats| match stats.standing.health {
                Health::Ejected { until } if until > now => until,
                _ => stats.picked_at.after(config.probe_idle_after),
            });
            self.next_probe = next.min().unwrap_or(Tick::MAX).max(now.after(Duration::from_millis(1)));
        }
        probe
    }

    /// Health is a preference: when nobody healthy can be called, the rest can, but not against a
    /// rate limit or a budget.
    #[cold]
    fn last_resort(&mut self, except: Option<usize>, now: Tick) -> Option<usize> {
        let possible = (0..self.stats.len()).filter(|index| {
            Some(*index) != except && self.rate_free_at[*index] <= now && self.fits_budget(*index, now)
        });
        possible.min_by(|a, b| self.costs[*a].total_cmp(&self.costs[*b]))
    }

    /// Counts a call that begins.
    #[inline]
    pub(super) fn begin(&mut self, index: usize, config: &RouterConfig, now: Tick) -> Charge {
        let (spec, stats) = (&self.specs[index], &mut self.stats[index]);
        let is_free = !stats.is_charged(spec.free_quota);
        let unqueued = stats.in_flight < spec.concurrency;
        let price = if is_free { 0.0 } else { spec.price };
        stats.free_reserved += u64::from(is_free);
        stats.in_flight += 1;
        stats.picked_at = now;
        self.picks += 1;
        stats.picked = self.picks;
        if let Some(limit) = spec.rate_limit {
            let interval = crate::clock::seconds(1.0 / limit);
            // A burst of half a second, as vendors' buckets have.
            let earliest = now.before(Duration::from_millis(500));
            self.rate_free_at[index] = self.rate_free_at[index].max(earliest).after(interval);
        }
        for ledger in &mut self.ledgers {
            ledger.charge(price, &spec.currency, now);
        }
        self.update(index, config, now);
        Charge { is_free, price, unqueued }
    }

    /// Books a call that ends; what it cost.
    #[inline]
    pub(super) fn settle(&mut self, index: usize, call: Ending, config: &RouterConfig, now: Tick) -> f64 {
        let Ending { category, charge, outcome, began } = call;
        let stats = &mut self.stats[index];
        stats.in_flight = stats.in_flight.saturating_sub(1);
        stats.free_reserved = stats.free_reserved.saturating_sub(u64::from(charge.is_free));
        let success = outcome == Outcome::Success;
        book(Some(stats), &mut self.ledgers, &self.specs[index].currency, charge, success, began);
        if success || outcome.is_failure() {
            let sample = Sample {
                category,
                latency: now.since(began),
                success,
                unqueued: charge.unqueued,
                dice: self.rng.f64(),
            };
            let was = stats.standing;
            stats.record(sample, config, now);
            if stats.standing != was || matches!(stats.standing.health, Health::Ejected { .. }) {
                self.next_probe = now;
            }
        }
        self.update(index, config, now);
        if success { charge.price } else { 0.0 }
    }

    /// Books what a call of an older list costs or gives back.
    pub(super) fn settle_old(&mut self, name: &str, currency: &str, charge: Charge, success: bool, began: Tick) {
        let index = self.specs.iter().position(|spec| &*spec.name == name);
        let stats = index.map(|index| &mut self.stats[index]);
        book(stats, &mut self.ledgers, currency, charge, success, began);
    }

    /// Ranks all endpoints, callable ones first, and lets the shadow decide beside it.
    pub(super) fn route(
        &mut self,
        availability: &[Availability],
        category: usize,
        config: &RouterConfig,
        now: Tick,
    ) -> Vec<Candidate> {
        let mut dice = self.rng.clone();
        let ranked = self.rank(availability, category, config, now, &mut dice);
        self.rng = dice;
        if config.policy == RouterPolicy::RoundRobin {
            self.turn = (self.turn + 1) % self.stats.len().max(1);
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.compare(&ranked, &self.specs, &self.stats, category, config);
        }
        ranked
    }

    /// The same without a trace: neither turn, nor dice, nor shadow move.
    pub(super) fn rank(
        &self,
        availability: &[Availability],
        category: usize,
        config: &RouterConfig,
        now: Tick,
        dice: &mut fastrand::Rng,
    ) -> Vec<Candidate> {
        let count = self.stats.len();
        let first = self.turn % count.max(1);
        let of = |index: usize| availability.get(index).copied().unwrap_or_default();
        let mut ranked: Vec<(f64, Candidate)> = (0..count)
            .filter(|index| !of(*index).is_excluded)
            .map(|index| {
                let availability = of(index);
                let terms = self.terms(index, category, availability, config);
                let stats = &self.stats[index];
                let in_turn = (index + count - first) % count;
                let rank = match config.policy {
                    RouterPolicy::RoundRobin => in_turn as f64,
                    policy => score::rank(policy, &terms, stats, category),
                };
                // A probe goes first: the others stand behind it if it fails.
                let is_probe = config.policy == RouterPolicy::Adaptive && stats.wants_probe(config, now);
                let rank = if is_probe { rank - PROBE_FIRST } else { rank };
                let exclusion = self.exclusion(index, availability, now);
                let is_free = !stats.is_charged(self.specs[index].free_quota) || self.specs[index].price <= 0.0;
                let endpoint = EndpointIndex(index);
                (rank, Candidate { endpoint, terms, exclusion, readmitted: None, is_free })
            })
            .collect();
        readmit_if_nobody_is_left(&mut ranked);
        // Ties fall at random, those of probes in the order of the list.
        dice.shuffle(&mut ranked);
        let place = |candidate: &Candidate| (candidate.exclusion.is_some(), self.specs[candidate.endpoint.0].priority);
        ranked.sort_by(|(a, x), (b, y)| {
            let by_place = || if *a < 0.0 { x.endpoint.cmp(&y.endpoint) } else { std::cmp::Ordering::Equal };
            place(x).cmp(&place(y)).then(a.total_cmp(b)).then_with(by_place)
        });
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }

    pub(super) fn terms(
        &self,
        index: usize,
        category: usize,
        availability: Availability,
        config: &RouterConfig,
    ) -> ScoreTerms {
        match config.policy {
            RouterPolicy::SeedScore => score::seed(&self.specs[index], &self.stats[index], category),
            _ => score::adaptive(&self.specs[index], &self.stats[index], category, availability, config),
        }
    }

    fn exclusion(&self, index: usize, availability: Availability, now: Tick) -> Option<Exclusion> {
        let stats = &self.stats[index];
        if let Some(retry_after) = availability.breaker_open {
            return Some(Exclusion::BreakerOpen { retry_after });
        }
        let over_budget = self.budget_wait(index, now);
        if over_budget.is_none_or(|wait| !wait.is_zero()) {
            return Some(Exclusion::OverBudget { retry_after: over_budget });
        }
        let limited = self.rate_free_at[index].since(now);
        if !limited.is_zero() {
            return Some(Exclusion::RateLimited { retry_after: limited });
        }
        match stats.standing.wait(stats.in_flight, now) {
            Some(wait) if wait.is_zero() => None,
            Some(retry_after) => Some(Exclusion::Ejected { retry_after }),
            None => Some(Exclusion::Ramping { in_flight: stats.in_flight }),
        }
    }

    /// Time until the budgets allow a call, zero now; `None` if they never do.
    fn budget_wait(&self, index: usize, now: Tick) -> Option<Duration> {
        let (spec, stats) = (&self.specs[index], &self.stats[index]);
        if self.ledgers.is_empty() || !stats.is_charged(spec.free_quota) {
            return Some(Duration::ZERO);
        }
        let waits = self.ledgers.iter().map(|ledger| ledger.wait(spec.price, &spec.currency, now));
        waits.collect::<Option<Vec<_>>>().map(|waits| waits.into_iter().max().unwrap_or_default())
    }

    fn fits_budget(&self, index: usize, now: Tick) -> bool {
        self.budget_wait(index, now).is_some_and(|wait| wait.is_zero())
    }

    /// Takes note of the quality of an answer.
    pub(super) fn record_flaws(
        &mut self,
        index: usize,
        category: usize,
        badness: f64,
        config: &RouterConfig,
        now: Tick,
    ) {
        if let Some(stats) = self.stats.get_mut(index) {
            stats.record_flaws(category, badness);
            self.update(index, config, now);
        }
    }

    /// Begins a call if the endpoint may have it now: the check and the charge are one step, so that of
    /// many callers who saw the last free call, one gets it.
    pub(super) fn try_begin(&mut self, wish: Wish, config: &RouterConfig, now: Tick) -> Result<Charge, Exclusion> {
        let Some(stats) = self.stats.get(wish.index) else { return Err(Exclusion::Replaced) };
        if wish.expects_free
            && stats.is_charged(self.specs[wish.index].free_quota)
            && self.specs[wish.index].price > 0.0
        {
            return Err(Exclusion::Repriced);
        }
        match self.exclusion(wish.index, Availability::default(), now) {
            Some(Exclusion::Ejected { .. } | Exclusion::Ramping { .. }) if wish.is_last_resort => {}
            Some(exclusion) => return Err(exclusion),
            None => {}
        }
        Ok(self.begin(wish.index, config, now))
    }

    pub(super) fn quantile(&self, index: usize, category: usize, share: f64) -> Option<f64> {
        let histogram = &self.stats.get(index)?.category(category)?.histogram;
        (!histogram.is_empty()).then(|| histogram.quantile(share))
    }

    /// Mirrors an endpoint into the lists of numbers.
    fn update(&mut self, index: usize, config: &RouterConfig, now: Tick) {
        let stats = &self.stats[index];
        let terms = self.terms(index, 0, Availability::default(), config);
        let cost = match config.policy {
            RouterPolicy::RoundRobin => stats.picked as f64,
            policy => score::rank(policy, &terms, stats, 0),
        };
        let cost = cost + f64::from(self.specs[index].priority) * PRIORITY_STEP;
        let by_health = match stats.standing.wait(stats.in_flight, now) {
            // With calls under way an ejected endpoint gets none beside them: each end looks again.
            Some(wait) if !wait.is_zero() && stats.in_flight > 0 => Tick::MAX,
            Some(wait) => now.after(wait),
            None => Tick::MAX,
        };
        // "Now" is no bound: another thread's reading may be a little older.
        let bound = |at: Tick| if at <= now { Tick::default() } else { at };
        self.not_before[index] = bound(by_health).max(bound(self.rate_free_at[index]));
        self.costs[index] = if cost.is_nan() { f64::MAX } else { cost };
    }
}

/// Turns what a call held into what it used, or gives it back.
#[inline]
fn book(
    stats: Option<&mut EndpointStats>,
    ledgers: &mut [BudgetLedger],
    currency: &str,
    charge: Charge,
    success: bool,
    began: Tick,
) {
    if !success {
        for ledger in ledgers {
            ledger.give_back(charge.price, currency, began);
        }
    } else if let Some(stats) = stats {
        stats.free_used += u64::from(charge.is_free);
        stats.charged_calls += u64::from(!charge.is_free);
    }
}

/// Health is a preference, not a verdict: when nobody else can be called, the ejected can.
fn readmit_if_nobody_is_left(ranked: &mut [(f64, Candidate)]) {
    if ranked.iter().all(|(_, candidate)| candidate.exclusion.is_some()) {
        for (_, candidate) in ranked.iter_mut() {
            if matches!(candidate.exclusion, Some(Exclusion::Ejected { .. } | Exclusion::Ramping { .. })) {
                candidate.readmitted = candidate.exclusion.take();
            }
        }
    }
}
