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
//! [lane](super::atomic_bucket), which needs no lock and counts in time instead of permits.

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
    /// Where the front was at `since`; from there it moves at the rate.
    front: u128,
    /// May lie ahead: the end of a pause.
    since: Tick,
    /// The first place not taken.
    next: u128,
    /// The first place not started; behind `next` while callers wait.
    started: u128,
    /// The lane's terms.
    lane: LaneScale,
    /// The place in the lane's units, while it is lent.
    lent: u64,
}

/// The bucket as a lane needs it, in units of time: the place is when the front reaches the first one not
/// taken, from the tick `since`, from which the front moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: u64,
    pub(super) since: Tick,
    pub(super) scale: LaneScale,
}

/// A unit of time in a lane is 2^-`fraction` nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneScale {
    /// Units in which one permit moves.
    pub(super) interval: u64,
    pub(super) fraction: u32,
}

/// The longest a burst may take in a lane, in units; and the farthest place that may be lent.
const LONGEST: u64 = 1 << 40;

impl LaneScale {
    /// Seven digits of the interval, and nanoseconds to their ninth binary digit, as far as a burst fits.
    fn new(pace: Pace, burst: u128) -> Self {
        let nanos = pace.time_for(PERMIT, 0).max(1);
        let mut fraction = 24_u32.saturating_sub(nanos.ilog2()).clamp(9, 22);
        let interval = |fraction| pace.time_for(PERMIT, fraction);
        while fraction > 0 && u128::from(interval(fraction)) * (burst >> PLACE) > u128::from(LONGEST) {
            fraction -= 1;
        }
        Self { interval: interval(fraction), fraction }
    }
}

/// Rounding of a pace and of places that were rounded by it: so much earlier than due counts as due. At ten a
/// second it is a hundredth of a picosecond.
const SLACK: u128 = 1 << 20;

impl Bucket {
    pub(super) fn new(rate: f64, burst: u32, now: Tick) -> Self {
        let burst = u128::from(burst) * PERMIT;
        let pace = Pace::per_sec(rate);
        let lane = LaneScale::new(pace, burst);
        Self { pace, burst, front: burst, since: now, next: burst, started: burst, lane, lent: 0 }
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
        let from = self.since.max(now);
        let behind = place.0.saturating_sub(self.burst).saturating_sub(self.front).saturating_sub(SLACK);
        // From `since`, where the front is known exactly.
        let due = self.since.0.saturating_add(self.pace.time_for(behind, 0));
        Duration::from_nanos(due.saturating_sub(from.0)).saturating_add(pause)
    }

    /// For how long the permits up to `place` could have been used, at the rate of today.
    pub(super) fn overdue(&self, place: Place, now: Tick) -> Duration {
        let past = self.front_at(now).saturating_sub(place.0.saturating_sub(self.burst));
        Duration::from_nanos(self.pace.time_for(past, 0))
    }

    fn missing(&self, place: Place, now: Tick) -> u128 {
        place.0.saturating_sub(self.burst).saturating_sub(self.front_at(now)).saturating_sub(SLACK)
    }

    /// Lends the bucket to a lane, until [`fold`](Self::fold); `None` if a burst takes longer than a lane can
    /// count.
    pub(super) fn share(&mut self, now: Tick) -> Option<Share> {
        self.settle(now);
        let taken = self.next.max(self.started).saturating_sub(self.front);
        let place = self.pace.time_for(taken.saturating_sub(SLACK), self.lane.fraction);
        let burst = u128::from(self.lane.interval) * (self.burst >> PLACE);
        self.lent = place;
        let fits = burst <= u128::from(LONGEST) && place <= LONGEST;
        fits.then_some(Share { place, since: self.since, scale: self.lane })
    }

    /// Takes the bucket back: the lane's first place not taken, and the permits it granted.
    pub(super) fn fold(&mut self, place: u64, granted: u64) {
        if granted == 0 && place == self.lent {
            return;
        }
        self.next = if place == self.lent + granted * self.lane.interval {
            // One behind the other: as exact as before, rounding must not add up over many looks.
            self.next.max(self.started).saturating_add(u128::from(granted) * PERMIT)
        } else {
            self.front.saturating_add(self.pace.moved(place, self.lane.fraction))
        };
        self.started = self.next;
    }

    /// Whether a burst may be taken at once.
    pub(super) fn is_full(&self, now: Tick) -> bool {
        self.paused_for(now).is_zero() && self.next.max(self.started) <= self.front_at(now).saturating_add(SLACK)
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
        self.pace = Pace::per_sec(rate);
        self.lane = LaneScale::new(self.pace, self.burst);
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
        self.front.saturating_add(self.pace.moved(nanos(now.since(self.since)), 0))
    }

    fn settle(&mut self, now: Tick) {
        self.front = self.front_at(now);
        self.since = self.since.max(now);
    }
}
