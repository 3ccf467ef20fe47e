//! The guard for sources that queue instead of refusing, pure: bounds the calls in flight once
//! latency says that they wait for each other.
//!
//! The base latency is that of calls that started (nearly) alone. Calls that take [`ENGAGE`] times as
//! long, or time out, engage the guard: it allows as many calls as the throughput needs at
//! [`ROOM`] times the base latency (Little's law), fewer after time-outs. While it binds, it lets the
//! source run empty now and then, to learn the base again: a source that has become slow altogether is
//! no queue.

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
        }
    }

    /// Calls that may be in flight; `u64::MAX` while the guard is not engaged.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    pub(super) fn cap(&self) -> u64 {
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
        self.ended += 1;
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
