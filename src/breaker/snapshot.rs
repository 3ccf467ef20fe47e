//! A breaker as data.

use std::time::Duration;

use serde::Serialize;

use super::{BreakerMode, BreakerState, OpenReason, WindowCounts};
use crate::name::Name;

/// State and counts of a breaker at one moment.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::free())?;
/// (0..3).for_each(|_| drop(breaker.call(|| Err::<(), _>("down"))));
/// let snapshot = breaker.snapshot();
/// assert_eq!((snapshot.times_opened, snapshot.rejected), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// Name of the breaker.
    pub name: Name,
    /// State; an open breaker whose time is over stays open until a call asks.
    pub state: BreakerState,
    /// How it treats calls.
    pub mode: BreakerMode,
    /// Failures in a row while closed.
    pub consecutive_failures: u32,
    /// Calls of the window, if there is one.
    pub window: Option<WindowCounts>,
    /// Probes under way, and calls that are followed because they may be slow.
    pub in_flight: usize,
    /// Time until a probe is admitted, while open.
    #[serde(serialize_with = "crate::config::human_opt::serialize")]
    pub retry_after: Option<Duration>,
    /// Why it opened last.
    pub reason: Option<OpenReason>,
    /// How often it opened.
    pub times_opened: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Calls that were admitted by [`BreakerMode::Observe`] only.
    pub would_have_rejected: u64,
    /// Results that came after the breaker had moved on.
    pub stale_results: u64,
}
