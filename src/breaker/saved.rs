//! A breaker's position as data, for hosts that save it over a restart.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::OpenReason;
use super::state::Position;
use crate::clock::Tick;

/// Where a breaker stands, in wall time: saved before a restart, it keeps a dead source from being asked
/// anew after it.
///
/// # Examples
/// ```
/// use feedguard::breaker::BreakerState;
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let before = CircuitBreaker::new("sina", BreakerConfig::free())?;
/// (0..3).for_each(|_| drop(before.call(|| Err::<(), _>("down"))));
/// let text = serde_json::to_string(&before.save())?; // before a restart
/// let after = CircuitBreaker::new("sina", BreakerConfig::free())?;
/// after.restore(&serde_json::from_str(&text)?); // after it
/// assert_eq!(after.state(), BreakerState::Open);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedBreaker {
    /// How it is open; `None` if it is closed.
    pub open: Option<SavedOpening>,
}

/// An opening, in wall time.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::new("sina", BreakerConfig::default())?;
/// breaker.force_open();
/// assert_eq!(breaker.save().open.unwrap().until, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedOpening {
    /// Why it opened.
    pub reason: OpenReason,
    /// When it admits probes; `None`: when an operator resets it.
    pub until: Option<DateTime<Utc>>,
    /// Whether an operator opened it.
    pub is_forced: bool,
    /// Openings in a row, this one included.
    pub openings: u32,
    /// How long the last of them was.
    #[serde(with = "crate::config::human")]
    pub open_for: Duration,
}

impl SavedOpening {
    pub(super) fn of(position: Position, now: Tick, wall: DateTime<Utc>) -> Self {
        let Position { reason, open_until, is_forced, openings, open_for } = position;
        let left = TimeDelta::from_std(open_until.since(now)).unwrap_or(TimeDelta::MAX);
        let until = (open_until != Tick::MAX).then(|| wall.checked_add_signed(left)).flatten();
        Self { reason, until, is_forced, openings, open_for }
    }

    /// The same in ticks. A wall clock set back meanwhile must not lengthen it: what a breaker chose itself
    /// is over after `longest`.
    pub(super) fn position(&self, longest: Duration, now: Tick, wall: DateTime<Utc>) -> Position {
        let left = self.until.map(|until| (until - wall).to_std().unwrap_or_default());
        let open_until = match left {
            None if self.is_forced => Tick::MAX,
            None => now.after(longest),
            Some(left) if self.is_forced => now.after(left),
            Some(left) => now.after(left.min(longest)),
        };
        let (open_for, openings) = (self.open_for.min(longest), self.openings);
        Position { reason: self.reason, open_until, is_forced: self.is_forced, openings, open_for }
    }
}
