//! Token arithmetic, pure: the generic cell rate algorithm (GCRA) in permits instead of time.
//!
//! Permits stand in one line. The *front* of the line moves at the rate, and stands still in a
//! pause; a permit may be used once the front is within `burst` of its place. A caller who waits
//! keeps its place, whatever happens to rate and pauses, so the order of callers never changes. When
//! its turn has come it still has to *start*, on a second line that knows when calls really began:
//! threads that wake late, all at once, do not start all at once. So any window `w` starts at most
//! `burst + rate x w`.
//!
//! Places are in 2^-64 permits, the rate is a [`Pace`]. While nobody waits the bucket is lent to a
//! [lane](super::atomic_bucket), which needs no lock and knows places to 2^-`digits` of a permit. A place
//! that came back from there may be a unit too far, and a pace is rounded down: [`SLACK`] units earlier than
//! due count as due.

use std::time::Duration;

use super::pace::{PLACE, Pace};
use crate::clock::{Tick, nanos};

/// One permit.
const PERMIT: u128 = 1 << PLACE;

/// A place in the line; later permits have larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pace: Pace,
    burst: u128,
    /// Digits after the point of a place in the lane.
    digits: u32,
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

/// The bucket as a lane needs it: a place from the front in units, the tick from which the front moves, the
/// pace, and the digits after the point of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: u64,
    pub(super) since: Tick,
    pub(super) pace: Pace,
    pub(super) digits: u32,
}

/// As in the lane.
const SLACK: u128 = 3;
/// Bits of a place in a lane: room for some bursts, and for what moves in four seconds; at high rates for so
/// many permits, or the unit would be too coarse.
const LANE_BITS: u32 = 41;
const LANE_SPAN: f64 = 262_144.0;

/// So many digits after the point are left in a lane, at most 36.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 2^36")]
fn lane_digits(rate: f64, burst: u128) -> u32 {
    let most = 4 * (burst >> PLACE) as u64 + (4.0 * rate).min(LANE_SPAN) as u64 + 16;
    LANE_BITS - (u64::BITS - most.leading_zeros())
}

impl Bucket {
    pub(super) fn new(rate: f64, burst: u32, now: Tick) -> Self {
        let burst = u128::from(burst) * PERMIT;
        let (pace, digits) = (Pace::per_sec(rate), lane_digits(rate, burst));
        Self { pace, burst, digits, front: burst, since: now, next: burst, started: burst, lent: 0 }
    }

    /// The place of the last of `n` permits, if they were taken now.
    fn place(&self, n: u32, now: Tick) -> Place {
        // A bucket at rest holds a burst, not more.
        let start = self.next.max(self.front_at(now));
        Place(start.saturating_add(u128::from(n) * PERMIT))
    }

    /// When `n` permits taken now may be used: zero means now.
    pub(super) fn wait(&self, n: u32, now: Tick) -> Duration {
        self.wait_for(self.place(n, now), now).max(self.start_wait(n, now))
    }

    /// When `n` permits whose turn has come may start.
    pub(super) fn start_wait(&self, n: u32, now: Tick) -> Duration {
        self.wait_for(self.start_place(n, now), now)
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
        let pause = self.paused_for(now);
        let missing = self.missing(place, now);
        if missing == 0 {
            return pause;
        }
        // From where the front has a whole number of nanoseconds behind it.
        let from = self.since.max(now);
        let behind = place.0.saturating_sub(self.burst).saturating_sub(self.front).saturating_sub(self.slack());
        let due = self.pace.time_for(behind);
        Duration::from_nanos(self.since.0.saturating_add(due).saturating_sub(from.0)).saturating_add(pause)
    }

    /// For how long the permits up to `place` could have been used, at the rate of today.
    pub(super) fn overdue(&self, place: Place, now: Tick) -> Duration {
        let past = self.front_at(now).saturating_sub(place.0.saturating_sub(self.burst));
        Duration::from_nanos(self.pace.time_for(past))
    }

    fn missing(&self, place: Place, now: Tick) -> u128 {
        let behind = place.0.saturating_sub(self.burst).saturating_sub(self.front_at(now));
        behind.saturating_sub(self.slack())
    }

    fn slack(&self) -> u128 {
        SLACK * self.unit()
    }

    /// A unit of the lane.
    fn unit(&self) -> u128 {
        1 << (PLACE - self.digits)
    }

    /// Lends the bucket to a lane, until [`fold`](Self::fold).
    pub(super) fn share(&mut self, now: Tick) -> Share {
        self.settle(now);
        let taken = self.next.max(self.started).saturating_sub(self.front);
        let place = u64::try_from(taken.div_ceil(self.unit())).unwrap_or(u64::MAX);
        self.lent = place;
        Share { place, since: self.since, pace: self.pace, digits: self.digits }
    }

    /// Takes the bucket back: the lane's first place not taken, and the permits it granted.
    pub(super) fn fold(&mut self, place: u64, granted: u64) {
        if granted == 0 && place == self.lent {
            return;
        }
        let next = self.next.max(self.started);
        self.next = if place == self.lent + (granted << self.digits) {
            // One behind the other: as exact as before, rounding must not add up over many looks.
            next.saturating_add(u128::from(granted) * PERMIT)
        } else {
            self.front.saturating_add(u128::from(place) * self.unit())
        };
        self.started = self.next;
    }

    /// Whether a burst may be taken at once.
    pub(super) fn is_full(&self, now: Tick) -> bool {
        self.paused_for(now).is_zero() && self.next.max(self.started) <= self.front_at(now).saturating_add(self.slack())
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
        (self.pace, self.digits) = (Pace::per_sec(rate), lane_digits(rate, self.burst));
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self, now: Tick) {
        self.since = self.since.min(now);
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
        self.front.saturating_add(self.pace.moved(nanos(now.since(self.since))))
    }

    fn settle(&mut self, now: Tick) {
        self.front = self.front_at(now);
        self.since = self.since.max(now);
    }
}
