//! The refusal of a router.

use std::time::Duration;

/// No endpoint can be called now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no healthy endpoint among {endpoints}{}", .retry_after.map(|t| format!(", retry in {t:?}")).unwrap_or_default())]
#[non_exhaustive]
pub struct NoEndpoint {
    /// How many endpoints there are.
    pub endpoints: usize,
    /// The earliest time one of them may be callable, from now; `None` without endpoints.
    pub retry_after: Option<Duration>,
}
