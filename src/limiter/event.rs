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

/// Something an operator should know; told after it has happened and outside every lock, of each kind at
/// most once a minute.
///
/// # Examples
/// ```
/// use feedguard::limiter::{LimiterEventKind, RateBound};
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::builder("tushare")
///     .on_event(|event| match event.kind {
///         LimiterEventKind::Bound { to: RateBound::Floor, rate_per_sec, .. } => {
///             eprintln!("{} accepts less than {rate_per_sec} calls a second", event.name);
///         }
///         LimiterEventKind::PauseCapped { asked, .. } => eprintln!("{} wants rest for {asked:?}", event.name),
///         _ => {}
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
    /// What has happened.
    pub kind: LimiterEventKind,
}

/// What a [`LimiterEvent`] tells of.
///
/// # Examples
/// ```
/// use feedguard::limiter::LimiterEventKind;
/// use feedguard::{AdaptiveRateLimiter, LimiterConfig, Outcome};
/// use std::sync::mpsc;
/// use std::time::Duration;
/// let (sender, events) = mpsc::channel();
/// let limiter =
///     AdaptiveRateLimiter::builder("tushare").on_event(move |event| sender.send(event.kind).unwrap()).build()?;
/// let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3_600));
/// limiter.try_acquire(1)?.finish(Outcome::Limited { retry_after: Some(day) });
/// assert_eq!(events.recv()?, LimiterEventKind::PauseCapped { asked: day, kept: hour });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum LimiterEventKind {
    /// The rate has reached or left a bound.
    Bound {
        /// Where the rate was.
        from: RateBound,
        /// Where it is.
        to: RateBound,
        /// The rate, in permits per second.
        rate_per_sec: f64,
    },
    /// The source asked for a longer pause than [`max_pause`](super::LimiterConfig::max_pause); it may refuse
    /// until then, or ban.
    PauseCapped {
        /// The pause asked for.
        asked: std::time::Duration,
        /// The pause made.
        kept: std::time::Duration,
    },
}
