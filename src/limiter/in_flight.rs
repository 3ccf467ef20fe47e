//! The guard for sources that queue instead of refusing, pure: bounds the calls in flight once
//! latency says that they wait for each other.
//!
//! The base latency is that of calls that started (nearly) alone. Calls that take [`ENGAGE`] times as
//! long, or time out, engage the guard: it allows as many calls as the throughput needs at
//! [`ROOM`] times the base latency (Little's law), fewer after time-outs. While it binds, it lets the
//! source run empty now and then, to learn the base again: a source that has become slow altogether is
//! no queue.
//!
//! A source may also refuse calls beyond a number at once. Such refusals come to calls that started
//! beside at least so many others, and calls that started beside as many are not accepted; when a few
//! refusals in a row fit, the number is a bound as well. Now and then one call more is tried: a source
//! that accepts several of those has no such number any more.

use std::time::Duration;

use crate::clock::Tick;

/// Latency, in base latencies, that engages the guard.
const ENGAGE: f64 = 2.5;
/// It lets go when it has held nobody back for this long.
const UNBOUND: Duration = Duration::from_secs(30);
/// Latency the allowed calls may build up, in base latencies.
const ROOM: f64 = 4.0;
/// Weight of a call in the recent latency.
const RECENT: f64 = 0.25;
/// Calls in flight, itself included, at which a call counts as alone.
const ALONE: u64 = 2;
/// Calls that set a new base.
const SAMPLES: u32 = 4;
/// A base of this age is learnt again.
const BASE_AGE: Duration = Duration::from_secs(20);
/// Throughput is measured over this time.
const WINDOW: Duration = Duration::from_secs(2);

/// Refusals that make a number of calls at once a bound, and the most that it is believed by: so many
/// acceptances beside as many calls do away with it.
const BELIEVED: u32 = 3;
const MOST_BELIEVED: u32 = 5;
/// Without a refusal for this long one call more is tried.
const TRY_MORE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct InFlightGuard {
    base: Option<f64>,
    base_at: Tick,
    latency: f64,
    /// Calls a second that ended well, and their count since `since`.
    throughput: f64,
    ended: u32,
    since: Tick,
    room: f64,
    room_cut_at: Tick,
    is_engaged: bool,
    bound_at: Tick,
    /// Learning a new base: samples and their sum.
    learning: Option<(u32, f64)>,
    seats: Seats,
}

impl InFlightGuard {
    pub(super) fn new(now: Tick) -> Self {
        Self {
            base: None,
            base_at: now,
            latency: 0.0,
            throughput: 0.0,
            ended: 0,
            since: now,
            room: ROOM,
            room_cut_at: now,
            is_engaged: false,
            bound_at: now,
            learning: None,
            seats: Seats { number: 0, belief: 0, is_bound: false, tries: false, refused_at: now },
        }
    }

    /// Calls that may be in flight; `u64::MAX` while nothing bounds them.
    pub(super) fn cap(&self) -> u64 {
        self.queue_cap().min(self.seats.cap())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    fn queue_cap(&self) -> u64 {
        if !self.is_engaged {
            return u64::MAX;
        }
        if self.learning.is_some() {
            return ALONE;
        }
        let needed = self.throughput * self.base.unwrap_or(self.latency) * self.room + 1.0;
        (needed as u64).max(ALONE)
    }

    /// A call was answered that had started beside `alongside` others; `bound`: callers have been
    /// held back since the last one.
    pub(super) fn answered(&mut self, started: Tick, alongside: u64, bound: bool, now: Tick) {
        let latency = now.since(started).as_secs_f64();
        self.seats.accepted(started, alongside, now);
        self.ended = self.ended.saturating_add(1);
        self.measure(now);
        self.latency = if self.latency > 0.0 { self.latency + (latency - self.latency) * RECENT } else { latency };
        let base = self.learn(latency, alongside, now);
        self.room = (self.room + 0.002).min(ROOM);
        if self.latency > base * ENGAGE {
            self.engage(now);
        }
        if bound {
            self.bound_at = now;
        } else if self.is_engaged && now.since(self.bound_at) > UNBOUND {
            (self.is_engaged, self.learning) = (false, None);
        }
        if self.is_engaged && bound && self.learning.is_none() && now.since(self.base_at) > BASE_AGE {
            self.learning = Some((0, 0.0));
        }
    }

    /// So many calls more were answered, in the same moment as others.
    pub(super) fn count(&mut self, answered: u32) {
        self.ended = self.ended.saturating_add(answered);
    }

    /// A call was refused that had started beside `alongside` others; whether the number of calls at
    /// once explains it, so that the rate need not.
    pub(super) fn refused(&mut self, started: Tick, alongside: u64, now: Tick) -> bool {
        self.seats.refused(started, alongside, now)
    }

    /// A call timed out: the room shrinks, once for all calls that were under way.
    pub(super) fn timed_out(&mut self, started: Tick, now: Tick) {
        self.measure(now);
        self.engage(now);
        self.latency = self.latency.max(now.since(started).as_secs_f64());
        if started >= self.room_cut_at {
            self.room = (self.room * 0.7).max(1.0);
            self.room_cut_at = now;
        }
    }

    fn engage(&mut self, now: Tick) {
        if !self.is_engaged {
            (self.is_engaged, self.bound_at) = (true, now);
        }
    }

    fn measure(&mut self, now: Tick) {
        let time = now.since(self.since);
        if time >= WINDOW {
            let measured = f64::from(self.ended) / time.as_secs_f64();
            self.throughput = measured.max(self.throughput * 0.8);
            (self.since, self.ended) = (now, 0);
        }
    }

    /// Updates the base where the call was alone; the base.
    fn learn(&mut self, latency: f64, alongside: u64, now: Tick) -> f64 {
        if alongside < ALONE {
            let old = self.base.unwrap_or(latency);
            if let Some((samples, sum)) = &mut self.learning {
                (*samples, *sum) = (*samples + 1, *sum + latency);
                if *samples >= SAMPLES {
                    self.base = Some(*sum / f64::from(*samples));
                    (self.base_at, self.learning) = (now, None);
                }
            } else {
                (self.base, self.base_at) = (Some(old + (latency - old) * 0.05), now);
            }
        }
        *self.base.get_or_insert(latency)
    }
}

/// How many calls at once the source bears, if it refuses those beyond a number.
#[derive(Debug, Clone, PartialEq)]
struct Seats {
    /// The fewest calls beside which one was refused; 0: no such number is known.
    number: u64,
    /// Refusals beside as many, less acceptances beside as many.
    belief: u32,
    is_bound: bool,
    /// One call more is tried.
    tries: bool,
    refused_at: Tick,
}

impl Seats {
    fn cap(&self) -> u64 {
        if self.is_bound { self.number + u64::from(self.tries) } else { u64::MAX }
    }

    fn accepted(&mut self, started: Tick, alongside: u64, now: Tick) {
        self.tries = now.since(self.refused_at) > TRY_MORE;
        // A call that had started before the refusal may have stood beside refused ones.
        if alongside >= self.number && started >= self.refused_at {
            if self.belief == 0 {
                (self.number, self.is_bound) = (0, false);
            }
            self.belief = self.belief.saturating_sub(1);
        }
    }

    fn refused(&mut self, started: Tick, alongside: u64, now: Tick) -> bool {
        let is_new = started >= self.refused_at;
        (self.refused_at, self.tries) = (now, false);
        if self.number == 0 || alongside < self.number {
            (self.number, self.belief, self.is_bound) = (alongside, 1, false);
        } else {
            self.belief = (self.belief + u32::from(is_new)).min(MOST_BELIEVED);
            self.is_bound |= self.belief >= BELIEVED;
        }
        self.is_bound
    }
}
