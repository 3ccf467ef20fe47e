//! Calls that begin and end, in the table: what they hold, what they cost, what they have shown.

use std::time::Duration;

use super::budget::BudgetLedger;
use super::histogram::Bucket;
use super::probes::{PROBE_LEASE, Shown};
use super::score;
use super::stats::{EndpointStats, Sample};
use super::table::Table;
use super::{Availability, Candidate, Decision, Exclusion};
use crate::clock::Tick;
use crate::outcome::Outcome;

/// What a rate limit lets through at once, as vendors' buckets do.
const BURST: Duration = Duration::from_millis(500);

/// One latency may be so much above the best's cost and still come from an endpoint that is better.
const PLAUSIBLE: f64 = 1.5;

/// Up to here the costs of two endpoints are about the same.
const NEAR: f64 = 1.2;

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
    pub(super) purpose: Purpose,
    pub(super) arm: usize,
}

/// What a call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Purpose {
    #[default]
    Answer,
    Probe,
    /// A probe whose price is out of the purse of probes.
    PaidProbe,
}

impl Table {
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
        let purpose = match is_probe {
            true if !is_first_try && price > 0.0 => Purpose::PaidProbe,
            true => Purpose::Probe,
            false => Purpose::Answer,
        };
        if is_probe {
            self.offered = None;
            stats.probed_until = now.after(PROBE_LEASE);
        }
        if purpose == Purpose::PaidProbe {
            self.probe_budget.take(price);
        }
        if let Some(limit) = spec.rate_limit {
            let interval = crate::clock::seconds(1.0 / limit);
            self.rate_free_at[index] = self.rate_free_at[index].max(now.before(BURST)).after(interval);
        }
        for budget in &mut self.budgets {
            budget.charge(price, &spec.currency, now);
        }
        self.update_load(index, now);
        Charge { is_free, price, unqueued, purpose, arm }
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
            let (unqueued, is_probe) = (charge.unqueued, charge.purpose != Purpose::Answer);
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
        if self.stats[index].standing != was || charge.purpose != Purpose::Answer {
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
        if charge.purpose == Purpose::Answer {
            if success && charge.price > 0.0 {
                self.probe_budget.earn(charge.price, self.dearest, now);
            }
            return;
        }
        self.stats[index].probed_until = Tick::default();
        if charge.purpose == Purpose::PaidProbe && !success {
            self.probe_budget.give_back(charge.price);
        }
        if !success && !outcome.is_failure() {
            self.ledger(category).give_back();
            return;
        }
        let (spec, stats) = (&self.specs[index], &self.stats[index]);
        let shown = score::at_best(spec, stats, latency.seconds, &self.config);
        let entries = self.views.of(charge.arm);
        let others = entries.iter().enumerate().filter(|(other, of)| *other != index && of.not_before <= now);
        let best = others.map(|(_, of)| of.cost).fold(f64::INFINITY, f64::min);
        let is_near = entries[index].cost < best * NEAR;
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
        if charge.purpose == Purpose::PaidProbe && !success {
            self.probe_budget.give_back(charge.price);
        }
    }
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
