//! States and transitions, as listeners see them.

use std::fmt;

use serde::Serialize;

use super::OpenReason;
use crate::name::Name;

/// State of a breaker; the number is the value of the gauge.
///
/// # Examples
/// ```
/// use feedguard::breaker::BreakerState;
/// assert_eq!(BreakerState::HalfOpen.to_string(), "half_open");
/// assert_eq!(BreakerState::HalfOpen as u8, 2, "the value of the gauge");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    Closed = 0,
    /// Calls are refused.
    Open = 1,
    /// A few probes pass.
    HalfOpen = 2,
}

impl BreakerState {
    /// The state in lower case, as in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a breaker treats calls; changed at run time by
/// [`set_mode`](super::CircuitBreaker::set_mode).
///
/// # Examples
/// ```
/// use feedguard::breaker::BreakerMode;
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::default())?;
/// breaker.set_mode(BreakerMode::Observe); // counts what it would refuse
/// assert_eq!(breaker.snapshot().mode, BreakerMode::Observe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum BreakerMode {
    /// It refuses what it must.
    On = 0,
    /// It admits everything, and counts what it would have refused.
    Observe = 1,
    /// It admits everything and records nothing.
    Off = 2,
}

/// A transition of a breaker, told to listeners after it has happened and outside every lock.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// use std::sync::mpsc;
/// let (sender, events) = mpsc::channel();
/// let breaker = CircuitBreaker::builder("sina")
///     .config(BreakerConfig::free())
///     .on_event(move |event| sender.send(event.clone()).unwrap())
///     .build()?;
/// breaker.force_open();
/// assert_eq!(events.recv()?.sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerEvent {
    /// Name of the breaker.
    pub name: Name,
    /// Number of the transition, from 1; listeners of concurrent transitions may run out of order.
    pub sequence: u64,
    /// State before.
    pub from: BreakerState,
    /// State after.
    pub to: BreakerState,
    /// Why it opened, if it did.
    pub reason: Option<OpenReason>,
}

/// Whether a result still counted.
///
/// # Examples
/// ```
/// use feedguard::breaker::Settled;
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::default())?;
/// let early = breaker.try_acquire()?;
/// breaker.force_open();
/// assert_eq!(early.fail(), Settled::Stale);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It was booked.
    Recorded,
    /// The breaker has moved on since the call was admitted; it changed nothing.
    Stale,
}
