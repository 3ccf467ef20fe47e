//! Whether an endpoint may be called, pure: ejection, probe, ramp.
//!
//! ```text
//!        failures in a row, or a bad rate           time over: one call at a time
//!  LIVE --------------------------------> EJECTED -----------------------------> RAMP(1)
//!    ^                                       ^                                      |
//!    |                                       +--------------- a failure ------------+
//!    +------------ each success doubles the calls allowed, to all ------------------+
//! ```

use std::time::Duration;

use super::RouterConfig;
use crate::clock::Tick;

/// The back-off of an ejection doubles at most this often.
const MAX_DOUBLINGS: u32 = 5;
/// A failure rate counts only over at least this many calls.
const BAD_RATE_CALLS: u64 = 20;
/// A ramp that admits this many calls at once is over.
const RAMP_END: u32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Live,
    Ejected {
        until: Tick,
    },
    /// So many calls may be in flight.
    Ramp {
        allowed: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) health: Health,
    consecutive_failures: u32,
    ejections: u32,
}

impl Default for Standing {
    /// A new endpoint is unknown: one call at a time, then more.
    fn default() -> Self {
        Self { health: Health::Ramp { allowed: 1 }, consecutive_failures: 0, ejections: 0 }
    }
}

impl Standing {
    /// Time until it may be called, as far as its health goes; zero now.
    pub(super) fn wait(self, in_flight: u32, now: Tick) -> Option<Duration> {
        match self.health {
            Health::Live => Some(Duration::ZERO),
            Health::Ejected { until } if now < until => Some(until.since(now)),
            // The first call after an ejection is its probe.
            Health::Ejected { .. } => (in_flight == 0).then_some(Duration::ZERO),
            Health::Ramp { allowed } => (in_flight < allowed).then_some(Duration::ZERO),
        }
    }

    /// Rest of an ejection.
    pub(super) fn ejected_for(self, now: Tick) -> Duration {
        if let Health::Ejected { until } = self.health { until.since(now) } else { Duration::ZERO }
    }

    /// Its ejection is over, or it is new, and nobody has tried it.
    pub(super) fn wants_probe(self, in_flight: u32, now: Tick) -> bool {
        in_flight == 0
            && match self.health {
                Health::Live => false,
                Health::Ejected { until } => now >= until,
                // One try; after a failure it waits until it has been idle.
                Health::Ramp { allowed } => allowed == 1 && self.consecutive_failures == 0,
            }
    }

    /// What a row of failures says: nothing for one, a seventh for two, a third for four.
    pub(super) fn streak(self) -> f64 {
        let row = f64::from(self.consecutive_failures);
        (row - 1.0).max(0.0) / (row + 5.0)
    }

    pub(super) fn succeeded(&mut self, now: Tick) {
        // A call from before an ejection says nothing about the source since.
        if !self.ejected_for(now).is_zero() {
            return;
        }
        self.consecutive_failures = 0;
        match self.health {
            Health::Ramp { allowed } if allowed < RAMP_END => self.health = Health::Ramp { allowed: allowed * 2 },
            Health::Ejected { .. } => self.health = Health::Ramp { allowed: 2 },
            _ => (self.health, self.ejections) = (Health::Live, 0),
        }
    }

    /// `dice` in 0..1 varies the time by a fifth in both directions.
    pub(super) fn failed(&mut self, rate: f64, calls: u64, config: &RouterConfig, dice: f64, now: Tick) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        let is_bad = calls >= BAD_RATE_CALLS && rate >= config.eject_rate;
        // Calls that were under way when it was set aside say nothing new; a probe does.
        let may = match self.health {
            Health::Live => self.consecutive_failures >= config.eject_after || is_bad,
            Health::Ejected { until } => now >= until,
            Health::Ramp { .. } => self.ejections > 0 || self.consecutive_failures >= config.eject_after,
        };
        if may {
            let factor = 1 << self.ejections.min(MAX_DOUBLINGS);
            let time = config.eject_for.saturating_mul(factor).mul_f64(0.8 + 0.4 * dice);
            self.health = Health::Ejected { until: now.after(time) };
            self.ejections += 1;
        }
    }
}
