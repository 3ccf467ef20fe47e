//! The line: a lane without a lock while nobody waits; under the lock callers start in the order in which
//! they asked.
//!
//! Each waiting caller sleeps on a condition of its own, and only the first of them watches the clock: who
//! leaves the line, or moves its front, wakes the first of those who wait, and nobody else. A reservation
//! that nobody waits on holds up those behind it, but only for a lease from the moment its turn had come.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::atomic_bucket::{AtomicBucket, AtomicStart, TakeResult};
use super::blocked::{Blocked, LOOK_AGAIN};
use super::bucket::{Bucket, Place};
use super::{LimitReason, LimiterConfig};
use crate::clock::{Clock, Deadline, Tick};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

pub(super) struct WaitQueue {
    lane: AtomicBucket,
    clock: Clock,
    lease: Duration,
    /// Permits granted before the lane opened; the lane counts the others.
    granted: AtomicU64,
    core: Mutex<Core>,
}

struct Core {
    /// Lent to the lane while that is open.
    bucket: Bucket,
    line: BTreeMap<Place, Entry>,
    is_closed: bool,
    /// Somebody wants to see each grant: the lane stays closed.
    is_watched: bool,
}

/// A place in the line.
struct Entry {
    since: Tick,
    /// Who waits on it.
    waiter: Option<Arc<Condvar>>,
}

/// Where a started permit stands, to take it back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Atomic(AtomicStart),
    Queued(Place),
    /// Nothing was counted.
    Unrecorded,
}

/// A start, what was taken with it, and when.
pub(super) struct Started<T> {
    pub(super) with: T,
    pub(super) start: Start,
    pub(super) at: Tick,
}

/// How waiting ended without a start.
pub(super) enum Ended {
    Blocked(Blocked),
    /// Nobody had waited on the place for a lease: it is gone.
    Expired,
}

/// The line as a reader sees it.
pub(super) struct QueueView {
    pub(super) paused_for: Duration,
    pub(super) waiting: usize,
    pub(super) granted: u64,
}

impl WaitQueue {
    pub(super) fn new(config: &LimiterConfig, is_watched: bool, clock: Clock) -> Self {
        let bucket = Bucket::new(config.initial_rate_per_sec, config.burst, clock.now());
        let queue = Self {
            lane: AtomicBucket::new(config.burst),
            clock,
            lease: config.lease,
            granted: AtomicU64::new(0),
            core: Mutex::new(Core { bucket, line: BTreeMap::new(), is_closed: false, is_watched }),
        };
        drop(queue.lock());
        queue
    }

    /// Takes `n` permits without the lock, if nobody waits.
    #[inline]
    pub(super) fn try_take(&self, n: u32) -> TakeResult {
        self.lane.try_take(n, || self.clock.now())
    }

    /// The same under the lock; `begin` takes what else a call needs.
    pub(super) fn try_start<T>(
        &self,
        n: u32,
        begin: impl FnOnce(Tick) -> Result<T, Blocked>,
    ) -> Result<Started<T>, Blocked> {
        let mut held = self.lock();
        let now = self.clock.now();
        let result = held.may_start(n, now).and_then(|()| begin(now)).map(|with| {
            held.bucket.take(n, now);
            Started { with, start: held.start(n, now), at: now }
        });
        drop(held);
        result
    }

    /// Takes a place in the line, if its turn comes by `deadline` as things are now.
    pub(super) fn reserve(&self, n: u32, deadline: Deadline) -> Result<Place, Blocked> {
        let mut held = self.lock();
        let now = self.clock.now();
        let result = held.may_stand(n, deadline, now).map(|()| {
            let place = held.bucket.take(n, now);
            held.line.insert(place, Entry { since: now, waiter: None });
            place
        });
        drop(held);
        result
    }

    /// Waits for the turn of `place` until `deadline` and starts; `begin` takes what else a call needs.
    pub(super) fn wait<T>(
        &self,
        n: u32,
        place: Place,
        deadline: Deadline,
        mut begin: impl FnMut(Tick) -> Result<T, Blocked>,
    ) -> Result<Started<T>, Ended> {
        let condition = Arc::new(Condvar::new());
        let mut held = self.lock();
        if !held.attend(place, &condition) {
            drop(held);
            return Err(Ended::Expired);
        }
        let result = loop {
            let now = self.clock.now();
            if held.is_closed {
                break Err(Blocked::until(LimitReason::Closed, None));
            }
            held.drop_expired(now);
            let wait = held.bucket.wait_for(place, now).max(held.bucket.start_wait(n, now));
            let blocked = if !wait.is_zero() {
                held.rate_blocks(wait, now)
            } else if held.line.keys().next() == Some(&place) {
                match begin(now) {
                    Ok(with) => break Ok(Started { with, start: held.start(n, now), at: now }),
                    Err(blocked) => blocked,
                }
            } else {
                Blocked::until(LimitReason::Rate, None)
            };
            let is_over = match blocked.retry_after {
                Some(left) => comes_too_late(left, deadline, now),
                None => deadline.has_passed(now),
            };
            if is_over || blocked.is_final() {
                break Err(blocked);
            }
            let wake = held.wake_of(place, &blocked, now).earlier(deadline);
            held.tell_first();
            self.clock.wait(&condition, &mut held.core, wake);
        };
        held.line.remove(&place);
        if result.is_err() {
            held.bucket.leave(n, place);
        }
        held.front_moved = true;
        drop(held);
        result.map_err(Ended::Blocked)
    }

    /// Gives a place up, if its lease is not over.
    pub(super) fn leave(&self, n: u32, place: Place) {
        let mut held = self.lock();
        if held.line.remove(&place).is_some() {
            held.bucket.leave(n, place);
            held.front_moved = true;
        }
    }

    /// The time until the turn of `place`; of one that is gone, until a new one's.
    pub(super) fn turn_of(&self, n: u32, place: Place) -> Duration {
        let held = self.lock();
        let now = self.clock.now();
        if held.line.contains_key(&place) { held.bucket.wait_for(place, now) } else { held.bucket.wait(n, now) }
    }

    /// The time until one permit is free.
    pub(super) fn peek(&self) -> Duration {
        let seen = self.lane.peek(1, || self.clock.now());
        seen.map_or_else(|| self.lock().wait(1, self.clock.now()), |(wait, _paused)| wait)
    }

    /// Takes a start back, if nobody has started since.
    pub(super) fn undo(&self, n: u32, start: Start) -> bool {
        let place = match start {
            Start::Atomic(start) => return self.lane.undo(n, start),
            Start::Unrecorded => return true,
            Start::Queued(place) => place,
        };
        let mut held = self.lock();
        let is_last = held.line.last_key_value().is_none_or(|(last, _)| *last < place);
        let is_undone = held.bucket.refund(n, place, is_last);
        if is_undone {
            self.granted.fetch_sub(u64::from(n), Ordering::Release);
            held.front_moved = true;
        }
        is_undone
    }

    /// Whoever is first looks again: a call has ended.
    #[inline]
    pub(super) fn wake(&self) {
        if self.lane.is_closed() {
            // Who has looked at the places under the lock is waiting by now.
            self.lock().front_moved = true;
        }
    }

    /// Refuses all later callers and wakes the waiting ones.
    pub(super) fn close(&self) {
        let mut held = self.lock();
        held.is_closed = true;
        held.wake_all();
    }

    /// Changes the rate; `pause`: nobody starts for so long, and what a rest had saved up is gone.
    pub(super) fn set_rate(&self, rate: f64, pause: Option<Duration>, now: Tick) {
        let mut held = self.lock();
        held.bucket.set_rate(rate, now);
        held.front_moved = true;
        match pause {
            None => {}
            Some(Duration::ZERO) => held.bucket.drain(now),
            Some(pause) => {
                held.bucket.pause(now.after(pause), now);
                // Those who cannot meet their deadline any more hear of it now.
                held.wake_all();
            }
        }
    }

    /// Ends a pause.
    pub(super) fn resume(&self, now: Tick) {
        let mut held = self.lock();
        held.bucket.resume(now);
        held.front_moved = true;
    }

    pub(super) fn set_watched(&self, is_watched: bool) {
        self.lock().is_watched = is_watched;
    }

    pub(super) fn paused_for(&self, now: Tick) -> Duration {
        self.lock().bucket.paused_for(now)
    }

    /// Whether nobody waits, nothing is paused, and a burst may be taken at once.
    pub(super) fn is_at_rest(&self, now: Tick) -> bool {
        let held = self.lock();
        held.line.is_empty() && held.bucket.is_full(now)
    }

    pub(super) fn view(&self) -> QueueView {
        let held = self.lock();
        QueueView {
            paused_for: held.bucket.paused_for(self.clock.now()),
            waiting: held.line.len(),
            granted: self.granted.load(Ordering::Acquire),
        }
    }

    /// The core, the bucket taken back from the lane.
    fn lock(&self) -> Locked<'_> {
        let mut core = self.core.lock();
        if let Some((place, granted)) = self.lane.close() {
            core.bucket.fold(place, granted);
            self.granted.fetch_add(granted, Ordering::Release);
        }
        Locked { queue: self, core, front_moved: false }
    }
}

/// A deadline exactly at the moment is met.
pub(super) fn comes_too_late(wait: Duration, deadline: Deadline, now: Tick) -> bool {
    !wait.is_zero() && deadline.tick() != Tick::MAX && now.after(wait) > deadline.tick()
}

/// The locked core; at its end the first who waits is woken if the front has moved, and the lane opens again
/// if nobody does.
struct Locked<'a> {
    queue: &'a WaitQueue,
    core: MutexGuard<'a, Core>,
    front_moved: bool,
}

impl Locked<'_> {
    /// Whether somebody who does not stand in the line may start.
    fn may_start(&mut self, n: u32, now: Tick) -> Result<(), Blocked> {
        if self.core.is_closed {
            return Err(Blocked::until(LimitReason::Closed, None));
        }
        let wait = self.wait(n, now);
        if wait.is_zero() { Ok(()) } else { Err(self.rate_blocks(wait, now)) }
    }

    /// Whether somebody may stand in the line: his turn comes by the deadline as things are now.
    fn may_stand(&mut self, n: u32, deadline: Deadline, now: Tick) -> Result<(), Blocked> {
        if self.core.is_closed {
            return Err(Blocked::until(LimitReason::Closed, None));
        }
        self.drop_expired(now);
        let wait = self.core.bucket.wait(n, now);
        if comes_too_late(wait, deadline, now) { Err(self.rate_blocks(wait, now)) } else { Ok(()) }
    }

    /// Somebody waits on a place, if it is still there.
    fn attend(&mut self, place: Place, condition: &Arc<Condvar>) -> bool {
        let entry = self.core.line.get_mut(&place);
        entry.map(|entry| entry.waiter = Some(Arc::clone(condition))).is_some()
    }

    /// Starts permits whose turn has come.
    fn start(&mut self, n: u32, now: Tick) -> Start {
        self.queue.granted.fetch_add(u64::from(n), Ordering::Release);
        // Cannot fail: the wait, zero, was for the start too.
        self.core.bucket.start(n, now).map_or(Start::Unrecorded, Start::Queued)
    }

    /// The time until `n` permits are free for somebody who does not stand in the line.
    fn wait(&mut self, n: u32, now: Tick) -> Duration {
        self.drop_expired(now);
        let wait = self.core.bucket.wait(n, now);
        // Whoever waits for a quota or for calls in flight comes first.
        if self.core.line.is_empty() { wait } else { wait.max(LOOK_AGAIN) }
    }

    fn rate_blocks(&self, wait: Duration, now: Tick) -> Blocked {
        Blocked::by_rate(wait, !self.core.bucket.paused_for(now).is_zero())
    }

    /// Lets go of reservations at the front that nobody waits on, once their lease is over.
    fn drop_expired(&mut self, now: Tick) {
        while let Some(first) = self.core.line.first_entry() {
            if first.get().waiter.is_some() {
                break;
            }
            let (place, since) = (*first.key(), first.get().since);
            if !self.lease_left(place, since, now).is_zero() {
                break;
            }
            // Its place is not given away again: who still holds the reservation must not meet another there.
            self.core.line.remove(&place);
            self.front_moved = true;
        }
    }

    /// The lease counts from the turn, and from the reservation at the earliest.
    fn lease_left(&self, place: Place, since: Tick, now: Tick) -> Duration {
        let (lease, bucket) = (self.queue.lease, &self.core.bucket);
        let turn = bucket.wait_for(place, now);
        let of_turn = if turn.is_zero() { lease.saturating_sub(bucket.overdue(place, now)) } else { turn + lease };
        of_turn.max(lease.saturating_sub(now.since(since)))
    }

    /// When the waiter of `place` has to look again by itself.
    fn wake_of(&self, place: Place, blocked: &Blocked, now: Tick) -> Deadline {
        let line = &self.core.line;
        let is_first_who_waits =
            line.iter().find(|(_, entry)| entry.waiter.is_some()).is_some_and(|(at, _)| *at == place);
        let in_time = |time: Option<Duration>| time.map_or(Deadline::never(), |time| Deadline::at(now.after(time)));
        if !is_first_who_waits {
            // Who goes before wakes it.
            return Deadline::never();
        }
        let lease = line.first_key_value().filter(|(first, _)| **first != place);
        let lease = lease.map(|(first, entry)| self.lease_left(*first, entry.since, now));
        in_time(blocked.retry_after).earlier(in_time(blocked.look)).earlier(in_time(lease))
    }

    fn tell_first(&mut self) {
        if std::mem::take(&mut self.front_moved) {
            if let Some(first) = self.core.line.values().find_map(|entry| entry.waiter.as_ref()) {
                first.notify_one();
            }
        }
    }

    fn wake_all(&self) {
        for waiter in self.core.line.values().filter_map(|entry| entry.waiter.as_ref()) {
            waiter.notify_one();
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.tell_first();
        if self.core.line.is_empty() && !self.core.is_closed && !self.core.is_watched {
            let now = self.queue.clock.now();
            if let Some(share) = self.core.bucket.share(now) {
                self.queue.lane.open(share);
            }
        }
    }
}
