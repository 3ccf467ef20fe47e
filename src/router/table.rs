//! All a router knows, pure: (table, event, now) -> decision. The shell holds it under its lock.
//!
//! [`Views`] mirror the cost of each endpoint, and `not_before` the tick until which it may not be
//! called, so that a pick is one scan over two lists of numbers. Whatever changes an endpoint calls
//! [`Table::update`]; a *look*, at most a quarter of a second later, refreshes what fades with time and
//! sees who is due for a probe. `ranking.rs` has the same rules for a whole list.

use std::sync::Arc;
use std::time::Duration;

use super::arm::Arm;
use super::budget::BudgetLedger;
use super::histogram::Bucket;
use super::probes::{PROBE_LEASE, ProbeLedger, Purse, Shown};
use super::score::{self, Subject};
use super::shadow::ShadowCounts;
use super::stats::{EndpointStats, Sample};
use super::views::{View, Views};
use super::{Availability, Candidate, Decision, EndpointSpec, Exclusion, RouterConfig, RouterPolicy};
use crate::clock::Tick;
use crate::outcome::Outcome;

pub(super) struct Table {
    pub(super) config: RouterConfig,
    pub(super) specs: Arc<[EndpointSpec]>,
    pub(super) stats: Vec<EndpointStats>,
    pub(super) views: Views,
    pub(super) not_before: Vec<Tick>,
    /// When a call to the endpoint keeps to its rate limit.
    pub(super) rate_free_at: Vec<Tick>,
    budgets: Vec<BudgetLedger>,
    /// By category.
    pub(super) ledgers: Vec<ProbeLedger>,
    pub(super) purse: Purse,
    /// Price of the dearest endpoint.
    dearest: f64,
    /// The endpoint that a ranking offered as a probe, until it is called.
    pub(super) offered: Option<usize>,
    /// The next tick at which costs are refreshed and probes looked for.
    next_look: Tick,
    pub(super) turns: u64,
    pub(super) rng: fastrand::Rng,
    pub(super) shadow: Option<ShadowCounts>,
    pub(super) arms: Option<[Arm; 2]>,
}

/// The time between two looks, at most.
const LOOK: Duration = Duration::from_millis(250);
/// What a rate limit lets through at once, as vendors' buckets do.
const BURST: Duration = Duration::from_millis(500);

/// One latency may be so much above the best's cost and still come from an endpoint that is better.
const PLAUSIBLE: f64 = 1.5;

/// Up to here the costs of two endpoints are about the same.
const NEAR: f64 = 1.2;

/// Whom to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) index: usize,
    /// Not since it is the best, but to learn how it does.
    pub(super) is_probe: bool,
    /// Nobody healthy can be called.
    pub(super) is_last_resort: bool,
}

/// A call that somebody wants to begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    pub(super) index: usize,
    pub(super) category: usize,
    pub(super) arm: usize,
    pub(super) is_probe: bool,
    /// Health does not matter: nobody else can be called.
    pub(super) is_last_resort: bool,
    /// It was ranked as costing nothing.
    pub(super) expects_free: bool,
}

impl Wish {
    /// A call of category 0 that nobody ranked.
    pub(super) fn plain(index: usize) -> Self {
        Self { index, category: 0, arm: 0, is_probe: false, is_last_resort: false, expects_free: false }
    }

    /// The call of a candidate.
    pub(super) fn of(decision: &Decision, candidate: &Candidate) -> Self {
        Self {
            index: candidate.endpoint.0,
            category: decision.category,
            arm: decision.arm,
            is_probe: candidate.is_probe,
            is_last_resort: candidate.readmitted.is_some(),
            expects_free: candidate.is_free,
        }
    }
}

/// A call that ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ending {
    pub(super) category: usize,
    pub(super) charge: Charge,
    pub(super) outcome: Outcome,
    pub(super) began: Tick,
    pub(super) latency: Bucket,
}

/// What a call that begins holds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Charge {
    /// A free call of the quota.
    pub(super) is_free: bool,
    /// What it will cost if it succeeds.
    pub(super) price: f64,
    /// It found a free place.
    pub(super) unqueued: bool,
    pub(super) is_probe: bool,
    /// The price is out of the purse of probes.
    pub(super) from_purse: bool,
    pub(super) arm: usize,
}

impl Table {
    pub(super) fn new(specs: Vec<EndpointSpec>, config: RouterConfig, now: Tick) -> Self {
        let count = specs.len();
        let mut table = Self {
            specs: specs.into(),
            stats: (0..count).map(|index| EndpointStats::new(index as u64, now)).collect(),
            views: Views::new(&config),
            not_before: Vec::new(),
            rate_free_at: vec![Tick::default(); count],
            budgets: config.budgets.iter().map(BudgetLedger::new).collect(),
            ledgers: vec![ProbeLedger::default()],
            purse: Purse::default(),
            dearest: 0.0,
            offered: None,
            next_look: now,
            turns: count as u64,
            rng: fastrand::Rng::with_seed(config.seed),
            shadow: config.shadow.map(|_| ShadowCounts::default()),
            arms: config.split.map(|_| Default::default()),
            config,
        };
        table.mirror_all(now);
        table
    }

    /// Replaces the list; endpoints that keep their name keep their history.
    pub(super) fn replace(&mut self, specs: Vec<EndpointSpec>, now: Tick) -> Arc<[EndpointSpec]> {
        let known = |spec: &EndpointSpec| self.specs.iter().position(|old| old.name == spec.name);
        let places: Vec<Option<usize>> = specs.iter().map(known).collect();
        let fresh = |index: usize| EndpointStats::new(index as u64, now);
        let stats =
            |(index, at): (usize, &Option<usize>)| at.map_or_else(|| fresh(index), |at| self.stats[at].at_rest());
        let stats = places.iter().enumerate().map(stats).collect();
        let rate_free_at = |(at, spec): (&Option<usize>, &EndpointSpec)| {
            let (Some(at), Some(limit)) = (*at, spec.rate_limit) else { return Tick::default() };
            // Never later than the new limit has it.
            self.rate_free_at[at].min(now.after(crate::clock::seconds(1.0 / limit)))
        };
        self.rate_free_at = places.iter().zip(&specs).map(rate_free_at).collect();
        self.stats = stats;
        self.offered = None;
        let old = std::mem::replace(&mut self.specs, specs.into());
        self.mirror_all(now);
        old
    }

    fn mirror_all(&mut self, now: Tick) {
        self.dearest = self.specs.iter().map(|spec| spec.price).fold(0.0, f64::max);
        self.not_before = vec![Tick::default(); self.specs.len()];
        self.views.resize(self.specs.len());
        self.refresh(now);
        self.next_look = now;
    }

    /// Chooses an endpoint for one call by the policy of an arm; `except` is not asked. `None`: nobody
    /// may be called.
    #[inline]
    pub(super) fn pick(&mut self, except: Option<usize>, arm: usize, now: Tick) -> Option<Choice> {
        let is_look = now >= self.next_look;
        if is_look {
            self.refresh(now);
        }
        let mut dice = self.rng.clone();
        // Purses are shared: what one call holds changes what all may do.
        let fits = |index: usize| self.budgets.is_empty() || self.fits_budget(index, now);
        let View { costs, doubts, .. } = self.views.of(arm);
        let mut best = (f64::INFINITY, usize::MAX);
        let mut reach = f64::INFINITY;
        for (index, ((cost, doubt), not_before)) in costs.iter().zip(doubts).zip(&self.not_before).enumerate() {
            if *cost < best.0 && *not_before <= now && Some(index) != except && fits(index) {
                best = (*cost, index);
                reach = *cost + *doubt;
            }
        }
        if best.1 == usize::MAX {
            return self.last_resort(except, arm, now);
        }
        let price = self.price(best.1);
        let near = |index: usize| {
            costs[index] - doubts[index] <= reach && self.not_before[index] <= now && self.price(index) <= price
        };
        let equals = (0..costs.len()).filter(|index| near(*index) && Some(*index) != except && fits(*index));
        let chosen = among_equals(equals, &self.specs, &self.stats, &mut dice).unwrap_or(best.1);
        self.rng = dice;
        if self.shadow.is_some() {
            self.compare_pick(chosen, except, now);
        }
        let probe = if is_look { self.look(best.1, except, arm, now) } else { None };
        let index = probe.unwrap_or(chosen);
        Some(Choice { index, is_probe: probe.is_some(), is_last_resort: false })
    }

    /// An endpoint that is due for a probe; without any, the next look is later.
    #[cold]
    fn look(&mut self, best: usize, except: Option<usize>, arm: usize, now: Tick) -> Option<usize> {
        let costs = self.views.costs(arm);
        let may = |index: usize| self.not_before[index] <= now && Some(index) != except && self.fits_budget(index, now);
        let probe = self.probe(self.policy(arm), 0, (best, costs[best]), may, now);
        if probe.is_none() {
            let ends = self.stats.iter().filter_map(|stats| stats.standing.ejected_until());
            let next = ends.filter(|until| *until > now).min().unwrap_or(Tick::MAX);
            self.next_look = next.min(now.after(LOOK));
        }
        probe
    }

    /// Health is a preference: when nobody healthy can be called, the least bad of the rest can, but not
    /// against a rate limit or a budget.
    #[cold]
    fn last_resort(&self, except: Option<usize>, arm: usize, now: Tick) -> Option<Choice> {
        if self.refuses_unhealthy(arm) {
            return None;
        }
        let costs = self.views.costs(arm);
        let possible = (0..self.stats.len()).filter(|index| {
            Some(*index) != except && self.rate_free_at[*index] <= now && self.fits_budget(*index, now)
        });
        let least_bad = possible.min_by(|a, b| costs[*a].total_cmp(&costs[*b]));
        least_bad.map(|index| Choice { index, is_probe: false, is_last_resort: true })
    }

    /// What the next call to an endpoint costs.
    #[inline]
    pub(super) fn price(&self, index: usize) -> f64 {
        let spec = &self.specs[index];
        if spec.price > 0.0 && self.stats[index].is_charged(spec.free_quota) { spec.price } else { 0.0 }
    }

    pub(super) fn policy(&self, arm: usize) -> RouterPolicy {
        match self.config.split {
            Some(split) if arm == 1 => split.policy,
            _ => self.config.policy,
        }
    }

    /// The arm of the next decision.
    #[inline]
    pub(super) fn draw_arm(&mut self) -> usize {
        self.config.split.map_or(0, |split| usize::from(self.rng.f64() < split.share))
    }

    /// Whether nobody is called when nobody is healthy.
    pub(super) fn refuses_unhealthy(&self, arm: usize) -> bool {
        self.config.fail_closed || self.policy(arm) == RouterPolicy::SeedScore
    }

    #[inline]
    fn compare_pick(&mut self, chosen: usize, except: Option<usize>, now: Tick) {
        let costs = self.views.shadow_costs();
        let mut other = (f64::INFINITY, chosen);
        for (index, (cost, not_before)) in costs.iter().zip(&self.not_before).enumerate() {
            let may = *not_before <= now && Some(index) != except;
            if may && *cost < other.0 && (self.budgets.is_empty() || self.fits_budget(index, now)) {
                other = (*cost, index);
            }
        }
        let costs = self.views.adaptive_costs();
        let compared = [(chosen, costs[chosen]), (other.1, costs[other.1])];
        if let Some(shadow) = &mut self.shadow {
            shadow.compare(compared[0], compared[1]);
        }
    }

    /// Counts a call that begins.
    #[inline]
    pub(super) fn begin(&mut self, wish: Wish, now: Tick) -> Charge {
        let Wish { index, category, arm, .. } = wish;
        let is_probe = wish.is_probe || self.offered == Some(index);
        let ledger = self.ledger(category);
        ledger.begin(is_probe);
        let calls = ledger.calls;
        let (spec, stats) = (&self.specs[index], &mut self.stats[index]);
        let is_free = !stats.is_charged(spec.free_quota);
        let unqueued = stats.load.calls() < spec.concurrency;
        let price = if is_free { 0.0 } else { spec.price };
        let is_first_try = stats.is_untried();
        stats.of_category(category, calls).probing.begin(is_probe, calls, now);
        stats.free_reserved += u64::from(is_free);
        self.turns += 1;
        stats.begin(self.turns, now);
        let from_purse = is_probe && !is_first_try && price > 0.0;
        if is_probe {
            self.offered = None;
            stats.probed_until = now.after(PROBE_LEASE);
            self.purse.take(if from_purse { price } else { 0.0 });
        }
        if let Some(limit) = spec.rate_limit {
            let interval = crate::clock::seconds(1.0 / limit);
            self.rate_free_at[index] = self.rate_free_at[index].max(now.before(BURST)).after(interval);
        }
        for budget in &mut self.budgets {
            budget.charge(price, &spec.currency, now);
        }
        self.update(index, now);
        Charge { is_free, price, unqueued, is_probe, from_purse, arm }
    }

    /// Begins a call if the endpoint may have it now: the check and the charge are one step, so that of
    /// many callers who saw the last free call, one gets it.
    pub(super) fn try_begin(&mut self, wish: Wish, now: Tick) -> Result<Charge, Exclusion> {
        let Some(stats) = self.stats.get(wish.index) else { return Err(Exclusion::Replaced) };
        let spec = &self.specs[wish.index];
        if wish.expects_free && stats.is_charged(spec.free_quota) && spec.price > 0.0 {
            return Err(Exclusion::Repriced);
        }
        if wish.is_probe && (now < stats.probed_until || !self.may_probe(wish.index, wish.category)) {
            return Err(Exclusion::Probing);
        }
        match self.exclusion(wish.index, Availability::default(), now) {
            Some(Exclusion::Ejected { .. } | Exclusion::Ramping { .. }) if wish.is_last_resort => {}
            Some(exclusion) => return Err(exclusion),
            None => {}
        }
        Ok(self.begin(wish, now))
    }

    /// Books a call that ends; what it cost.
    #[inline]
    pub(super) fn settle(&mut self, index: usize, call: Ending, now: Tick) -> f64 {
        let Ending { category, charge, outcome, began, latency } = call;
        let stats = &mut self.stats[index];
        stats.load.end(began, now);
        stats.standing.ended(began);
        stats.free_reserved = stats.free_reserved.saturating_sub(u64::from(charge.is_free));
        let success = outcome == Outcome::Success;
        book(Some(stats), &mut self.budgets, &self.specs[index].currency, charge, success, began);
        let was = stats.standing;
        if success || outcome.is_failure() {
            let Charge { unqueued, is_probe, .. } = charge;
            let sample = Sample { category, latency, success, unqueued, is_probe, began, dice: self.rng.f64() };
            stats.record(sample, &self.config, now);
            if self.views.need_percentiles() {
                stats.of_category(category, 0).histogram.refresh();
            }
            if let Some(arms) = &mut self.arms {
                let cost = if success { charge.price } else { 0.0 };
                arms[charge.arm].record(latency, success, cost, now);
            }
        }
        if self.stats[index].standing != was || charge.is_probe {
            self.next_look = now;
        }
        self.update(index, now);
        self.settle_probe(index, &call, now);
        if success { charge.price } else { 0.0 }
    }

    /// What the ledgers get of a call that ends, and what a probe has shown.
    fn settle_probe(&mut self, index: usize, call: &Ending, now: Tick) {
        let Ending { category, charge, outcome, latency, .. } = *call;
        let success = outcome == Outcome::Success;
        if !charge.is_probe {
            if success && charge.price > 0.0 {
                self.purse.earn(charge.price, self.dearest, now);
            }
            return;
        }
        self.stats[index].probed_until = Tick::default();
        if charge.from_purse && !success {
            self.purse.give_back(charge.price);
        }
        if !success && !outcome.is_failure() {
            self.ledger(category).give_back();
            return;
        }
        let (spec, stats) = (&self.specs[index], &self.stats[index]);
        let shown = score::at_best(spec, stats, latency.seconds, &self.config);
        let others = self.views.costs(charge.arm).iter().zip(&self.not_before).enumerate();
        let others = others.filter(|(other, (_, not_before))| *other != index && **not_before <= now);
        let best = others.map(|(_, (cost, _))| *cost).fold(f64::INFINITY, f64::min);
        let is_near = self.views.costs(charge.arm)[index] < best * NEAR;
        let shown = match (success, shown < best * PLAUSIBLE) {
            (false, _) => Shown::Failure,
            (true, true) => Shown::Better { is_near },
            (true, false) => Shown::Worse,
        };
        self.stats[index].of_category(category, 0).probing.learn(shown);
    }

    /// Books what a call of an older list costs or gives back.
    pub(super) fn settle_old(&mut self, name: &str, currency: &str, charge: Charge, success: bool, began: Tick) {
        let index = self.specs.iter().position(|spec| &*spec.name == name);
        let stats = index.map(|index| &mut self.stats[index]);
        book(stats, &mut self.budgets, currency, charge, success, began);
        if charge.from_purse && !success {
            self.purse.give_back(charge.price);
        }
    }

    pub(super) fn ledger(&mut self, category: usize) -> &mut ProbeLedger {
        if self.ledgers.len() <= category {
            self.ledgers.resize_with(category + 1, ProbeLedger::default);
        }
        &mut self.ledgers[category]
    }

    /// Time until the budgets allow a call, zero now; `None` if they never do.
    pub(super) fn budget_wait(&self, index: usize, now: Tick) -> Option<Duration> {
        let (spec, stats) = (&self.specs[index], &self.stats[index]);
        if self.budgets.is_empty() || !stats.is_charged(spec.free_quota) {
            return Some(Duration::ZERO);
        }
        let waits = self.budgets.iter().map(|budget| budget.wait(spec.price, &spec.currency, now));
        waits.collect::<Option<Vec<_>>>().map(|waits| waits.into_iter().max().unwrap_or_default())
    }

    pub(super) fn fits_budget(&self, index: usize, now: Tick) -> bool {
        self.budget_wait(index, now).is_some_and(|wait| wait.is_zero())
    }

    /// Takes note of the quality of an answer.
    pub(super) fn record_flaws(&mut self, index: usize, category: usize, badness: f64, now: Tick) {
        if let Some(stats) = self.stats.get_mut(index) {
            stats.record_flaws(category, badness, &self.config, now);
            self.update(index, now);
        }
    }

    pub(super) fn quantile(&self, index: usize, category: usize, share: f64) -> Option<f64> {
        let histogram = &self.stats.get(index)?.category(category)?.histogram;
        (!histogram.is_empty()).then(|| histogram.quantile(share))
    }

    /// What is known, as it is after all the time that has passed.
    fn refresh(&mut self, now: Tick) {
        for index in 0..self.stats.len() {
            self.stats[index].load.age(now);
            self.update(index, now);
        }
    }

    /// Mirrors an endpoint into the lists of numbers.
    #[inline]
    fn update(&mut self, index: usize, now: Tick) {
        let stats = &self.stats[index];
        let subject = Subject { spec: &self.specs[index], stats, category: 0, availability: Availability::default() };
        self.views.mirror(index, subject, &self.config, now);
        let by_health = match stats.wait(now) {
            Some(wait) => now.after(wait),
            None => Tick::MAX,
        };
        // "Now" is no bound: another thread's reading may be a little older.
        let bound = |at: Tick| if at <= now { Tick::default() } else { at };
        self.not_before[index] = bound(by_health).max(bound(self.rate_free_at[index]));
    }
}

/// Of endpoints that are as good as each other, the one with most room; if they have as much, by chance.
#[inline]
pub(super) fn among_equals(
    equals: impl Iterator<Item = usize>,
    specs: &[EndpointSpec],
    stats: &[EndpointStats],
    rng: &mut fastrand::Rng,
) -> Option<usize> {
    let mut chosen: Option<(usize, f64)> = None;
    let mut alike = 1u32;
    for index in equals {
        let taken = f64::from(stats[index].load.calls()) / f64::from(specs[index].concurrency);
        let takes = match chosen {
            Some((_, least)) if taken > least => false,
            Some((_, least)) if taken == least => {
                alike += 1;
                rng.u32(0..alike) == 0
            }
            _ => {
                alike = 1;
                true
            }
        };
        if takes {
            chosen = Some((index, taken));
        }
    }
    chosen.map(|(index, _)| index)
}

/// Turns what a call held into what it used, or gives it back.
#[inline]
fn book(
    stats: Option<&mut EndpointStats>,
    budgets: &mut [BudgetLedger],
    currency: &str,
    charge: Charge,
    success: bool,
    began: Tick,
) {
    if !success {
        for budget in budgets {
            budget.give_back(charge.price, currency, began);
        }
    } else if let Some(stats) = stats {
        stats.free_used += u64::from(charge.is_free);
        stats.spent += charge.price;
    }
}
