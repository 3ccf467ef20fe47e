//! The refusal of a limiter.

use std::fmt;
use std::time::Duration;

use super::quota_config::QuotaPeriod;
use crate::clock::brief;
use crate::hint::RetryHint;
use crate::name::Name;

/// Why a permit was refused.
///
/// # Examples
/// ```
/// use feedguard::limiter::LimitReason;
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::fixed(1.0))?;
/// limiter.try_acquire(1)?.succeed();
/// let refused = limiter.try_acquire(1).unwrap_err();
/// assert_eq!(refused.reason, LimitReason::Rate);
/// let never = limiter.try_acquire(1000).unwrap_err();
/// assert!(matches!(never.reason, LimitReason::ExceedsBurst { .. }) && never.retry_after.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitReason {
    /// The rate is used up.
    Rate,
    /// The source asked for a pause (`Retry-After`), or refuses everything.
    Paused,
    /// Enough calls are under way: the configured number, or what the source takes before it queues them.
    InFlight {
        /// Calls that may be in flight now.
        cap: u64,
    },
    /// A calendar quota is used up.
    Quota {
        /// Calls a period.
        limit: u64,
        /// The period.
        per: QuotaPeriod,
    },
    /// More permits at once than a quota window allows in its whole length; it can never succeed.
    ExceedsQuota {
        /// Permits asked for.
        asked: u32,
        /// Calls a period.
        limit: u64,
        /// The period.
        per: QuotaPeriod,
    },
    /// More permits at once than the burst; it can never succeed.
    ExceedsBurst {
        /// Permits asked for.
        asked: u32,
        /// The most that can be granted at once.
        burst: u32,
    },
    /// The key is new, and all keys of the table are in use.
    KeysFull {
        /// Keys at once.
        max: usize,
    },
    /// The limiter is closed.
    Closed,
}

impl fmt::Display for LimitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => f.write_str("rate used up"),
            Self::Paused => f.write_str("source asked for a pause"),
            Self::InFlight { cap } => write!(f, "{cap} calls in flight, no more are allowed"),
            Self::Quota { limit, per } => write!(f, "quota of {limit} a {per} used up"),
            Self::ExceedsQuota { asked, limit, per } => {
                write!(f, "{asked} permits asked, the quota is {limit} a {per}, never granted")
            }
            Self::ExceedsBurst { asked, burst } => write!(f, "{asked} permits asked, burst is {burst}"),
            Self::KeysFull { max } => write!(f, "all {max} keys are in use"),
            Self::Closed => f.write_str("limiter closed"),
        }
    }
}

/// A permit refused; nothing was consumed and the source was not reached.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::fixed(1.0))?;
/// limiter.try_acquire(1)?.succeed();
/// let refused = limiter.try_acquire(1).unwrap_err();
/// assert!(refused.retry_after.unwrap().as_secs_f64() <= 1.0);
/// println!("{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limiter {name:?} refused: {reason}{}", .retry_after.map(|t| format!(", retry in {:?}", brief(t))).unwrap_or_default())]
#[non_exhaustive]
pub struct Limited {
    /// Name of the limiter or quota group.
    pub name: Name,
    /// Why.
    pub reason: LimitReason,
    /// When a permit will be free, from now; `None` if asking again cannot help.
    pub retry_after: Option<Duration>,
}

impl Limited {
    /// When a permit will be free, from now; `None` if asking again cannot help.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl RetryHint for Limited {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn reached_source(&self) -> bool {
        false
    }

    fn can_help(&self) -> bool {
        self.retry_after.is_some()
    }
}
