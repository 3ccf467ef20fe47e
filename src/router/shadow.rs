//! A second policy that decides beside the first one and is only counted, pure.

use serde::Serialize;

use super::stats::EndpointStats;
use super::{Availability, Candidate, EndpointSpec, RouterConfig, RouterPolicy, score};

/// What a shadow policy would have done.
///
/// # Examples
/// ```
/// use feedguard::router::RouterPolicy;
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// let config = RouterConfig::default().shadow(Some(RouterPolicy::Fastest));
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], config)?;
/// router.route(&[]);
/// let counts = router.snapshot().shadow.unwrap();
/// assert_eq!((counts.decisions, counts.agreed), (1, 1));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct ShadowCounts {
    /// Decisions compared.
    pub decisions: u64,
    /// Of these, both policies put the same endpoint first.
    pub agreed: u64,
    /// Adaptive cost, in seconds, of the shadow's choices above that of the router's; negative where
    /// the shadow would have chosen cheaper.
    pub regret: f64,
}

#[derive(Debug)]
pub(super) struct Shadow {
    policy: RouterPolicy,
    turn: usize,
    pub(super) counts: ShadowCounts,
}

impl Shadow {
    pub(super) fn new(policy: RouterPolicy) -> Self {
        Self { policy, turn: 0, counts: ShadowCounts::default() }
    }

    /// Compares the decision just made with the shadow's, over the same callable endpoints.
    pub(super) fn compare(
        &mut self,
        ranked: &[Candidate],
        specs: &[EndpointSpec],
        stats: &[EndpointStats],
        category: usize,
        config: &RouterConfig,
    ) {
        let callable = ranked.iter().filter(|candidate| candidate.exclusion.is_none()).map(|of| of.endpoint.0);
        let Some(chosen) = callable.clone().next() else { return };
        self.turn = self.turn.wrapping_add(1);
        let rank = |index: usize| {
            let (spec, stats) = (&specs[index], &stats[index]);
            match self.policy {
                RouterPolicy::SeedScore => -score::seed(spec, stats, category).total,
                RouterPolicy::RoundRobin => ((index + self.turn) % specs.len()) as f64,
                policy => {
                    let terms = score::adaptive(spec, stats, category, Availability::default(), config);
                    score::rank(policy, &terms, stats, category)
                }
            }
        };
        let Some(other) = callable.min_by(|a, b| rank(*a).total_cmp(&rank(*b))) else { return };
        let cost = |index: usize| {
            score::adaptive(&specs[index], &stats[index], category, Availability::default(), config).total
        };
        self.counts.decisions += 1;
        self.counts.agreed += u64::from(other == chosen);
        self.counts.regret += cost(other) - cost(chosen);
    }
}
