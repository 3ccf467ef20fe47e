//! One shard: entries, flights and holds under one lock, and the decision what a lookup gets.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::backoff::{Backoff, BackoffKind};
use super::backoffs::{Backoffs, TakenOff};
use super::entry::{CacheStatus, Cached, Entry};
use super::flight::Flight;
use super::flights::Flights;
use super::freshness::Class;
use super::lookup::{Lookup, LookupMode};
use super::removed::{Gone, RemovalCause, Removed};
use super::stats::ShardStats;
use super::store::{Entries, PolicyEvent, Ticket, Untold};
use super::{CacheConfig, LoadError, SharedError};
use crate::clock::Tick;

pub(super) struct Shard<K, V, E> {
    pub(super) entries: Entries<K, V>,
    pub(super) stats: ShardStats,
    /// What the eviction policy has not been told yet; stays empty without one.
    pub(super) untold: Untold,
    pub(super) flights: Flights<K, V, E>,
    pub(super) holds: Backoffs<K, E>,
    /// No entry is of no use to anybody before.
    next_death: Tick,
    /// Entries stored, and keys removed; an answer that comes late is fenced by it.
    changes: u64,
    tells_policy: bool,
    /// Somebody listens to what leaves, so that replaced entries need their key.
    tells_host: bool,
}

impl<K: Hash + Eq + Clone, V, E> Shard<K, V, E> {
    pub(super) fn new(is_ordered: bool, tells_host: bool) -> Self {
        Self {
            entries: Entries::new(is_ordered),
            stats: ShardStats::default(),
            untold: Untold::default(),
            flights: Flights::default(),
            holds: Backoffs::new(),
            next_death: Tick::MAX,
            changes: 0,
            tells_policy: !is_ordered,
            tells_host,
        }
    }

    /// The entry of a key if it is fresh without further ado, and whether the policy should be told of reads.
    #[inline]
    pub(super) fn fresh<Q>(&mut self, hash: u64, key: &Q, now: Tick) -> Option<(Arc<Entry<V>>, bool)>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let found = self.entries.get(hash, key).filter(|found| now < found.entry.times.refresh_at)?;
        self.stats.fresh += 1;
        let entry = Arc::clone(found.entry);
        let is_told = self.tells_policy && entry.touch(now);
        let wants_telling = is_told && self.untold.reads.push(found.policy_key);
        Some((entry, wants_telling))
    }

    /// Whether [`look`](Self::look) would find a value, counted nowhere.
    pub(super) fn contains<Q>(&self, hash: u64, key: &Q, now: Tick) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.entries.peek(hash, key).is_some_and(|entry| entry.times.classify(now, None, false) == Class::Fresh)
    }

    /// The value of a key within its time to live; loads and refreshes nothing.
    pub(super) fn look<Q>(&mut self, hash: u64, key: &Q, now: Tick, epoch: u64) -> Option<Cached<V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let found = self.entries.get(hash, key);
        let fresh = found.filter(|found| found.entry.times.classify(now, None, false) == Class::Fresh);
        if let Some(found) = fresh {
            let (entry, policy_key) = (Arc::clone(found.entry), found.policy_key);
            self.stats.fresh += 1;
            self.note_hit(&entry, policy_key, now);
            return Some(Cached::new(entry, CacheStatus::Fresh, now));
        }
        match self.holds.get(hash, key).filter(|hold| hold.is_active(now, epoch)) {
            Some(hold) if hold.is_missing() => self.stats.negative += 1,
            Some(_) => self.stats.held += 1,
            None => {
                self.stats.miss += 1;
                self.note_miss(hash);
            }
        }
        None
    }

    /// Decides a lookup: store, holds and flights are read, and a new flight is put up, in one
    /// critical section.
    #[cold]
    pub(super) fn lookup(
        &mut self,
        config: &CacheConfig,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
        has_room: impl FnOnce() -> bool,
    ) -> Lookup<V, E> {
        // It is the same lookup once more.
        self.stats.miss -= u64::from(mode.is_again);
        let Some(found) = self.entries.get(hash, key).filter(|_| !mode.skips_stored) else {
            return self.lookup_without_value(config, hash, key, now, mode, None);
        };
        let class = found.entry.times.classify(now, mode.max_age, mode.can_refresh || mode.takes_stale);
        let (entry, policy_key) = (Arc::clone(found.entry), found.policy_key);
        match class {
            Class::Fresh => {
                self.stats.fresh += 1;
                self.note_hit(&entry, policy_key, now);
                Lookup::Hit(Cached::new(entry, CacheStatus::Fresh, now))
            }
            Class::RefreshDue | Class::Stale => {
                self.note_hit(&entry, policy_key, now);
                self.lookup_due(hash, key, now, mode, entry, class, has_room)
            }
            Class::OnError | Class::Dead => self.lookup_without_value(config, hash, key, now, mode, Some(entry)),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one decision")]
    fn lookup_due(
        &mut self,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
        entry: Arc<Entry<V>>,
        class: Class,
        has_room: impl FnOnce() -> bool,
    ) -> Lookup<V, E> {
        let is_under_way = self.flights.is_under_way(hash, key, now);
        let is_held = !is_under_way && self.holds.get(hash, key).is_some_and(|hold| hold.is_active(now, mode.epoch));
        let is_wanted = !is_under_way && !is_held && !mode.takes_stale;
        let starts = is_wanted && has_room();
        self.stats.refreshes_dropped += u64::from(is_wanted && !starts);
        let status = match class {
            Class::Stale => CacheStatus::Stale,
            _ if (is_under_way && !mode.takes_stale) || starts => CacheStatus::Refreshing,
            _ => CacheStatus::Fresh,
        };
        *self.stats.count_of(status) += 1;
        let cached = Cached::new(entry, status, now);
        if !starts {
            return Lookup::Hit(cached);
        }
        let line = self.line_for(hash, key, now);
        let flight = Flight::queued(self.changes, line);
        self.flights.put(hash, key, &flight);
        Lookup::Refresh(cached, flight)
    }

    fn lookup_without_value(
        &mut self,
        config: &CacheConfig,
        hash: u64,
        key: &K,
        now: Tick,
        mode: LookupMode,
        entry: Option<Arc<Entry<V>>>,
    ) -> Lookup<V, E> {
        let old = entry.filter(|entry| entry.times.serves_on_error(config, now, mode.max_age));
        let ignores = |hold: &Backoff<E>| if hold.is_missing() { mode.skips_stored } else { mode.ignores_failures };
        let hold = self.holds.get(hash, key).filter(|hold| !ignores(hold) && hold.is_active(now, mode.epoch));
        if let Some(hold) = hold {
            if let Some(old) = old.filter(|_| mode.can_load || mode.takes_stale) {
                return self.stale_on_error(old, now);
            }
            let retry_after = hold.remaining(now);
            let (count, refusal) = match &hold.kind {
                BackoffKind::Missing => (
                    &mut self.stats.negative,
                    LoadError::Missing { age: now.since(hold.since), retry_after, is_new: false },
                ),
                BackoffKind::Panicked => (&mut self.stats.held, LoadError::LoaderPanicked { retry_after }),
                BackoffKind::Failed(error) => {
                    (&mut self.stats.held, LoadError::Held { error: SharedError(Arc::clone(error)), retry_after })
                }
            };
            *count += 1;
            return Lookup::Refused(refusal);
        }
        let flight = self.flights.get(hash, key).filter(|flight| !flight.is_overdue(now)).cloned();
        let is_in_vain = mode.is_late || flight.as_ref().is_some_and(|flight| flight.is_slow());
        if let Some(old) = old.filter(|_| mode.takes_stale || (mode.can_load && is_in_vain)) {
            return self.stale_on_error(old, now);
        }
        self.stats.miss += 1;
        // TinyLFU admits by how often a key is asked for, found or not.
        self.note_miss(hash);
        if !mode.can_load {
            return Lookup::Absent;
        }
        if let Some(flight) = flight {
            self.stats.waits += 1;
            return Lookup::Join(flight);
        }
        if mode.is_late {
            return Lookup::Refused(LoadError::DeadlinePassed);
        }
        if !config.is_smart() {
            return Lookup::Lead(None);
        }
        let line = self.line_for(hash, key, now);
        let flight = Flight::running(self.changes, line, now.after(config.load_timeout));
        self.flights.put(hash, key, &flight);
        Lookup::Lead(Some(flight))
    }

    fn stale_on_error(&mut self, old: Arc<Entry<V>>, now: Tick) -> Lookup<V, E> {
        self.stats.stale_on_error += 1;
        Lookup::Hit(Cached::new(old, CacheStatus::StaleOnError, now))
    }

    /// A queued flight for a refresh, whatever is stored; `None` while a load is under way.
    pub(super) fn fly(&mut self, hash: u64, key: &K, now: Tick) -> Option<Arc<Flight<V, E>>> {
        if self.flights.is_under_way(hash, key, now) {
            return None;
        }
        let line = self.line_for(hash, key, now);
        let flight = Flight::queued(self.changes, line);
        self.flights.put(hash, key, &flight);
        Some(flight)
    }

    /// A flight for a change of the value, which the caller makes; `None` while a load is under way. It begins
    /// a line: an older load that is overdue would be overwritten by what was read before it.
    pub(super) fn fly_update(
        &mut self,
        config: &CacheConfig,
        hash: u64,
        key: &K,
        now: Tick,
    ) -> Option<Arc<Flight<V, E>>> {
        if self.flights.is_under_way(hash, key, now) {
            return None;
        }
        self.line_for(hash, key, now);
        let flight = Flight::running(self.changes, self.flights.new_line(), now.after(config.load_timeout));
        self.flights.put(hash, key, &flight);
        Some(flight)
    }

    /// Whether a value that comes after its load was given up may still be published: nobody has written,
    /// invalidated or loaded the key since. The flight under way is of its line, or there is none and its hold
    /// stands or nothing in the shard has changed.
    pub(super) fn accepts_late(&self, hash: u64, key: &K, flight: &Flight<V, E>, started: Tick) -> bool {
        // Of three of a line the second may have come first.
        let has_newer = self.entries.peek(hash, key).is_some_and(|entry| entry.times.started > started);
        if has_newer || self.flights.is_fenced(flight) {
            return false;
        }
        if let Some(under_way) = self.flights.get(hash, key) {
            return under_way.line == flight.line;
        }
        self.holds.get(hash, key).is_some_and(|hold| hold.by == flight.line)
            || (self.changes == flight.changes && self.entries.peek(hash, key).is_none())
    }

    /// Stores an entry and forgets flight and hold of its key.
    pub(super) fn store(&mut self, hash: u64, key: &K, entry: Arc<Entry<V>>) -> Removed<K, V, E> {
        self.changes += 1;
        self.next_death = self.next_death.min(entry.times.dead_at);
        let mut left = self.detach(hash, key);
        let ticket = Ticket { hash, id: entry.id, weight: entry.weight };
        let (policy_key, replaced) = self.entries.insert(hash, key, entry);
        if self.tells_policy {
            self.untold.events.push(PolicyEvent::Stored(policy_key, ticket));
        }
        if let Some(entry) = replaced {
            let key = self.tells_host.then(|| key.clone());
            left.entries.push(Gone { key, entry, cause: RemovalCause::Replaced });
        }
        left
    }

    /// Removes entry, flight and hold of a key.
    pub(super) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Removed<K, V, E>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.changes += 1;
        let mut left = self.detach(hash, key);
        if let Some((key, entry, policy_key)) = self.entries.remove(hash, key) {
            self.tell_removed(policy_key);
            left.entries.push(Gone { key: Some(key), entry, cause: RemovalCause::Invalidated });
        }
        left
    }

    /// As [`remove`](Self::remove); the policy is not told, and will have to forget.
    pub(super) fn remove_untold(&mut self, hash: u64, key: &K) -> Removed<K, V, E> {
        let tells_policy = std::mem::replace(&mut self.tells_policy, false);
        let left = self.remove(hash, key);
        self.tells_policy = tells_policy;
        left
    }

    /// What the policy has to know if it has forgotten everything.
    pub(super) fn tell_all(&mut self) -> Vec<(u64, Ticket)> {
        self.untold.events.clear();
        self.untold.reads.clear();
        self.entries.tickets().collect()
    }

    /// Removes everything; the policy is not told, it forgets everything too.
    pub(super) fn clear(&mut self) -> Removed<K, V, E> {
        self.untold.events.clear();
        self.untold.reads.clear();
        self.next_death = Tick::MAX;
        let gone = |(key, entry)| Gone { key: Some(key), entry, cause: RemovalCause::Invalidated };
        let entries = self.entries.take_all().into_iter().map(gone).collect();
        Removed { entries, ..self.detach_unasked() }
    }

    /// The keys that have a value, a flight or a hold; one may stand there twice.
    pub(super) fn keys(&self) -> Vec<K> {
        self.entries.iter().map(|(key, _)| key).chain(self.flights.keys()).chain(self.holds.keys()).cloned().collect()
    }

    /// Takes all flights off the table, and the holds of keys that have no value: what cannot be asked about.
    pub(super) fn detach_unasked(&mut self) -> Removed<K, V, E> {
        self.changes += 1;
        let entries = &self.entries;
        let holds = self.holds.remove_if(|hash, key| entries.peek(hash, key).is_none());
        Removed { flights: self.flights.take_all(), holds: vec![holds], ..Removed::default() }
    }

    /// Takes a flight off the table, so that it cannot publish, and forgets the hold.
    fn detach<Q>(&mut self, hash: u64, key: &Q) -> Removed<K, V, E>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        Removed {
            flights: self.flights.take(hash, key).into_iter().collect(),
            hold: self.holds.remove(hash, key).into_iter().collect(),
            ..Removed::default()
        }
    }

    /// Removes the entry of this number, if it is still there; for evictions.
    pub(super) fn evict(&mut self, hash: u64, id: u64) -> Option<Gone<K, V>> {
        let (key, entry) = self.entries.remove_id(hash, id)?;
        self.stats.evicted += 1;
        Some(Gone { key: Some(key), entry, cause: RemovalCause::Size })
    }

    /// An entry that the policy has refused leaves the window: one that was read meanwhile is offered once more,
    /// others go.
    pub(super) fn leave_window(&mut self, hash: u64, id: u64) -> Option<Gone<K, V>> {
        let found = self.entries.peek_id(hash, id)?;
        if !found.entry.was_read() {
            return self.evict(hash, id);
        }
        let ticket = Ticket { hash, id, weight: found.entry.weight };
        self.untold.events.push(PolicyEvent::Stored(found.policy_key, ticket));
        None
    }

    /// Removes the oldest entries until the weight is within `capacity`.
    pub(super) fn shrink(&mut self, capacity: u64, left: &mut Removed<K, V, E>) {
        while self.entries.weight() > capacity {
            let Some((key, entry)) = self.entries.pop_oldest() else { return };
            self.stats.evicted += 1;
            left.entries.push(Gone { key: Some(key), entry, cause: RemovalCause::Size });
        }
    }

    /// Removes entries of no use to anybody, and forgotten holds.
    pub(super) fn sweep(&mut self, config: &CacheConfig, now: Tick) -> (Removed<K, V, E>, TakenOff<K, E>) {
        let mut left = Removed::default();
        if now >= self.next_death {
            let (dead, next_death) = self.entries.extract_dead(now);
            self.next_death = next_death;
            for (key, entry, policy_key) in dead {
                self.stats.expired += 1;
                self.tell_removed(policy_key);
                left.entries.push(Gone { key: Some(key), entry, cause: RemovalCause::Expired });
            }
        }
        (left, self.holds.sweep(config, now))
    }

    /// When a sweep will find something, at the earliest.
    pub(super) fn next_sweep(&self, config: &CacheConfig) -> Tick {
        self.next_death.min(self.holds.next_forgotten(config))
    }

    /// The line of a load that begins now: of the overdue one it takes over from, or a new one.
    fn line_for(&mut self, hash: u64, key: &K, now: Tick) -> u64 {
        if let Some(line) = self.flights.retire_overdue(hash, key, now) {
            self.stats.load_timeouts += 1;
            return line;
        }
        self.flights.new_line()
    }

    fn note_hit(&mut self, entry: &Entry<V>, policy_key: u64, now: Tick) {
        if self.tells_policy && entry.touch(now) {
            self.untold.reads.push(policy_key);
        }
    }

    fn note_miss(&mut self, hash: u64) {
        if self.tells_policy {
            self.untold.reads.push(hash);
        }
    }

    fn tell_removed(&mut self, policy_key: u64) {
        if self.tells_policy {
            self.untold.events.push(PolicyEvent::Removed(policy_key));
        }
    }
}
