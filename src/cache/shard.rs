//! One shard: entries, flights and holds under one lock, and the decision what a lookup gets.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;

use super::backoff::{Backoff, BackoffKind};
use super::entry::{CacheStatus, Cached, Entry};
use super::flight::{Flight, FlightResult};
use super::freshness::Class;
use super::stats::ShardStats;
use super::store::{Entries, PolicyEvent, Ticket};
use super::{CacheConfig, LoadError};
use crate::clock::Tick;

/// Hash, key, flight.
type Flights<K, V, E> = HashTable<(u64, K, Arc<Flight<V, E>>)>;

pub(super) struct Shard<K, V, E> {
    pub(super) entries: Entries<K, V>,
    flights: Flights<K, V, E>,
    holds: HashTable<(u64, K, Backoff<E>)>,
    /// What the eviction policy has not been told yet; stays empty without one.
    pub(super) events: Vec<PolicyEvent<K>>,
    pub(super) stats: ShardStats,
    pub(super) next_sweep: Tick,
    /// Entries stored, and keys removed; an answer that comes late is fenced by it.
    changes: u64,
    tells_policy: bool,
    max_holds: usize,
}

/// What a lookup wants.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(super) struct LookupMode {
    pub(super) max_age: Option<Duration>,
    /// The caller brought a loader.
    pub(super) can_load: bool,
    /// A refresh may be started; without one, soft expiry is hard.
    pub(super) can_refresh: bool,
    /// Nothing is loaded or refreshed, and what is stale is served.
    pub(super) takes_stale: bool,
    /// What is stored does not matter: this lookup wants a load.
    pub(super) skips_stored: bool,
    /// A failed load a moment ago does not matter: this one looks whether the source is back.
    pub(super) ignores_failures: bool,
    /// The recovery of the source that is the last.
    pub(super) epoch: u64,
}

impl LookupMode {
    /// Looks, and loads nothing.
    pub(super) const LOOK: Self = Self {
        max_age: None,
        can_load: false,
        can_refresh: false,
        takes_stale: false,
        skips_stored: false,
        ignores_failures: false,
        epoch: 0,
    };

    /// Loads what is not there.
    pub(super) const fn load(max_age: Option<Duration>, epoch: u64) -> Self {
        Self { max_age, can_load: true, can_refresh: true, epoch, ..Self::LOOK }
    }
}

/// What a lookup gets.
pub(super) enum Lookup<V, E> {
    Hit(Cached<V>),
    /// A hit whose refresh the caller must hand to the pool.
    Refresh(Cached<V>, Arc<Flight<V, E>>),
    /// The caller loads.
    Lead(Option<Arc<Flight<V, E>>>),
    /// The caller waits for another's load.
    Join(Arc<Flight<V, E>>),
    Refused(LoadError<E>),
    Absent,
}

/// What left the shard; dropped by the caller after the lock, since it is the host's.
pub(super) struct Removed<V, E> {
    pub(super) entries: Vec<Arc<Entry<V>>>,
    flight: Option<Arc<Flight<V, E>>>,
    hold: Option<Backoff<E>>,
}

impl<V, E> Default for Removed<V, E> {
    fn default() -> Self {
        Self { entries: Vec::new(), flight: None, hold: None }
    }
}

impl<K: Hash + Eq + Clone, V, E> Shard<K, V, E> {
    pub(super) fn new(ordered: bool, tells_policy: bool, max_holds: usize) -> Self {
        Self {
            entries: Entries::new(ordered),
            flights: HashTable::new(),
            holds: HashTable::new(),
            events: Vec::new(),
            stats: ShardStats::default(),
            next_sweep: Tick::default(),
            changes: 0,
            tells_policy,
            max_holds,
        }
    }

    /// The entry of a key if it is fresh without further ado.
    #[inline]
    pub(super) fn fresh(&mut self, hash: u64, key: &K, now: Tick) -> Option<Arc<Entry<V>>> {
        let entry = self.entries.get(hash, key).filter(|entry| now < entry.times.refresh_at)?;
        self.stats.fresh += 1;
        Some(Arc::clone(entry))
    }

    /// Whether a lookup would find something, counted nowhere: an entry, or an answer that is held.
    pub(super) fn knows(&self, hash: u64, key: &K, now: Tick, epoch: u64) -> bool {
        let is_alive = self.entries.peek(hash, key).is_some_and(|entry| now < entry.times.stale_until);
        is_alive || self.hold(hash, key).is_some_and(|hold| hold.is_active(now, epoch))
    }

    /// Decides a lookup: store, holds and flights are read, and a new flight is put up, in one
    /// critical section.
    pub(super) fn lookup(
        &mut self,
        config: &CacheConfig,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
    ) -> Lookup<V, E> {
        let Some(entry) = self.entries.get(hash, key).filter(|_| !mode.skips_stored) else {
            return self.lookup_without_value(config, hash, key, now, mode, None);
        };
        let class = entry.times.classify(now, mode.max_age, mode.can_refresh || mode.takes_stale);
        let entry = Arc::clone(entry);
        match class {
            Class::Fresh => {
                self.stats.fresh += 1;
                Lookup::Hit(Cached::new(entry, CacheStatus::Fresh, now))
            }
            Class::RefreshDue | Class::Stale => self.lookup_due(hash, key, now, mode, entry, class),
            Class::OnError | Class::Dead => self.lookup_without_value(config, hash, key, now, mode, Some(entry)),
        }
    }

    #[cold]
    fn lookup_due(
        &mut self,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
        entry: Arc<Entry<V>>,
        class: Class,
    ) -> Lookup<V, E> {
        let under_way = self.flight(hash, key).is_some();
        let held = !under_way && self.hold(hash, key).is_some_and(|hold| hold.is_active(now, mode.epoch));
        let status = match class {
            Class::Stale => CacheStatus::Stale,
            _ if held || mode.takes_stale => CacheStatus::Fresh,
            _ => CacheStatus::Refreshing,
        };
        match status {
            CacheStatus::Stale => self.stats.stale += 1,
            CacheStatus::Refreshing => self.stats.refreshing += 1,
            _ => self.stats.fresh += 1,
        }
        let cached = Cached::new(entry, status, now);
        if under_way || held || mode.takes_stale {
            return Lookup::Hit(cached);
        }
        let flight = Flight::queued(self.changes);
        self.flights.insert_unique(hash, (hash, key.clone(), Arc::clone(&flight)), |slot| slot.0);
        Lookup::Refresh(cached, flight)
    }

    #[cold]
    fn lookup_without_value(
        &mut self,
        config: &CacheConfig,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
        entry: Option<Arc<Entry<V>>>,
    ) -> Lookup<V, E> {
        let ignores = |hold: &Backoff<E>| match hold.kind {
            BackoffKind::Missing => mode.skips_stored,
            _ => mode.ignores_failures,
        };
        let hold = self.hold(hash, key).filter(|hold| !ignores(hold));
        if let Some(hold) = hold.filter(|hold| hold.is_active(now, mode.epoch)) {
            let retry_after = hold.remaining(now);
            let refusal = match &hold.kind {
                BackoffKind::Missing => LoadError::Missing { age: now.since(hold.since), retry_after, is_new: false },
                BackoffKind::Panicked => LoadError::LoaderPanicked { retry_after },
                BackoffKind::Failed(error) => LoadError::Held { error: Arc::clone(error), retry_after },
            };
            let entry = entry.filter(|_| mode.can_load || mode.takes_stale);
            if let Some(entry) = entry.filter(|entry| entry.times.serves_on_error(config, now, mode.max_age)) {
                self.stats.stale_on_error += 1;
                return Lookup::Hit(Cached::new(entry, CacheStatus::StaleOnError, now));
            }
            match &refusal {
                LoadError::Missing { .. } => self.stats.negative += 1,
                _ => self.stats.held += 1,
            }
            return Lookup::Refused(refusal);
        }
        if let Some(entry) = entry.filter(|_| mode.takes_stale) {
            if entry.times.serves_on_error(config, now, mode.max_age) {
                self.stats.stale_on_error += 1;
                return Lookup::Hit(Cached::new(entry, CacheStatus::StaleOnError, now));
            }
        }
        self.stats.miss += 1;
        if !mode.can_load {
            return Lookup::Absent;
        }
        if !config.is_smart() {
            return Lookup::Lead(None);
        }
        if let Some(flight) = self.flight(hash, key) {
            return Lookup::Join(Arc::clone(flight));
        }
        let flight = Flight::running(self.changes);
        self.flights.insert_unique(hash, (hash, key.clone(), Arc::clone(&flight)), |slot| slot.0);
        Lookup::Lead(Some(flight))
    }

    /// Takes the flight out of the table if it still stands there: only then may it publish.
    pub(super) fn land(&mut self, hash: u64, key: &K, flight: &Arc<Flight<V, E>>) -> bool {
        self.flights
            .find_entry(hash, |slot| slot.1 == *key && Arc::ptr_eq(&slot.2, flight))
            .map(hashbrown::hash_table::OccupiedEntry::remove)
            .is_ok()
    }

    /// Whether a load that has been given up may still publish: its flight still stands; or no newer one is
    /// under way, and its hold still stands or nothing in the shard has changed since it began.
    pub(super) fn accepts_late(&mut self, hash: u64, key: &K, flight: &Arc<Flight<V, E>>) -> bool {
        if self.land(hash, key, flight) {
            return true;
        }
        if self.flight(hash, key).is_some() {
            return false;
        }
        self.hold(hash, key).is_some_and(|hold| hold.by == flight.id())
            || (self.changes == flight.changes && self.entries.peek(hash, key).is_none())
    }

    /// Stores an entry and forgets flight and hold of its key.
    pub(super) fn store(&mut self, hash: u64, key: &K, entry: Arc<Entry<V>>) -> Removed<V, E> {
        self.changes += 1;
        let mut left = self.detach(hash, key);
        if self.tells_policy {
            let ticket = Ticket { id: entry.id, weight: entry.weight };
            self.events.push(PolicyEvent::Stored(key.clone(), ticket));
        }
        left.entries.extend(self.entries.insert(hash, key, entry));
        left
    }

    /// Removes entry, flight and hold of a key.
    pub(super) fn remove(&mut self, hash: u64, key: &K) -> Removed<V, E> {
        self.changes += 1;
        let mut left = self.detach(hash, key);
        if let Some(entry) = self.entries.remove(hash, key) {
            left.entries.push(entry);
            self.tell_removed(key);
        }
        left
    }

    /// Removes everything; the tables are the caller's to drop.
    pub(super) fn clear(&mut self) -> (Removed<V, E>, impl Sized + use<K, V, E>) {
        self.changes += 1;
        let mut left = Removed::default();
        for (key, entry) in self.entries.extract(|_| true) {
            self.tell_removed(&key);
            left.entries.push(entry);
        }
        (left, (std::mem::take(&mut self.flights), std::mem::take(&mut self.holds)))
    }

    /// Takes a flight off the table, so that it cannot publish, and forgets the hold.
    fn detach(&mut self, hash: u64, key: &K) -> Removed<V, E> {
        let flight = self.flights.find_entry(hash, |slot| slot.1 == *key).ok().map(|found| found.remove().0.2);
        let hold = self.holds.find_entry(hash, |slot| slot.1 == *key).ok().map(|found| found.remove().0.2);
        Removed { entries: Vec::new(), flight, hold }
    }

    /// Removes the entry of a key if it is the one of this id; for evictions.
    pub(super) fn evict(&mut self, hash: u64, key: &K, id: u64) -> Option<Arc<Entry<V>>> {
        if self.entries.peek(hash, key)?.id != id {
            return None;
        }
        self.stats.evicted += 1;
        self.entries.remove(hash, key)
    }

    /// Removes the oldest entries until the weight is within `capacity`.
    pub(super) fn shrink(&mut self, capacity: u64, hash: impl Fn(&K) -> u64, left: &mut Removed<V, E>) {
        while self.entries.weight() > capacity {
            let Some(entry) = self.entries.pop_oldest(&hash) else { return };
            self.stats.evicted += 1;
            left.entries.push(entry);
        }
    }

    /// Removes entries of no use to anybody, and forgotten holds.
    pub(super) fn sweep(&mut self, config: &CacheConfig, now: Tick) -> (Removed<V, E>, Vec<Backoff<E>>) {
        let mut left = Removed::default();
        for (key, entry) in self.entries.extract(|entry| now >= entry.times.dead_at) {
            self.stats.expired += 1;
            self.tell_removed(&key);
            left.entries.push(entry);
        }
        let holds = self.holds.extract_if(|slot| slot.2.is_forgotten(config, now)).map(|slot| slot.2).collect();
        (left, holds)
    }

    /// Puts a hold up; returns the one it replaces, or itself if there is no room.
    pub(super) fn put_hold(&mut self, hash: u64, key: &K, hold: Backoff<E>) -> Option<Backoff<E>> {
        if let Some(slot) = self.holds.find_mut(hash, |slot| slot.1 == *key) {
            return Some(std::mem::replace(&mut slot.2, hold));
        }
        if self.holds.len() >= self.max_holds {
            self.stats.holds_refused += 1;
            return Some(hold);
        }
        self.holds.insert_unique(hash, (hash, key.clone(), hold), |slot| slot.0);
        None
    }

    pub(super) fn hold(&self, hash: u64, key: &K) -> Option<&Backoff<E>> {
        self.holds.find(hash, |slot| slot.1 == *key).map(|slot| &slot.2)
    }

    fn flight(&self, hash: u64, key: &K) -> Option<&Arc<Flight<V, E>>> {
        self.flights.find(hash, |slot| slot.1 == *key).map(|slot| &slot.2)
    }

    fn tell_removed(&mut self, key: &K) {
        if self.tells_policy {
            self.events.push(PolicyEvent::Removed(key.clone()));
        }
    }
}

impl<V, E> Removed<V, E> {
    /// Wakes nobody: a detached flight still ends by its own load. Only the references go.
    pub(super) fn discard(self) -> bool {
        let removed = !self.entries.is_empty();
        drop((self.entries, self.flight, self.hold));
        removed
    }
}

/// The answer that a flight's outcome is to its waiters; `None` asks again.
pub(super) fn answer<V, E>(
    outcome: FlightResult<V, E>,
    now: Tick,
    retry_after: impl FnOnce() -> Duration,
) -> Option<Result<Cached<V>, LoadError<E>>> {
    Some(match outcome {
        FlightResult::Value(entry) => Ok(Cached::new(entry, CacheStatus::Loaded, now)),
        FlightResult::Failed(error) => Err(LoadError::Failed { error, retry_after: retry_after() }),
        FlightResult::Missing => {
            Err(LoadError::Missing { age: Duration::ZERO, retry_after: retry_after(), is_new: true })
        }
        FlightResult::Panicked => Err(LoadError::LoaderPanicked { retry_after: retry_after() }),
        FlightResult::Dropped => return None,
    })
}
