//! Places for calls under way: how many may be taken, and a lease on each, so that a call that never ends
//! holds its place for a while only.
//!
//! One count says how many are taken. Beside it each call is booked in the slot of the moment it started in:
//! a slot that is older than the lease is emptied, and the calls still booked there are forgotten. A call
//! that ends later finds its slot emptied, and gives nothing back.

use std::time::Duration;

use crate::clock::{Tick, nanos};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A lease is so many slots; the slot of the start itself is over first.
const SLOTS_A_LEASE: u64 = 8;
const SLOTS: usize = 16;
/// A slot's word: its number, and the permits booked in it.
const PERMITS: u64 = (1 << 28) - 1;
const NUMBER: u32 = 28;
const NUMBERS: u64 = (1 << 36) - 1;

/// No bound.
const NONE: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct InFlightCap {
    /// As configured.
    fixed: u64,
    /// As learned from latency and refusals.
    learned: AtomicU64,
    /// Whether somebody was held back since it was last asked.
    is_bound: AtomicBool,
    taken: AtomicU64,
    slot: u64,
    slots: [AtomicU64; SLOTS],
}

impl InFlightCap {
    pub(super) fn new(fixed: Option<u32>, lease: Duration) -> Self {
        Self {
            fixed: fixed.map_or(NONE, u64::from),
            learned: AtomicU64::new(NONE),
            is_bound: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            slot: (nanos(lease) / SLOTS_A_LEASE).max(1),
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Calls that may be under way; `None`: any number.
    #[inline]
    pub(super) fn cap(&self) -> Option<u64> {
        let cap = self.learned.load(Ordering::Relaxed).min(self.fixed);
        (cap < NONE).then_some(cap)
    }

    pub(super) fn learn(&self, cap: Option<u64>) {
        self.learned.store(cap.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// Calls under way now.
    pub(super) fn taken(&self, now: Tick) -> u64 {
        self.forget_old(now);
        self.taken.load(Ordering::SeqCst)
    }

    /// Whether somebody was held back since this was last asked.
    pub(super) fn was_bound(&self) -> bool {
        self.is_bound.swap(false, Ordering::Relaxed)
    }

    /// The cap, if there is no place for `n` more.
    #[inline]
    pub(super) fn met(&self, n: u32, now: impl FnOnce() -> Tick) -> Option<u64> {
        let cap = self.cap()?;
        if !exceeds(self.taken.load(Ordering::SeqCst), n, cap) {
            return None;
        }
        self.forget_old(now());
        let is_met = exceeds(self.taken.load(Ordering::SeqCst), n, cap);
        if is_met {
            self.is_bound.store(true, Ordering::Relaxed);
        }
        is_met.then_some(cap)
    }

    /// Takes places for `n` calls that start now; how many were taken before.
    ///
    /// # Errors
    /// The cap.
    #[inline]
    pub(super) fn take(&self, n: u32, now: Tick) -> Result<u64, u64> {
        let before = match self.cap() {
            None => self.taken.fetch_add(u64::from(n), Ordering::SeqCst),
            Some(cap) => {
                if let Some(cap) = self.met(n, || now) {
                    return Err(cap);
                }
                let take = |taken| (!exceeds(taken, n, cap)).then(|| taken + u64::from(n));
                self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).map_err(|_| {
                    self.is_bound.store(true, Ordering::Relaxed);
                    cap
                })?
            }
        };
        self.book(n, now);
        Ok(before)
    }

    /// Gives the places of `n` calls back that started at `started`, unless their lease is over.
    #[inline]
    pub(super) fn give_back(&self, n: u32, started: Tick) {
        let (number, n) = (self.number(started), u64::from(n));
        let take_off = |word: u64| (word >> NUMBER == number && word & PERMITS >= n).then(|| word - n);
        let cell = &self.slots[index(number)];
        if cell.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_off).is_ok() {
            self.taken.fetch_sub(n, Ordering::SeqCst);
        }
    }

    /// The time until the next lease ends, if a call is under way.
    pub(super) fn next_end(&self, now: Tick) -> Option<Duration> {
        let current = self.number(now);
        let left = self.slots.iter().filter_map(|cell| {
            let word = cell.load(Ordering::SeqCst);
            let age = current.wrapping_sub(word >> NUMBER) & NUMBERS;
            (word & PERMITS > 0).then(|| (SLOTS_A_LEASE + 1).saturating_sub(age))
        });
        let slots = left.min()?;
        Some(Duration::from_nanos((slots * self.slot).saturating_sub(now.0 % self.slot).max(1)))
    }

    fn book(&self, n: u32, started: Tick) {
        let (number, n) = (self.number(started), u64::from(n));
        let cell = &self.slots[index(number)];
        let mut word = cell.load(Ordering::SeqCst);
        loop {
            let ahead = (word >> NUMBER).wrapping_sub(number) & NUMBERS;
            if word & PERMITS > 0 && ahead != 0 && ahead <= NUMBERS / 2 {
                // It slept through its lease between start and booking.
                self.taken.fetch_sub(n, Ordering::SeqCst);
                return;
            }
            let (booked, left_over) = if ahead == 0 { (word + n, 0) } else { (number << NUMBER | n, word & PERMITS) };
            match cell.compare_exchange_weak(word, booked, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    self.taken.fetch_sub(left_over, Ordering::SeqCst);
                    return;
                }
                Err(newer) => word = newer,
            }
        }
    }

    /// Forgets the calls whose lease is over.
    fn forget_old(&self, now: Tick) {
        let current = self.number(now);
        for cell in &self.slots {
            let word = cell.load(Ordering::SeqCst);
            let age = current.wrapping_sub(word >> NUMBER) & NUMBERS;
            let is_old = age > SLOTS_A_LEASE && age <= NUMBERS / 2;
            if word & PERMITS > 0 && is_old {
                let emptied = cell.compare_exchange(word, word & !PERMITS, Ordering::SeqCst, Ordering::SeqCst);
                if emptied.is_ok() {
                    self.taken.fetch_sub(word & PERMITS, Ordering::SeqCst);
                }
            }
        }
    }

    fn number(&self, at: Tick) -> u64 {
        (at.0 / self.slot) & NUMBERS
    }
}

/// One call may always run.
fn exceeds(taken: u64, n: u32, cap: u64) -> bool {
    taken > 0 && taken.saturating_add(u64::from(n)) > cap
}

#[expect(clippy::cast_possible_truncation, reason = "below sixteen")]
fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Tick = Tick(1 << 50);
    const LEASE: Duration = Duration::from_secs(60);

    #[test]
    fn a_place_is_held_for_its_lease_and_not_much_longer() {
        for phase in 0..20 {
            let places = InFlightCap::new(Some(2), LEASE);
            let start = NOW.after(Duration::from_millis(phase * 937));
            assert_eq!((places.take(1, start), places.take(1, start)), (Ok(0), Ok(1)));
            assert_eq!(places.take(1, start), Err(2));
            assert_eq!(places.take(1, start.after(LEASE)), Err(2), "phase {phase}");
            let end = start.after(places.next_end(start).unwrap());
            assert!(end.since(start) <= LEASE + LEASE / 8);
            assert_eq!(places.take(1, end.before(Duration::from_nanos(1))), Err(2));
            assert_eq!(places.take(1, end), Ok(0));
            // What ends late gives nothing back that is another's.
            places.give_back(1, start);
            places.give_back(1, start);
            assert_eq!(places.taken(end), 1);
        }
    }

    #[test]
    fn without_a_cap_all_are_counted_and_one_may_run_whatever_the_cap() {
        let places = InFlightCap::new(None, LEASE);
        assert_eq!((places.take(5, NOW), places.take(1, NOW), places.cap()), (Ok(0), Ok(5), None));
        places.learn(Some(0));
        assert_eq!((places.met(1, || NOW), places.was_bound(), places.was_bound()), (Some(0), true, false));
        places.give_back(5, NOW);
        places.give_back(1, NOW);
        assert_eq!(places.take(3, NOW), Ok(0));
        assert_eq!((places.taken(NOW.after(LEASE * 100)), places.next_end(NOW)), (0, None));
    }

    proptest! {
        /// Against a plain list of starts.
        #[test]
        fn any_run_of_starts_ends_and_waits_is_as_a_list_says(
            steps in prop::collection::vec((0u8..4, 0u16..9_000, 1u32..4), 1..200),
        ) {
            let places = InFlightCap::new(Some(6), LEASE);
            let slot = nanos(LEASE / 8);
            let (mut now, mut open): (Tick, Vec<(Tick, u32)>) = (NOW, Vec::new());
            for (what, millis, n) in steps {
                let lives = |start: Tick, now: Tick| now.0 / slot - start.0 / slot <= 8;
                match what {
                    0 => now = now.after(Duration::from_millis(u64::from(millis))),
                    1 if !open.is_empty() => {
                        let (start, n) = open.swap_remove(usize::from(millis) % open.len());
                        places.give_back(n, start);
                    }
                    _ => {
                        let taken: u32 = open.iter().filter(|(start, _)| lives(*start, now)).map(|(_, n)| n).sum();
                        let fits = taken == 0 || taken + n <= 6;
                        prop_assert_eq!(places.take(n, now), if fits { Ok(u64::from(taken)) } else { Err(6) });
                        if fits {
                            open.push((now, n));
                        }
                    }
                }
                let taken: u32 = open.iter().filter(|(start, _)| lives(*start, now)).map(|(_, n)| n).sum();
                prop_assert_eq!(places.taken(now), u64::from(taken));
            }
        }
    }
}
