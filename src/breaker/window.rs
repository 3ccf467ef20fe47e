//! Results of the latest calls, pure: how many of them failed, how many were slow.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::config::{RateWindow, WindowSize};
use crate::clock::{Tick, nanos};

/// Parts of a time window. The oldest leaves as a whole, so one more is kept: the window covers at least
/// its length, and a part more at most.
const PARTS: usize = 10;
const KEPT: usize = PARTS + 1;

const CALL: u8 = 0b001;
const FAILED: u8 = 0b010;
const SLOW: u8 = 0b100;

/// Calls, and how many of them failed or were slow.
///
/// # Examples
/// ```
/// use feedguard::breaker::RateWindow;
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let config = BreakerConfig::default().window(Some(RateWindow::default()));
/// let breaker = CircuitBreaker::new("sina", config)?;
/// breaker.try_acquire()?.fail();
/// let counts = breaker.snapshot().window.unwrap();
/// assert_eq!((counts.calls, counts.failed, counts.slow), (1, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct WindowCounts {
    /// Calls.
    pub calls: u32,
    /// Of these failed.
    pub failed: u32,
    /// Of these slow, calls that still run past the limit included.
    pub slow: u32,
}

impl WindowCounts {
    fn add(&mut self, flags: u8) {
        self.calls = self.calls.saturating_add(u32::from(flags & CALL > 0));
        self.failed = self.failed.saturating_add(u32::from(flags & FAILED > 0));
        self.slow = self.slow.saturating_add(u32::from(flags & SLOW > 0));
    }

    fn remove(&mut self, other: Self) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failed = self.failed.saturating_sub(other.failed);
        self.slow = self.slow.saturating_sub(other.slow);
    }

    /// Whole percent of `part` among the calls.
    pub(super) fn percent(self, part: u32) -> u8 {
        u8::try_from(u64::from(part) * 100 / u64::from(self.calls.max(1))).unwrap_or(100)
    }
}

/// Where a call was recorded, to add its failure later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

#[derive(Debug)]
pub(super) struct Window {
    slots: Slots,
    totals: WindowCounts,
}

#[derive(Debug)]
enum Slots {
    /// The flags of the last calls; the call number `n` is at `n % len`.
    Calls { flags: Vec<u8>, next: u64 },
    /// The counts of the last parts; part number `n` is at `n % KEPT`, and carries its number.
    Time { part: u64, parts: Box<[(u64, WindowCounts); KEPT]> },
}

impl Window {
    pub(super) fn new(config: &RateWindow) -> Self {
        let slots = match config.size {
            WindowSize::Calls(calls) => Slots::Calls { flags: vec![0; calls as usize], next: 0 },
            WindowSize::Time(time) => Slots::Time {
                part: (nanos(time) / PARTS as u64).max(1),
                parts: Box::new([(0, WindowCounts::default()); KEPT]),
            },
        };
        Self { slots, totals: WindowCounts::default() }
    }

    pub(super) fn record(&mut self, failed: bool, slow: bool, now: Tick) -> Mark {
        let flags = CALL | if failed { FAILED } else { 0 } | if slow { SLOW } else { 0 };
        self.advance(now);
        let mark = match &mut self.slots {
            Slots::Calls { flags: all, next } => {
                let number = *next;
                let at = slot(number, all.len());
                let mut old = WindowCounts::default();
                old.add(std::mem::replace(&mut all[at], flags));
                self.totals.remove(old);
                *next += 1;
                Mark(number)
            }
            Slots::Time { part, parts } => {
                let number = now.0 / *part;
                parts[slot(number, parts.len())].1.add(flags);
                Mark(number)
            }
        };
        self.totals.add(flags);
        mark
    }

    /// Adds a failure to a call that is recorded already, if it is still in the window.
    pub(super) fn add_failure(&mut self, Mark(number): Mark) {
        let is_in = match &mut self.slots {
            Slots::Calls { flags, next } => {
                let is_in = *next - number <= flags.len() as u64;
                let at = slot(number, flags.len());
                if is_in {
                    flags[at] |= FAILED;
                }
                is_in
            }
            Slots::Time { parts, .. } => {
                let (of, counts) = &mut parts[slot(number, KEPT)];
                let is_in = *of == number;
                if is_in {
                    counts.add(FAILED);
                }
                is_in
            }
        };
        if is_in {
            self.totals.add(FAILED);
        }
    }

    /// Takes back a call that was recorded as slow, if it is still in the window: it counts in no rate.
    pub(super) fn remove(&mut self, Mark(number): Mark) {
        let mut gone = WindowCounts::default();
        match &mut self.slots {
            Slots::Calls { flags, next } => {
                let at = slot(number, flags.len());
                if *next - number <= flags.len() as u64 {
                    gone.add(std::mem::take(&mut flags[at]));
                }
            }
            Slots::Time { parts, .. } => {
                let (of, counts) = &mut parts[slot(number, KEPT)];
                if *of == number {
                    gone.add(CALL | SLOW);
                    counts.remove(gone);
                }
            }
        }
        self.totals.remove(gone);
    }

    pub(super) fn counts(&mut self, now: Tick) -> WindowCounts {
        self.advance(now);
        self.totals
    }

    pub(super) fn clear(&mut self) {
        self.totals = WindowCounts::default();
        match &mut self.slots {
            Slots::Calls { flags, .. } => flags.fill(0),
            Slots::Time { parts, .. } => parts.fill((0, WindowCounts::default())),
        }
    }

    /// Lets go of the parts that have left a time window.
    fn advance(&mut self, now: Tick) {
        let Slots::Time { part, parts } = &mut self.slots else { return };
        let current = now.0 / *part;
        let oldest = (current + 1).saturating_sub(KEPT as u64);
        for (number, counts) in parts.iter_mut().filter(|(number, _)| *number < oldest) {
            self.totals.remove(std::mem::take(counts));
            *number = oldest;
        }
        // A part's place is its own: what stood there was older than the window and is gone.
        let (number, _) = &mut parts[slot(current, KEPT)];
        *number = current;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below the length of a slice")]
fn slot(number: u64, len: usize) -> usize {
    (number % len as u64) as usize
}

/// Calls under way in the order of their start: finds those that have run past the slow limit.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: BTreeMap<u64, Call>,
    next: u64,
    /// The first number not yet found slow.
    unmarked: u64,
}

#[derive(Debug)]
struct Call {
    started: Tick,
    mark: Option<Mark>,
}

/// Calls followed at once; of further ones nothing is known but their verdict.
const MAX_RUNNING: usize = 10_000;

impl Running {
    /// Follows a call; its number, or `None` if there are too many.
    pub(super) fn start(&mut self, now: Tick) -> Option<u64> {
        if self.calls.len() >= MAX_RUNNING {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, Call { started: now, mark: None });
        Some(number)
    }

    /// Ends a call: when it started, and where it was recorded as slow if it was.
    pub(super) fn end(&mut self, number: u64) -> Option<(Tick, Option<Mark>)> {
        self.calls.remove(&number).map(|call| (call.started, call.mark))
    }

    /// Records calls that have run past the limit as slow, once each, and forgets those that have
    /// held their permit for longer than a lease.
    pub(super) fn mark_overdue(&mut self, window: &mut Window, limit: Duration, lease: Duration, now: Tick) {
        for (number, call) in self.calls.range_mut(self.unmarked..) {
            if now.since(call.started) <= limit {
                break;
            }
            call.mark = Some(window.record(false, true, now));
            self.unmarked = number + 1;
        }
        while let Some(oldest) = self.calls.first_entry() {
            if now.since(oldest.get().started) <= lease || oldest.get().mark.is_none() {
                break;
            }
            oldest.remove();
        }
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }
}
