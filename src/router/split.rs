//! Two policies in earnest: a share of the calls goes by a second one.

use serde::{Deserialize, Serialize};

use super::RouterPolicy;
use crate::config::Faults;
use crate::error::ConfigError;

/// Sends a share of the calls by a second policy, so that the two can be compared by what they bring:
/// [`RouterSnapshot::arms`](super::RouterSnapshot::arms).
///
/// # Examples
/// ```
/// use feedguard::router::{RouterPolicy, Split};
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let config = RouterConfig::default().split(Some(Split::new(RouterPolicy::Fastest, 0.1)));
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], config)?;
/// for _ in 0..100 {
///     router.pick()?.finish(Outcome::Success);
/// }
/// let arms = router.snapshot().arms.unwrap();
/// assert_eq!(arms[0].calls + arms[1].calls, 100);
/// assert!(arms[1].calls < 30 && arms[1].policy == RouterPolicy::Fastest);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Split {
    /// The second policy.
    pub policy: RouterPolicy,
    /// Its share of the calls, 0 to 1, by chance.
    pub share: f64,
}

impl Split {
    /// This share of the calls by this policy.
    pub fn new(policy: RouterPolicy, share: f64) -> Self {
        Self { policy, share }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("share", self.share, 0.0..=1.0);
        faults.finish()
    }
}
