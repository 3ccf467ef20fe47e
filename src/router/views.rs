//! The costs of all endpoints under each policy in use, as lists, pure.
//!
//! A pick is one scan over the costs of its policy. Whatever changes an endpoint mirrors it again, and
//! since what is known fades with time, a look now and then mirrors all.

use super::score::{self, Subject};
use super::{RouterConfig, RouterPolicy};
use crate::clock::Tick;

/// Puts a priority behind every cost of a lower one, in a list of numbers.
pub(super) const PRIORITY_STEP: f64 = 1e9;

#[derive(Debug)]
pub(super) struct Views {
    each: Vec<View>,
    /// The places of the policy of each arm, of the shadow, and of the measure of its regret.
    arms: [usize; 2],
    shadow: usize,
    adaptive: usize,
}

#[derive(Debug)]
struct View {
    policy: RouterPolicy,
    entries: Vec<Entry>,
}

/// What a pick looks at of one endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) cost: f64,
    /// The cost less as much as it may be wrong, so that equals are treated as equals.
    pub(super) low: f64,
    /// The cost without congestion.
    base: f64,
    /// It may not be called until then.
    pub(super) not_before: Tick,
}

impl Views {
    pub(super) fn new(config: &RouterConfig) -> Self {
        let mut views: Vec<View> = Vec::new();
        let mut place = |policy: RouterPolicy| {
            views.iter().position(|view| view.policy == policy).unwrap_or_else(|| {
                views.push(View { policy, entries: Vec::new() });
                views.len() - 1
            })
        };
        let first = place(config.policy);
        let second = config.split.map_or(first, |split| place(split.policy));
        // Without a shadow nobody asks for the two.
        let shadow = config.shadow.map_or(first, &mut place);
        let adaptive = if config.shadow.is_some() { place(RouterPolicy::Adaptive) } else { first };
        Self { each: views, arms: [first, second], shadow, adaptive }
    }

    pub(super) fn resize(&mut self, count: usize) {
        for view in &mut self.each {
            view.entries = vec![Entry::default(); count];
        }
    }

    /// Whether some policy looks at percentiles.
    pub(super) fn need_percentiles(&self) -> bool {
        self.each.iter().any(|view| matches!(view.policy, RouterPolicy::SeedScore | RouterPolicy::Fastest))
    }

    #[inline]
    pub(super) fn of(&self, arm: usize) -> &[Entry] {
        &self.each[self.arms[arm]].entries
    }

    pub(super) fn of_shadow(&self) -> &[Entry] {
        &self.each[self.shadow].entries
    }

    pub(super) fn adaptive(&self) -> &[Entry] {
        &self.each[self.adaptive].entries
    }

    #[inline]
    pub(super) fn mirror(
        &mut self,
        index: usize,
        subject: Subject<'_>,
        not_before: Tick,
        config: &RouterConfig,
        now: Tick,
    ) {
        for view in &mut self.each {
            let doubt = doubt(view.policy, subject);
            let (base, cost) = if view.policy == RouterPolicy::Adaptive {
                let base = prioritized(score::unloaded(subject, config, now).total, subject);
                (base, base + score::congestion(subject))
            } else {
                (0.0, cost(view.policy, subject, config, now))
            };
            view.entries[index] = Entry { cost, low: cost - doubt, base, not_before };
        }
    }

    /// The same after a call has begun, which changes no more than the load; `false` if it may have
    /// changed more.
    #[inline]
    pub(super) fn mirror_load(&mut self, index: usize, subject: Subject<'_>, not_before: Tick) -> bool {
        match self.each.as_mut_slice() {
            [view] if subject.spec.free_quota == 0 && view.policy == RouterPolicy::Adaptive => {
                let base = view.entries[index].base;
                let cost = base + score::congestion(subject);
                view.entries[index] = Entry { cost, low: cost - doubt(view.policy, subject), base, not_before };
                true
            }
            _ => false,
        }
    }
}

/// The rank of an endpoint among all, its priority included.
#[inline]
pub(super) fn cost(policy: RouterPolicy, subject: Subject<'_>, config: &RouterConfig, now: Tick) -> f64 {
    let terms = score::terms(policy, subject, config, now);
    prioritized(score::rank(policy, &terms, subject), subject)
}

/// With the priority.
#[inline]
fn prioritized(cost: f64, subject: Subject<'_>) -> f64 {
    let cost = cost + f64::from(subject.spec.priority) * PRIORITY_STEP;
    if cost.is_nan() { f64::MAX } else { cost }
}

/// By how much the cost of an endpoint may be wrong, from its latencies.
#[inline]
pub(super) fn doubt(policy: RouterPolicy, subject: Subject<'_>) -> f64 {
    match (policy, subject.stats.category(subject.category)) {
        (RouterPolicy::Adaptive, Some(known)) => known.error,
        _ => 0.0,
    }
}
