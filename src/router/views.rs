//! The costs of all endpoints under each policy in use, as lists of numbers, pure.
//!
//! A pick is one scan over the costs of its policy. Whatever changes an endpoint mirrors it again, and
//! since what is known fades with time, a look now and then mirrors all.

use super::score::{self, Subject};
use super::{RouterConfig, RouterPolicy};
use crate::clock::Tick;

/// Puts a priority behind every cost of a lower one, in a list of numbers.
pub(super) const PRIORITY_STEP: f64 = 1e9;

/// Standard errors within which costs count as equal.
const DOUBT: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Views {
    views: Vec<View>,
    /// The places of the policy of each arm, of the shadow, and of the measure of its regret.
    arms: [usize; 2],
    shadow: usize,
    adaptive: usize,
}

#[derive(Debug)]
pub(super) struct View {
    policy: RouterPolicy,
    pub(super) costs: Vec<f64>,
    /// By how much each cost may be wrong, so that equals are treated as equals.
    pub(super) doubts: Vec<f64>,
}

impl Views {
    pub(super) fn new(config: &RouterConfig) -> Self {
        let mut views: Vec<View> = Vec::new();
        let mut place = |policy: RouterPolicy| {
            views.iter().position(|view| view.policy == policy).unwrap_or_else(|| {
                views.push(View { policy, costs: Vec::new(), doubts: Vec::new() });
                views.len() - 1
            })
        };
        let first = place(config.policy);
        let second = config.split.map_or(first, |split| place(split.policy));
        // Without a shadow nobody asks for the two.
        let shadow = config.shadow.map_or(first, &mut place);
        let adaptive = if config.shadow.is_some() { place(RouterPolicy::Adaptive) } else { first };
        Self { views, arms: [first, second], shadow, adaptive }
    }

    pub(super) fn resize(&mut self, count: usize) {
        for view in &mut self.views {
            (view.costs, view.doubts) = (vec![0.0; count], vec![0.0; count]);
        }
    }

    /// Whether some policy looks at percentiles.
    pub(super) fn need_percentiles(&self) -> bool {
        self.views.iter().any(|view| matches!(view.policy, RouterPolicy::SeedScore | RouterPolicy::Fastest))
    }

    #[inline]
    pub(super) fn of(&self, arm: usize) -> &View {
        &self.views[self.arms[arm]]
    }

    pub(super) fn costs(&self, arm: usize) -> &[f64] {
        &self.views[self.arms[arm]].costs
    }

    pub(super) fn shadow_costs(&self) -> &[f64] {
        &self.views[self.shadow].costs
    }

    pub(super) fn adaptive_costs(&self) -> &[f64] {
        &self.views[self.adaptive].costs
    }

    #[inline]
    pub(super) fn mirror(&mut self, index: usize, subject: Subject<'_>, config: &RouterConfig, now: Tick) {
        for view in &mut self.views {
            view.costs[index] = cost(view.policy, subject, config, now);
            view.doubts[index] = doubt(view.policy, subject, config, now);
        }
    }
}

/// The rank of an endpoint among all, its priority included.
#[inline]
pub(super) fn cost(policy: RouterPolicy, subject: Subject<'_>, config: &RouterConfig, now: Tick) -> f64 {
    let terms = score::terms(policy, subject, config, now);
    let cost = score::rank(policy, &terms, subject) + f64::from(subject.spec.priority) * PRIORITY_STEP;
    if cost.is_nan() { f64::MAX } else { cost }
}

/// By how much the cost of an endpoint may be wrong, from its latencies: one standard error.
#[inline]
pub(super) fn doubt(policy: RouterPolicy, subject: Subject<'_>, config: &RouterConfig, now: Tick) -> f64 {
    match (policy, subject.stats.category(subject.category)) {
        (RouterPolicy::Adaptive, Some(known)) => DOUBT * known.error(config.decay, now),
        _ => 0.0,
    }
}
