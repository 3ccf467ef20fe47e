//! The refusal of a router.

use std::time::Duration;

use crate::hint::RetryHint;

/// No endpoint can be called now.
///
/// # Examples
/// ```
/// use feedguard::router::Availability;
/// use feedguard::{EndpointSpec, RouterConfig, SmartRouter};
/// use std::time::Duration;
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("sina")], RouterConfig::default())?;
/// let open = Availability::new(Some(Duration::from_secs(30)), Duration::ZERO);
/// let decision = router.route(&[open]);
/// let nobody = decision.best().unwrap_err();
/// assert_eq!(nobody.retry_after, Some(Duration::from_secs(30)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no healthy endpoint among {endpoints}{}", .retry_after.map(|t| format!(", retry in {t:?}")).unwrap_or_default())]
#[non_exhaustive]
pub struct NoEndpoint {
    /// How many endpoints there are.
    pub endpoints: usize,
    /// The earliest time one of them may be callable, from now; `None` without endpoints.
    pub retry_after: Option<Duration>,
}

impl NoEndpoint {
    /// The earliest time an endpoint may be callable, from now.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl RetryHint for NoEndpoint {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn reached_source(&self) -> bool {
        false
    }
}
