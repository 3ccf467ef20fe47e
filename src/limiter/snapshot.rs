//! A limiter as data.

use std::time::Duration;

use serde::Serialize;

use super::RateBound;
use crate::name::Name;

/// Rate and counts of a limiter at one moment.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::default())?;
/// limiter.try_acquire(1)?.succeed();
/// let now = limiter.snapshot();
/// assert_eq!((now.granted, now.waiting, now.rate_per_sec), (1, 0, 10.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LimiterSnapshot {
    /// Name of the limiter.
    pub name: Name,
    /// Permits per second.
    pub rate_per_sec: f64,
    /// Where that is between the configured bounds.
    pub bound: RateBound,
    /// Rest of a pause the source asked for.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub paused_for: Duration,
    /// Callers waiting with a reservation.
    pub waiting: usize,
    /// Permits granted whose calls have not ended; counted while the guard or `max_in_flight` is configured.
    pub in_flight: u64,
    /// Calls that may be under way now: `max_in_flight`, or fewer while the guard is engaged; `None`: any number.
    pub in_flight_cap: Option<u64>,
    /// Permits granted and not given back.
    pub granted: u64,
    /// Requests refused.
    pub rejected: u64,
    /// "Too many requests" answers of the source.
    pub limited: u64,
}
