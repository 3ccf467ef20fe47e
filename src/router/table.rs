//! All a router knows, pure: (table, event, now) -> decision. The shell holds it under its lock.
//!
//! [`Views`] mirror the cost of each endpoint, and the tick until which it may not be called, so that a
//! pick is one scan over a list. Whatever changes an endpoint calls
//! [`Table::update`]; a *look*, at most a quarter of a second later, refreshes what fades with time and
//! sees who is due for a probe. `ranking.rs` has the same rules for a whole list, `booking.rs` what calls
//! hold and leave behind.

use std::sync::Arc;
use std::time::Duration;

use super::arm::Arm;
use super::budget::BudgetLedger;
use super::probes::{ProbeBudget, ProbeLedger};
use super::score::Subject;
use super::shadow::ShadowCounts;
use super::stats::EndpointStats;
use super::views::{Entry, Views};
use super::{Availability, EndpointSpec, RouterConfig, RouterPolicy};
use crate::clock::Tick;

pub(super) struct Table {
    pub(super) config: Box<RouterConfig>,
    pub(super) specs: Arc<[EndpointSpec]>,
    pub(super) stats: Vec<EndpointStats>,
    pub(super) views: Views,
    /// When a call to the endpoint keeps to its rate limit.
    pub(super) rate_free_at: Vec<Tick>,
    pub(super) budgets: Vec<BudgetLedger>,
    /// By category.
    pub(super) ledgers: Vec<ProbeLedger>,
    pub(super) probe_budget: ProbeBudget,
    /// Price of the dearest endpoint.
    pub(super) dearest: f64,
    /// The endpoint that a ranking offered as a probe, until it is called.
    pub(super) offered: Option<usize>,
    /// The next tick at which costs are refreshed and probes looked for.
    pub(super) next_look: Tick,
    pub(super) turns: u64,
    pub(super) rng: fastrand::Rng,
    pub(super) shadow: Option<ShadowCounts>,
    pub(super) arms: Option<[Arm; 2]>,
}

/// The time between two looks, at most.
const LOOK: Duration = Duration::from_millis(250);
/// Whom to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) index: usize,
    /// Not since it is the best, but to learn how it does.
    pub(super) is_probe: bool,
    /// Nobody healthy can be called.
    pub(super) is_last_resort: bool,
}

impl Table {
    pub(super) fn new(specs: Vec<EndpointSpec>, config: RouterConfig, now: Tick) -> Self {
        let count = specs.len();
        let mut table = Self {
            specs: specs.into(),
            stats: (0..count).map(|index| EndpointStats::new(index as u64, now)).collect(),
            views: Views::new(&config),
            rate_free_at: vec![Tick::default(); count],
            budgets: config.budgets.iter().map(BudgetLedger::new).collect(),
            ledgers: vec![ProbeLedger::default()],
            probe_budget: ProbeBudget::default(),
            dearest: 0.0,
            offered: None,
            next_look: now,
            turns: count as u64,
            rng: fastrand::Rng::with_seed(config.seed),
            shadow: config.shadow.map(|_| ShadowCounts::default()),
            arms: config.split.map(|_| Default::default()),
            config: Box::new(config),
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
        let entries = self.views.of(arm);
        let (mut best, mut chosen) = (f64::INFINITY, usize::MAX);
        // The two lowest lows: one is of the best, and only if the other is in its reach there are equals.
        let mut low = [f64::INFINITY; 2];
        for (index, entry) in entries.iter().enumerate() {
            let is_low = entry.low < low[1] || entry.cost < best;
            if !is_low || entry.not_before > now || Some(index) == except || !fits(index) {
                continue;
            }
            low = [low[0].min(entry.low), low[1].min(low[0].max(entry.low))];
            if entry.cost < best {
                (best, chosen) = (entry.cost, index);
            }
        }
        if chosen == usize::MAX {
            return self.last_resort(except, arm, now);
        }
        let best = chosen;
        let reach = 2.0 * entries[best].cost - entries[best].low;
        if low[1] <= reach {
            let price = self.price(best);
            let near = |index: usize| {
                entries[index].low <= reach && entries[index].not_before <= now && self.price(index) <= price
            };
            let equals = (0..entries.len()).filter(|index| near(*index) && Some(*index) != except && fits(*index));
            chosen = among_equals(equals, &self.specs, &self.stats, &mut dice).unwrap_or(best);
            self.rng = dice;
        }
        if self.shadow.is_some() {
            self.compare_pick(chosen, except, now);
        }
        let probe = if is_look { self.look(best, except, arm, now) } else { None };
        let index = probe.unwrap_or(chosen);
        Some(Choice { index, is_probe: probe.is_some(), is_last_resort: false })
    }

    /// An endpoint that is due for a probe; without any, the next look is later.
    #[cold]
    fn look(&mut self, best: usize, except: Option<usize>, arm: usize, now: Tick) -> Option<usize> {
        let entries = self.views.of(arm);
        let may =
            |index: usize| entries[index].not_before <= now && Some(index) != except && self.fits_budget(index, now);
        let probe = self.probe(self.policy(arm), 0, (best, entries[best].cost), may, now);
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
        let entries = self.views.of(arm);
        let possible = (0..self.stats.len()).filter(|index| {
            Some(*index) != except && self.rate_free_at[*index] <= now && self.fits_budget(*index, now)
        });
        let least_bad = possible.min_by(|a, b| entries[*a].cost.total_cmp(&entries[*b].cost));
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
        let mut other = (f64::INFINITY, chosen);
        for (index, Entry { cost, not_before, .. }) in self.views.of_shadow().iter().enumerate() {
            let may = *not_before <= now && Some(index) != except;
            if may && *cost < other.0 && (self.budgets.is_empty() || self.fits_budget(index, now)) {
                other = (*cost, index);
            }
        }
        let compared = [chosen, other.1].map(|index| (index, self.views.adaptive()[index].cost));
        if let Some(shadow) = &mut self.shadow {
            shadow.compare(compared[0], compared[1]);
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
    pub(super) fn refresh(&mut self, now: Tick) {
        for index in 0..self.stats.len() {
            self.stats[index].age(&self.config, now);
            self.update(index, now);
        }
    }

    /// Mirrors an endpoint into the lists.
    #[inline]
    pub(super) fn update(&mut self, index: usize, now: Tick) {
        let not_before = self.not_before(index, now);
        self.views.mirror(index, subject(&self.specs, &self.stats, index), not_before, &self.config, now);
    }

    /// The same after a call has begun.
    #[inline]
    pub(super) fn update_load(&mut self, index: usize, now: Tick) {
        let not_before = self.not_before(index, now);
        if !self.views.mirror_load(index, subject(&self.specs, &self.stats, index), not_before) {
            self.update(index, now);
        }
    }

    #[inline]
    fn not_before(&self, index: usize, now: Tick) -> Tick {
        let by_health = match self.stats[index].wait(now) {
            Some(Duration::ZERO) => Tick::default(),
            Some(wait) => now.after(wait),
            None => Tick::MAX,
        };
        // "Now" is no bound: another thread's reading may be a little older.
        let by_rate = self.rate_free_at[index];
        by_health.max(if by_rate <= now { Tick::default() } else { by_rate })
    }
}

#[inline]
fn subject<'a>(specs: &'a [EndpointSpec], stats: &'a [EndpointStats], index: usize) -> Subject<'a> {
    Subject { spec: &specs[index], stats: &stats[index], category: 0, availability: Availability::default() }
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
            Some((_, least)) if taken >= least => {
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
