//! Token arithmetic, pure: the generic cell rate algorithm (GCRA) in permits instead of time.
//!
//! Permits stand in one line. The *front* of the line moves at the rate, and stands still in a
//! pause; a permit may be used once the front is within `burst` of its place. A caller who waits
//! keeps its place, whatever happens to rate and pauses, so the order of callers never changes. When
//! its turn has come it still has to *start*, on a second line that knows when calls really began:
//! threads that wake late, all at once, do not start all at once. So any window `w` starts at most
//! `burst + rate x w`.
//!
//! Places are in 2^-64 permits, rates in 2^-60 permits a nanosecond: a rate of one a day keeps four
//! digits, ten years at 5e9 a second fit. While nobody waits the bucket is lent to a
//! [`Lane`](super::atomic_bucket::Lane), which needs no lock.

use std::time::Duration;

use crate::clock::{Tick, nanos};

/// One permit.
const PERMIT: u128 = 1 << 64;

/// A place in the line; later permits have larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Permits a nanosecond.
    rate: u128,
    burst: u128,
    /// Where the front was at `since`; from there it moves at the rate.
    front: u128,
    /// May lie ahead: the end of a pause.
    since: Tick,
    /// The first place not taken.
    next: u128,
    /// The first place not started; behind `next` while callers wait.
    started: u128,
    /// The place in the lane's units, while it is lent.
    lent: u64,
}

/// Permits a nanosecond, rounded down: never more than the rate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "validated rates give 2^17 to 2^67")]
fn per_nano(rate: f64) -> u128 {
    ((rate / 1e9 * (1u64 << 60) as f64).floor() as u128).max(1) << 4
}

/// The bucket as a lane needs it: a place from the front in 2^-20 permits, the tick from which the
/// front moves, the rate in 2^-60 permits a nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: u64,
    pub(super) since: Tick,
    pub(super) rate: u64,
}

/// From 2^-20 permits to 2^-64.
const UNIT: u32 = 44;

impl Bucket {
    pub(super) fn new(rate: f64, burst: u32, now: Tick) -> Self {
        let burst = u128::from(burst) * PERMIT;
        Self { rate: per_nano(rate), burst, front: burst, since: now, next: burst, started: burst, lent: 0 }
    }

    /// The place of the last of `n` permits, if they were taken now.
    fn place(&self, n: u32, now: Tick) -> Place {
        // A bucket at rest holds a burst, not more.
        let start = self.next.max(self.front_at(now));
        Place(start.saturating_add(u128::from(n) * PERMIT))
    }

    /// When `n` permits taken now may be used: zero means now.
    pub(super) fn wait(&self, n: u32, now: Tick) -> Duration {
        self.wait_for(self.place(n, now), now).max(self.wait_for(self.start_place(n, now), now))
    }

    fn start_place(&self, n: u32, now: Tick) -> Place {
        Place(self.started.max(self.front_at(now)).saturating_add(u128::from(n) * PERMIT))
    }

    /// Starts `n` permits whose turn has come.
    ///
    /// # Errors
    /// The time to wait, if too many have started just now.
    pub(super) fn start(&mut self, n: u32, now: Tick) -> Result<Place, Duration> {
        let place = self.start_place(n, now);
        let wait = self.wait_for(place, now);
        if wait.is_zero() {
            self.started = place.0;
            Ok(place)
        } else {
            Err(wait)
        }
    }

    /// When the permits up to `place` may be used: zero means now.
    pub(super) fn wait_for(&self, place: Place, now: Tick) -> Duration {
        let missing = place.0.saturating_sub(self.burst).saturating_sub(self.front_at(now));
        let pause = self.paused_for(now);
        if missing == 0 {
            return pause;
        }
        let moving = missing.div_ceil(self.rate);
        Duration::from_nanos(u64::try_from(moving).unwrap_or(u64::MAX)).saturating_add(pause)
    }

    /// Lends the bucket to a lane, until [`fold`](Self::fold).
    pub(super) fn share(&mut self, now: Tick) -> Share {
        self.settle(now);
        let taken = self.next.max(self.started).saturating_sub(self.front);
        let place = u64::try_from(taken.div_ceil(1 << UNIT)).unwrap_or(u64::MAX);
        self.lent = place;
        Share { place, since: self.since, rate: u64::try_from(self.rate >> 4).unwrap_or(u64::MAX) }
    }

    /// Takes the bucket back: the lane's first place not taken.
    pub(super) fn fold(&mut self, place: u64) {
        // Unused, it is as exact as before: rounding must not add up over many looks.
        if place == self.lent {
            return;
        }
        self.next = self.front.saturating_add(u128::from(place) << UNIT);
        self.started = self.next;
    }

    /// Takes `n` permits, now or in advance.
    pub(super) fn take(&mut self, n: u32, now: Tick) -> Place {
        let place = self.place(n, now);
        self.next = place.0;
        place
    }

    /// Gives a place in the line back, if nobody has taken a later one: one in the middle cannot be
    /// handed on without two callers sharing a moment.
    pub(super) fn leave(&mut self, n: u32, place: Place) {
        if self.next == place.0 {
            self.next -= u128::from(n) * PERMIT;
        }
    }

    /// Takes a start back, if nobody has started later. `ends_line`: nobody waits at its place or
    /// behind, so that the place may be given away again.
    pub(super) fn refund(&mut self, n: u32, start: Place, ends_line: bool) -> bool {
        let is_last = self.started == start.0;
        if is_last {
            self.started -= u128::from(n) * PERMIT;
            if ends_line && self.next == start.0 {
                self.next = self.started;
            }
        }
        is_last
    }

    /// Changes the speed of the front.
    pub(super) fn set_rate(&mut self, rate: f64, now: Tick) {
        self.settle(now);
        self.rate = per_nano(rate);
    }

    /// Takes what a rest has saved up: the next permit is a whole interval away. The source has just
    /// said that it has none left.
    pub(super) fn drain(&mut self, now: Tick) {
        self.settle(now);
        let spent = self.front.saturating_add(self.burst);
        self.next = self.next.max(spent);
        self.started = self.started.max(spent);
    }

    /// Stops the front until then. What a rest had saved up is lost but for one permit, so that
    /// callers do not all start at the end of the pause.
    pub(super) fn pause(&mut self, until: Tick, now: Tick) {
        if until > now {
            self.settle(now);
            self.since = self.since.max(until);
            let saved = self.front.saturating_add(self.burst - PERMIT);
            self.next = self.next.max(saved);
            self.started = self.started.max(saved);
        }
    }

    /// Rest of a pause.
    pub(super) fn paused_for(&self, now: Tick) -> Duration {
        self.since.since(now)
    }

    fn front_at(&self, now: Tick) -> u128 {
        let moved = self.rate.saturating_mul(u128::from(nanos(now.since(self.since))));
        self.front.saturating_add(moved)
    }

    fn settle(&mut self, now: Tick) {
        self.front = self.front_at(now);
        self.since = self.since.max(now);
    }
}
