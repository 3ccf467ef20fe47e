//! The refusal of a limiter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a permit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitReason {
    /// The rate is used up.
    Rate,
    /// The source asked for a pause (`Retry-After`).
    Paused,
    /// More permits at once than the burst; it can never succeed.
    ExceedsBurst {
        /// Permits asked for.
        asked: u32,
        /// The most that can be granted at once.
        burst: u32,
    },
    /// The limiter is closed.
    Closed,
}

impl fmt::Display for LimitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => f.write_str("rate used up"),
            Self::Paused => f.write_str("source asked for a pause"),
            Self::ExceedsBurst { asked, burst } => write!(f, "{asked} permits asked, burst is {burst}"),
            Self::Closed => f.write_str("limiter closed"),
        }
    }
}

/// A permit refused; nothing was consumed and the source was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limiter {name:?} refused: {reason}{}", .retry_after.map(|t| format!(", retry in {t:?}")).unwrap_or_default())]
#[non_exhaustive]
pub struct Limited {
    /// Name of the limiter.
    pub name: Arc<str>,
    /// Why.
    pub reason: LimitReason,
    /// When a permit will be free, from now; `None` if asking again cannot help.
    pub retry_after: Option<Duration>,
}
