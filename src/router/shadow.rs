//! What a policy that decides beside the router's own would have done, pure.

use serde::Serialize;

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

impl ShadowCounts {
    /// The router chose one, the shadow another, each at its adaptive cost.
    pub(super) fn compare(&mut self, chosen: (usize, f64), other: (usize, f64)) {
        self.decisions += 1;
        self.agreed += u64::from(other.0 == chosen.0);
        self.regret += other.1 - chosen.1;
    }
}
