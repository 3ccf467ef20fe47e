//! The rules of a pick for a whole list: who may be called, in which order, who is due for a probe.

use std::time::Duration;

use super::probes::{ProbeLedger, Probing};
use super::score::{self, Subject};
use super::table::{Table, among_equals};
use super::views::{self, PRIORITY_STEP};
use super::{Availability, Candidate, EndpointIndex, Exclusion, RouterPolicy};
use crate::clock::Tick;

/// What a ranking is made for.
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) availability: &'a [Availability],
    pub(super) category: usize,
    pub(super) arm: usize,
}

impl Query<'_> {
    fn of(&self, index: usize) -> Availability {
        self.availability.get(index).copied().unwrap_or_default()
    }
}

impl Table {
    /// Ranks all endpoints, callable ones first; shadow, turns and dice move.
    pub(super) fn route(&mut self, query: Query<'_>, now: Tick) -> Vec<Candidate> {
        self.ledger(query.category);
        for stats in &mut self.stats {
            stats.load.age(now);
        }
        let mut dice = self.rng.clone();
        let ranked = self.rank(query, now, &mut dice);
        self.rng = dice;
        let first = ranked.first().filter(|first| first.exclusion.is_none());
        self.offered = first.filter(|first| first.is_probe).map(|first| first.endpoint.0);
        if let Some(first) = first.filter(|_| self.policy(query.arm) == RouterPolicy::RoundRobin) {
            self.turns += 1;
            self.stats[first.endpoint.0].turn = self.turns;
        }
        self.compare_ranked(query, &ranked, now);
        ranked
    }

    /// The same without a trace.
    pub(super) fn rank(&self, query: Query<'_>, now: Tick, dice: &mut fastrand::Rng) -> Vec<Candidate> {
        let policy = self.policy(query.arm);
        let included = (0..self.stats.len()).filter(|index| !query.of(*index).is_excluded);
        let mut ranked: Vec<(f64, Candidate)> = included
            .map(|index| {
                let subject = self.subject(index, query);
                let terms = score::terms(policy, subject, &self.config, now);
                let rank = score::rank(policy, &terms, subject);
                let rank = rank + f64::from(subject.spec.priority) * PRIORITY_STEP;
                let exclusion = self.exclusion(index, query.of(index), now);
                let is_free = self.price(index) <= 0.0;
                let endpoint = EndpointIndex(index);
                (rank, Candidate { endpoint, terms, exclusion, readmitted: None, is_free, is_probe: false })
            })
            .collect();
        if !self.refuses_unhealthy(query.arm) {
            readmit_if_nobody_is_left(&mut ranked);
        }
        // Ties fall at random.
        dice.shuffle(&mut ranked);
        let place = |(_, of): &(f64, Candidate)| of.exclusion.is_some();
        ranked.sort_by(|a, b| place(a).cmp(&place(b)).then(a.0.total_cmp(&b.0)));
        if let Some(at) = self.first_of_equals(policy, query, &ranked, dice) {
            ranked[..=at].rotate_right(1);
        }
        if let Some(at) = self.place_of_probe(policy, query, &ranked, now) {
            // The others stand behind it if it fails.
            ranked[..=at].rotate_right(1);
            ranked[0].1.is_probe = true;
        }
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The place of the one that is called of those as good as the best.
    fn first_of_equals(
        &self,
        policy: RouterPolicy,
        query: Query<'_>,
        ranked: &[(f64, Candidate)],
        dice: &mut fastrand::Rng,
    ) -> Option<usize> {
        let doubt = |index: usize| views::doubt(policy, self.subject(index, query));
        let (best, of) = ranked.first().filter(|(_, of)| of.exclusion.is_none() && of.readmitted.is_none())?;
        let (reach, price) = (best + doubt(of.endpoint.0), self.price(of.endpoint.0));
        let near = ranked.iter().take_while(|(_, of)| of.exclusion.is_none());
        let near = near
            .map(|(cost, of)| (*cost, of.endpoint.0))
            .filter(|(cost, at)| cost - doubt(*at) <= reach && self.price(*at) <= price);
        let chosen = among_equals(near.map(|(_, index)| index), &self.specs, &self.stats, dice)?;
        ranked.iter().position(|(_, of)| of.endpoint.0 == chosen)
    }

    /// The place of the one that is due for a probe.
    fn place_of_probe(
        &self,
        policy: RouterPolicy,
        query: Query<'_>,
        ranked: &[(f64, Candidate)],
        now: Tick,
    ) -> Option<usize> {
        let mut callable = vec![false; self.stats.len()];
        let mut best = (usize::MAX, f64::INFINITY);
        for (cost, of) in ranked.iter().filter(|(_, of)| of.exclusion.is_none() && of.readmitted.is_none()) {
            let index = of.endpoint.0;
            callable[index] = true;
            // Of ties the first of the list, whatever the dice said.
            if *cost < best.1 || (*cost <= best.1 && index < best.0) {
                best = (index, *cost);
            }
        }
        let probe =
            if best.0 == usize::MAX { None } else { self.probe(policy, query.category, best, |at| callable[at], now) };
        ranked.iter().position(|(_, of)| Some(of.endpoint.0) == probe)
    }

    /// An endpoint that is worth a call though another one is best: its last probe looked better than the
    /// best, or it has been away, unknown or idle for long; and what it costs can be paid for.
    pub(super) fn probe(
        &self,
        policy: RouterPolicy,
        category: usize,
        (best, best_cost): (usize, f64),
        may: impl Fn(usize) -> bool,
        now: Tick,
    ) -> Option<usize> {
        let is_measured = matches!(policy, RouterPolicy::Adaptive | RouterPolicy::Fastest);
        if !is_measured || self.stats[best].is_untried() {
            return None;
        }
        let due = (0..self.stats.len()).filter_map(|index| {
            if index == best || !self.may_probe(index, category) || !may(index) {
                return None;
            }
            let spec = &self.specs[index];
            // Not before those of a lower priority number, and only if it could be the best.
            let at_best = if policy == RouterPolicy::Adaptive {
                score::at_best(spec, &self.stats[index], 0.0, &self.config)
            } else {
                0.0
            };
            let could_be_best = at_best + f64::from(spec.priority) * PRIORITY_STEP < best_cost;
            let due = self.due(index, category, now).filter(|_| could_be_best)?;
            Some((due, index))
        });
        let promising = |index: usize| self.probing(index, category).is_promising();
        let first = due.min_by_key(|(due, index)| (!promising(*index), *due));
        first.map(|(_, index)| index)
    }

    /// Whether the ledgers allow a probe.
    pub(super) fn may_probe(&self, index: usize, category: usize) -> bool {
        let price = self.price(index);
        self.ledgers.get(category).is_none_or(ProbeLedger::has_one)
            && (price <= 0.0 || self.stats[index].is_untried() || self.probe_budget.has(price))
    }

    /// Since when an endpoint is due for a probe.
    fn due(&self, index: usize, category: usize, now: Tick) -> Option<Tick> {
        let stats = &self.stats[index];
        if now < stats.probed_until || stats.wait(now).is_none_or(|wait| !wait.is_zero()) {
            return None;
        }
        let probing = self.probing(index, category);
        if stats.is_untried() || probing.is_promising() {
            return Some(stats.since);
        }
        let calls = self.ledgers.get(category).map_or(0, |ledger| ledger.calls);
        stats.standing.ejected_until().or_else(|| probing.due(self.config.probe_idle_after, calls, now))
    }

    fn probing(&self, index: usize, category: usize) -> Probing {
        let stats = &self.stats[index];
        stats.own_category(category).map_or(Probing::new(stats.since, 0), |of| of.probing)
    }

    fn subject(&self, index: usize, query: Query<'_>) -> Subject<'_> {
        let (spec, stats) = (&self.specs[index], &self.stats[index]);
        Subject { spec, stats, category: query.category, availability: query.of(index) }
    }

    pub(super) fn exclusion(&self, index: usize, availability: Availability, now: Tick) -> Option<Exclusion> {
        let stats = &self.stats[index];
        if let Some(after) = availability.breaker_open {
            let retry_after = Some(after).filter(|after| *after < Duration::MAX);
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
        match stats.wait(now) {
            Some(wait) if wait.is_zero() => None,
            Some(retry_after) => Some(Exclusion::Ejected { retry_after }),
            None => Some(Exclusion::Ramping { in_flight: stats.load.calls() }),
        }
    }

    /// Lets the shadow decide beside a ranking, over the same callable endpoints.
    fn compare_ranked(&mut self, query: Query<'_>, ranked: &[Candidate], now: Tick) {
        let Some(shadow) = self.config.shadow else { return };
        let callable = || ranked.iter().filter(|of| of.exclusion.is_none()).map(|of| of.endpoint.0);
        let by =
            |policy: RouterPolicy, index: usize| views::cost(policy, self.subject(index, query), &self.config, now);
        // A probe is no choice.
        let chosen = ranked.iter().find(|of| of.exclusion.is_none() && !of.is_probe).map(|of| of.endpoint.0);
        let other = callable().map(|index| (by(shadow, index), index)).min_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(chosen), Some((_, other))) = (chosen, other) else { return };
        let cost = |index: usize| (index, by(RouterPolicy::Adaptive, index));
        let (chosen, other) = (cost(chosen), cost(other));
        if let Some(counts) = &mut self.shadow {
            counts.compare(chosen, other);
        }
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
