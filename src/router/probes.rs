//! When an endpoint that is not the best gets a call nevertheless, to learn how it does now, pure.
//!
//! Two ledgers keep probes few: [`ProbeLedger`] counts calls, one a category, [`ProbeBudget`] money, one a
//! router. What comes of a probe decides when the next one is due: at once while it looks better than
//! the best, later and later while it does not.

use std::time::Duration;

use super::evidence::fade;
use crate::clock::Tick;

/// Probes a call earns, how many may be saved up, and how many there are at the start.
const EARNED: f64 = 0.03;
const MOST: f64 = 5.0;
const AT_START: f64 = 1.0;
/// Share of the money spent that probes may spend.
const MONEY_SHARE: f64 = 0.015;
const HOUR: Duration = Duration::from_secs(3600);
/// Calls of the category between two probes of an idle endpoint at first; doubles up to twice that.
const CALLS_BETWEEN: u64 = 20;
const MAX_CALL_DOUBLINGS: u32 = 1;
/// The time between them doubles up to sixteen times that.
const MAX_TIME_DOUBLINGS: u32 = 4;
/// After so many probes in a row that looked better it is known well.
const ROW: u32 = 8;
/// A probe whose end nobody tells stands in the way of the next one this long.
pub(super) const PROBE_LEASE: Duration = Duration::from_secs(60);

/// Probes that the calls of one category have earned.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeLedger {
    credit: f64,
    /// Calls of the category so far.
    pub(super) calls: u64,
}

impl Default for ProbeLedger {
    fn default() -> Self {
        Self { credit: AT_START, calls: 0 }
    }
}

impl ProbeLedger {
    #[inline]
    pub(super) fn begin(&mut self, is_probe: bool) {
        self.calls += 1;
        self.credit = (self.credit + EARNED - f64::from(u8::from(is_probe))).min(MOST);
    }

    pub(super) fn give_back(&mut self) {
        self.credit = (self.credit + 1.0).min(MOST);
    }

    pub(super) fn has_one(&self) -> bool {
        self.credit >= 1.0
    }
}

/// Money that probes may spend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProbeBudget {
    credit: f64,
    /// Spent in about the last hour.
    spent: f64,
    at: Tick,
}

impl ProbeBudget {
    /// An ordinary call has cost so much.
    pub(super) fn earn(&mut self, price: f64, dearest: f64, now: Tick) {
        self.spent = self.spent * fade(now.since(self.at), HOUR) + price;
        self.at = now;
        // One call of the dearest endpoint can always be saved up.
        self.credit = (self.credit + MONEY_SHARE * price).min((MONEY_SHARE * self.spent).max(dearest));
    }

    pub(super) fn has(&self, price: f64) -> bool {
        self.credit >= price
    }

    pub(super) fn take(&mut self, price: f64) {
        self.credit -= price;
    }

    pub(super) fn give_back(&mut self, price: f64) {
        self.credit += price;
    }
}

/// What a probe has shown, beside the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It may be better; `is_near`: with all that is known of it, it is about as good.
    Better {
        is_near: bool,
    },
    Worse,
    Failure,
}

/// What probes of one endpoint have brought, in one category.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probing {
    /// The last call, and its number in the category.
    called_at: Tick,
    called: u64,
    /// Probes in a row that looked better than the best.
    row: u32,
    /// Probes in a row that did not.
    misses: u32,
}

impl Probing {
    /// Known since then, and never called.
    pub(super) fn new(since: Tick, calls: u64) -> Self {
        Self { called_at: since, called: calls, row: 0, misses: 0 }
    }

    /// A call begins.
    #[inline]
    pub(super) fn begin(&mut self, is_probe: bool, calls: u64, now: Tick) {
        (self.called_at, self.called) = (now, calls);
        if !is_probe {
            // It is in use: the first of the idle ones once it is not.
            (self.row, self.misses) = (0, 0);
        }
    }

    /// A probe has ended.
    pub(super) fn learn(&mut self, shown: Shown) {
        (self.row, self.misses) = match shown {
            Shown::Better { .. } if self.row + 1 < ROW => (self.row + 1, self.misses),
            // As good, or back at some moment, which is to be seen soon.
            Shown::Better { is_near: true } | Shown::Failure => (0, 0),
            // Known well, and not the best.
            Shown::Better { is_near: false } | Shown::Worse => (0, self.misses.saturating_add(1)),
        };
    }

    /// Its last probes looked better than the best: it is probed at once.
    pub(super) fn is_promising(&self) -> bool {
        self.row > 0
    }

    /// When an idle endpoint is due; `None` before.
    pub(super) fn due(&self, idle_after: Duration, calls: u64, now: Tick) -> Option<Tick> {
        let time = idle_after.saturating_mul(1 << self.misses.min(MAX_TIME_DOUBLINGS));
        let between = CALLS_BETWEEN << self.misses.min(MAX_CALL_DOUBLINGS);
        let due = self.called_at.after(time);
        (now >= due && calls >= self.called + between).then_some(due)
    }
}
