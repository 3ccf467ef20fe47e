//! What a limiter tells its listeners.

use serde::Serialize;

use crate::name::Name;

/// Where the rate is.
///
/// # Examples
/// ```
/// use feedguard::limiter::RateBound;
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::default())?;
/// assert_eq!(limiter.snapshot().bound, RateBound::Between);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RateBound {
    /// At its minimum: the source accepts less than the configuration allows for.
    Floor,
    /// Between the bounds.
    Between,
    /// At its maximum: the source might accept more.
    Ceiling,
}

impl RateBound {
    /// A rate leaves a bound only when it is a quarter away from it.
    const LEAVE: f64 = 1.25;

    /// Where a rate is that was `self` before, pure.
    #[must_use]
    pub(super) fn next(self, rate: f64, min: f64, max: f64) -> Self {
        if rate <= min || (self == Self::Floor && rate < min * Self::LEAVE && rate < max) {
            Self::Floor
        } else if rate >= max || (self == Self::Ceiling && rate > max / Self::LEAVE) {
            Self::Ceiling
        } else {
            Self::Between
        }
    }

    /// The value of the gauge: -1, 0, 1.
    pub(super) fn gauge(self) -> f64 {
        match self {
            Self::Floor => -1.0,
            Self::Between => 0.0,
            Self::Ceiling => 1.0,
        }
    }
}

/// The rate has reached or left a bound; told after it has happened and outside every lock.
///
/// # Examples
/// ```
/// use feedguard::limiter::RateBound;
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::builder("tushare")
///     .on_event(|event| {
///         if event.to == RateBound::Floor {
///             eprintln!("{} accepts less than {} calls a second", event.name, event.rate_per_sec);
///         }
///     })
///     .build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimiterEvent {
    /// Name of the limiter.
    pub name: Name,
    /// Number of the event, from 1; listeners of concurrent events may run out of order.
    pub sequence: u64,
    /// Where the rate was.
    pub from: RateBound,
    /// Where it is.
    pub to: RateBound,
    /// The rate, in permits per second.
    pub rate_per_sec: f64,
}
