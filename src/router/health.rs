//! Whether an endpoint may be called, pure: ejection, probe, ramp.
//!
//! ```text
//!        failures in a row, or a bad rate           time over: one call at a time
//!  LIVE --------------------------------> EJECTED -----------------------------> RAMP
//!    ^                                       ^      a success: two calls at once   |
//!    |                                       +---- failures while there are few ---+
//!    +------------ each success doubles the calls allowed, to all ------------------+
//! ```

use std::time::Duration;

use super::RouterConfig;
use crate::clock::Tick;

/// The back-off of an ejection doubles at most this often.
const MAX_DOUBLINGS: u32 = 2;
/// A failure rate counts only over at least this many calls that are remembered.
pub(super) const BAD_RATE_CALLS: f64 = 10.0;
/// A ramp that admits this many calls at once is over.
const RAMP_END: u32 = 64;
/// Who has been well for so long is ejected as if for the first time.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// Who has not is ejected after so many failures in a row.
const FEW: u32 = 2;

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
    /// When it was ejected, and when it was well again.
    ejected_at: Tick,
    well_at: Tick,
    /// Calls from before the ejection that have not ended: they may hang, and stand in nobody's way.
    from_before: u32,
}

impl Default for Standing {
    /// A new endpoint is unknown: one call at a time, then more.
    fn default() -> Self {
        Self {
            health: Health::Ramp { allowed: 1 },
            consecutive_failures: 0,
            ejections: 0,
            ejected_at: Tick::default(),
            well_at: Tick::default(),
            from_before: 0,
        }
    }
}

impl Standing {
    /// Time until it may be called, as far as its health goes; zero now. `None`: when a call ends.
    pub(super) fn wait(self, in_flight: u32, now: Tick) -> Option<Duration> {
        let in_flight = in_flight.saturating_sub(self.from_before);
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

    /// When its ejection is or was over, if it has not been called since.
    pub(super) fn ejected_until(self) -> Option<Tick> {
        if let Health::Ejected { until } = self.health { Some(until) } else { None }
    }

    /// It was ejected, and has not been well for long.
    fn is_doubtful(self, now: Tick) -> bool {
        self.ejections > 0 && (self.health != Health::Live || now.since(self.well_at) < WELL_AFTER)
    }

    /// What a row of failures says: nothing for one, a seventh for two, a third for four.
    pub(super) fn streak(self) -> f64 {
        let row = f64::from(self.consecutive_failures);
        (row - 1.0).max(0.0) / (row + 5.0)
    }

    /// A call has ended that began then.
    pub(super) fn ended(&mut self, began: Tick) {
        self.from_before -= u32::from(began <= self.ejected_at && self.from_before > 0);
    }

    pub(super) fn succeeded(&mut self, began: Tick, now: Tick) {
        // A call from before an ejection says nothing about the source since.
        if self.ejections > 0 && began <= self.ejected_at {
            return;
        }
        self.consecutive_failures = 0;
        match self.health {
            Health::Ramp { allowed } if allowed < RAMP_END => self.health = Health::Ramp { allowed: allowed * 2 },
            Health::Ejected { .. } => self.health = Health::Ramp { allowed: 2 },
            Health::Ramp { .. } => (self.health, self.well_at) = (Health::Live, now),
            Health::Live => {}
        }
    }

    pub(super) fn failed(&mut self, call: Failed, config: &RouterConfig, now: Tick) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        let is_doubtful = self.is_doubtful(now);
        let row = if is_doubtful { config.eject_after.min(FEW) } else { config.eject_after };
        let is_bad = call.observed.is_some_and(|share| share >= config.eject_rate);
        let may = match self.health {
            // Calls that were under way when it was set aside say nothing new; a probe does.
            Health::Ejected { until } => now >= until && call.began > self.ejected_at,
            Health::Ramp { allowed } if is_doubtful => allowed <= FEW || self.consecutive_failures >= row,
            Health::Ramp { .. } => self.consecutive_failures >= row,
            Health::Live => self.consecutive_failures >= row || is_bad,
        };
        if may {
            self.ejections = if is_doubtful { self.ejections.saturating_add(1) } else { 1 };
            let factor = 1 << (self.ejections - 1).min(MAX_DOUBLINGS);
            let time = config.eject_for.saturating_mul(factor).mul_f64(0.8 + 0.4 * call.dice);
            self.health = Health::Ejected { until: now.after(time) };
            (self.ejected_at, self.from_before) = (now, call.in_flight);
        } else if let (true, Health::Ramp { allowed }) = (is_doubtful, self.health) {
            self.health = Health::Ramp { allowed: (allowed / 4).max(1) };
        }
    }
}

/// A call that failed, as health sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) began: Tick,
    /// The share of failures lately, if enough calls are remembered.
    pub(super) observed: Option<f64>,
    /// Others under way.
    pub(super) in_flight: u32,
    /// In 0..1, varies the time by a fifth in both directions.
    pub(super) dice: f64,
}
