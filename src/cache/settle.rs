//! The one way in which the end of a load is booked.

use std::sync::Arc;

use super::backoff::{Backoff, BackoffKind};
use super::backoffs::TakenOff;
use super::core::Core;
use super::flight::{Flight, FlightResult};
use super::removed::Removed;
use super::shard::Shard;
use super::{CacheMode, Key, Loaded};
use crate::clock::Tick;
use crate::sync::atomic::Ordering;

/// What a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadKind {
    /// A caller waits for it.
    Foreground,
    /// Nobody waits.
    Background,
    /// No load of a source: a caller changes the value it has read.
    Update,
    /// It was queued, and never ran.
    Unrun,
}

/// What a load gave.
pub(super) enum LoadOutcome<V, E> {
    Loaded(Loaded<V>),
    Failed(Arc<E>),
    /// `is_held`: in the background, where no caller sees the panic, the key backs off.
    Panicked {
        is_held: bool,
    },
    Dropped,
}

/// A load that has ended.
pub(super) struct Ended<'a, K, V, E> {
    pub(super) hash: u64,
    pub(super) key: &'a K,
    /// None in the old modes: the last writer wins.
    pub(super) flight: Option<&'a Arc<Flight<V, E>>>,
    pub(super) started: Tick,
    pub(super) kind: LoadKind,
}

/// What became of it.
pub(super) struct Settled<V, E> {
    pub(super) outcome: FlightResult<V, E>,
    /// It owned its key, and what it gave is what the cache has now.
    pub(super) owned: bool,
}

impl<K, V, E> Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Books the end of a load, and publishes its value if its flight still owns the key, or if nobody else of
    /// its line has.
    pub(super) fn settle(&self, ended: &Ended<'_, K, V, E>, answer: LoadOutcome<V, E>) -> Settled<V, E> {
        let &Ended { hash, key, flight, started, kind } = ended;
        let was_panic = matches!(answer, LoadOutcome::Panicked { .. });
        let has_failed = !matches!(answer, LoadOutcome::Loaded(_));
        let is_held = !matches!(answer, LoadOutcome::Panicked { is_held: false });
        let mut is_stored = false;
        let outcome = match answer {
            LoadOutcome::Loaded(Loaded::Missing) => FlightResult::Missing,
            LoadOutcome::Loaded(loaded) => {
                let (value, ttl) = match loaded {
                    Loaded::ValueFor(value, ttl) => (value, ttl),
                    Loaded::Value(value) => (value, self.config.time_to_live),
                    Loaded::Missing => unreachable!("told apart above"),
                };
                is_stored = self.config.mode != CacheMode::Off && !ttl.is_zero();
                FlightResult::Value(self.entry(key, value, ttl, started))
            }
            LoadOutcome::Failed(error) => FlightResult::Failed(error),
            LoadOutcome::Panicked { .. } => FlightResult::Panicked,
            LoadOutcome::Dropped => FlightResult::Dropped,
        };
        let now = self.clock.now();
        let mut shard = self.shard(hash).lock();
        let owned = flight.is_none_or(|flight| shard.flights.land(hash, key, flight));
        let is_late = !owned
            && is_stored
            && kind != LoadKind::Update
            && flight.is_some_and(|flight| shard.accepts_late(hash, key, flight, started));
        let stats = &mut shard.stats;
        stats.unpublished += u64::from(!owned && !is_late && is_stored);
        let (runs, failures) = match kind {
            LoadKind::Foreground => (&mut stats.loads, &mut stats.load_failures),
            LoadKind::Background => (&mut stats.refreshes, &mut stats.refresh_failures),
            LoadKind::Update | LoadKind::Unrun => (&mut stats.updates, &mut stats.update_failures),
        };
        // A change that came too late is made again, and counted then.
        let counts = kind != LoadKind::Unrun && (owned || kind != LoadKind::Update);
        *runs += u64::from(counts);
        *failures += u64::from(counts && has_failed);
        if matches!(kind, LoadKind::Foreground | LoadKind::Background) {
            stats.load_panics += u64::from(was_panic);
            let took = now.since(started);
            stats.load_time = stats.load_time.saturating_add(took);
            stats.slowest_load = stats.slowest_load.max(took);
        }
        let mut left = Removed::default();
        let (mut leaving, mut put_up) = (None, None);
        let newer = if is_late { shard.flights.take_newer(hash, key) } else { None };
        match &outcome {
            FlightResult::Value(entry) if (owned && is_stored) || is_late => {
                (left, leaving) = self.put(&mut shard, hash, key, entry);
            }
            // What stands there is older than the value just served.
            FlightResult::Value(_) if owned => left = shard.remove(hash, key),
            FlightResult::Missing if owned => {
                // A refresh that finds nothing may be a vendor's hiccup: the value goes the second time.
                let is_doubtful = kind == LoadKind::Background
                    && shard.entries.peek(hash, key).is_some_and(|entry| now < entry.times.dead_at)
                    && !shard.holds.get(hash, key).is_some_and(|hold| hold.confirms_missing(&self.config, now));
                if !is_doubtful {
                    left = shard.remove(hash, key);
                }
                if self.config.is_smart() && kind != LoadKind::Update {
                    put_up = Some(self.hold(&mut shard, hash, key, Backoff::missing(&self.config, now)));
                }
            }
            FlightResult::Failed(_) | FlightResult::Panicked if owned && is_held && self.config.is_smart() => {
                let kind = match &outcome {
                    FlightResult::Failed(error) => BackoffKind::Failed(Arc::clone(error)),
                    _ => BackoffKind::Panicked,
                };
                let by = (flight.map_or(0, |flight| flight.line), self.epoch());
                let hold = Backoff::failed(kind, shard.holds.get(hash, key), by, &self.config, now);
                put_up = Some(self.hold(&mut shard, hash, key, hold));
            }
            _ => {}
        }
        shard.flights.put_back(hash, key, newer.as_ref());
        drop(shard);
        nudge(newer.as_ref());
        self.after_store(hash, left, leaving);
        if let Some((number, old)) = put_up {
            drop(old);
            self.make_room_for_hold(now, hash, number);
        }
        Settled { outcome, owned }
    }

    /// A value that comes after its load has been given up: published if nobody has written,
    /// invalidated or loaded the key since.
    pub(super) fn settle_late(
        &self,
        hash: u64,
        key: &K,
        flight: &Arc<Flight<V, E>>,
        started: Tick,
        loaded: Loaded<V>,
    ) -> bool {
        let (value, ttl) = match loaded {
            Loaded::Value(value) => (value, self.config.time_to_live),
            Loaded::ValueFor(value, ttl) => (value, ttl),
            Loaded::Missing => return false,
        };
        if ttl.is_zero() || !self.config.is_smart() {
            return false;
        }
        let entry = self.entry(key, value, ttl, started);
        let mut shard = self.shard(hash).lock();
        let owns = shard.flights.land(hash, key, flight) || shard.accepts_late(hash, key, flight, started);
        let newer = if owns { shard.flights.take_newer(hash, key) } else { None };
        let (left, leaving) = if owns { self.put(&mut shard, hash, key, &entry) } else { Default::default() };
        shard.flights.put_back(hash, key, newer.as_ref());
        shard.stats.unpublished += u64::from(!owns);
        drop(shard);
        nudge(newer.as_ref());
        self.after_store(hash, left, leaving);
        owns
    }

    fn hold(&self, shard: &mut Shard<K, V, E>, hash: u64, key: &K, hold: Backoff<E>) -> (u64, Option<Backoff<E>>) {
        self.shards.upkeep.note(hold.forgotten_at(&self.config));
        let (number, old) = shard.holds.put(hash, key, hold);
        if old.is_none() {
            self.shards.holds.fetch_add(1, Ordering::Relaxed);
        }
        (number, old)
    }

    /// Brings the holds of all shards below their bound, in the order that `backoffs.rs` tells.
    fn make_room_for_hold(&self, now: Tick, hash: u64, number: u64) {
        if self.shards.holds.load(Ordering::Relaxed) <= self.config.max_holds {
            return;
        }
        let own = self.shards.index(hash);
        let count = self.shards.locks.len();
        let all = || (0..count).map(|step| (own + step) % count);
        let over = all().find_map(|index| self.shards.locks[index].lock().holds.pop_over(now));
        let removed = over.or_else(|| {
            let least = all().find_map(|index| self.shards.locks[index].lock().holds.pop_missing());
            let least = least.or_else(|| self.shards.locks[own].lock().holds.pop(hash, number));
            self.shards.locks[own].lock().stats.holds_refused += u64::from(least.is_some());
            least
        });
        self.shards.holds.fetch_sub(removed.as_ref().map_or(0, TakenOff::len), Ordering::Relaxed);
    }
}

/// An older load of the line has brought a value: who waits for the newer looks again, and may find it.
fn nudge<V, E>(newer: Option<&Arc<Flight<V, E>>>) {
    if let Some(newer) = newer {
        newer.nudge();
    }
}
