//! The loads under way of one shard, by key, and the line each is of. A load that takes over from an overdue one
//! continues its line; every other begins a line.

use std::borrow::Borrow;
use std::sync::Arc;

use hashbrown::HashTable;

use super::flight::Flight;
use super::removed::UnderWay;
use crate::clock::Tick;

pub(super) struct Flights<K, V, E> {
    table: HashTable<UnderWay<K, V, E>>,
    next_line: u64,
    /// Loads of this line and those before it began before an invalidation that could not ask about them.
    fenced_line: u64,
    /// Overdue flights that were taken over from; dropped outside the lock.
    retired: Vec<Arc<Flight<V, E>>>,
}

impl<K, V, E> Default for Flights<K, V, E> {
    fn default() -> Self {
        Self { table: HashTable::new(), next_line: 0, fenced_line: 0, retired: Vec::new() }
    }
}

impl<K: Eq + Clone, V, E> Flights<K, V, E> {
    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&Arc<Flight<V, E>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.table.find(hash, |slot| slot.1.borrow() == key).map(|slot| &slot.2)
    }

    /// Whether a load runs that nobody may take over from yet.
    pub(super) fn is_under_way(&self, hash: u64, key: &K, now: Tick) -> bool {
        self.get(hash, key).is_some_and(|flight| !flight.is_overdue(now))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.table.iter().map(|slot| &slot.1)
    }

    pub(super) fn new_line(&mut self) -> u64 {
        self.next_line += 1;
        self.next_line
    }

    pub(super) fn is_fenced(&self, flight: &Flight<V, E>) -> bool {
        flight.line <= self.fenced_line
    }

    pub(super) fn put(&mut self, hash: u64, key: &K, flight: &Arc<Flight<V, E>>) {
        self.table.insert_unique(hash, (hash, key.clone(), Arc::clone(flight)), |slot| slot.0);
    }

    pub(super) fn take<Q>(&mut self, hash: u64, key: &Q) -> Option<UnderWay<K, V, E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.table.find_entry(hash, |slot| slot.1.borrow() == key).ok().map(|found| found.remove().0)
    }

    /// Takes all off the table; nothing of theirs that comes late is accepted either.
    pub(super) fn take_all(&mut self) -> Vec<UnderWay<K, V, E>> {
        self.fenced_line = self.next_line;
        std::mem::take(&mut self.table).into_iter().collect()
    }

    /// Takes the flight off the table if it still stands there: only then may it publish.
    pub(super) fn land(&mut self, hash: u64, key: &K, flight: &Arc<Flight<V, E>>) -> bool {
        let found = self.table.find_entry(hash, |slot| slot.1 == *key && Arc::ptr_eq(&slot.2, flight));
        found.map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }

    /// Takes an overdue flight of the key off the table; returns its line.
    pub(super) fn retire_overdue(&mut self, hash: u64, key: &K, now: Tick) -> Option<u64> {
        let overdue = self.table.find_entry(hash, |slot| slot.1 == *key && slot.2.is_overdue(now)).ok()?;
        let flight = overdue.remove().0.2;
        let line = flight.line;
        self.retired.push(flight);
        Some(line)
    }

    /// The flights that others have taken over from; to be dropped outside the lock.
    pub(super) fn take_retired(&mut self) -> Vec<Arc<Flight<V, E>>> {
        std::mem::take(&mut self.retired)
    }

    /// Before a late value is stored: takes the newer flight of its line off the table. One that was not started
    /// is not needed any more, and ends.
    pub(super) fn take_newer(&mut self, hash: u64, key: &K) -> Option<Arc<Flight<V, E>>> {
        let flight = self.take(hash, key)?.2;
        (!flight.cancel()).then_some(flight)
    }

    /// After it: the newer one still owns the key, and will put its own value over it.
    pub(super) fn put_back(&mut self, hash: u64, key: &K, newer: Option<&Arc<Flight<V, E>>>) {
        if let Some(newer) = newer {
            self.put(hash, key, newer);
        }
    }
}
