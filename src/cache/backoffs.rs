//! Holds of one shard, in the order of their ends: what is over is found without a walk.
//!
//! All shards share one bound. Who puts one hold too many makes room, in this order: one that is over, the
//! "no such thing" that ends first, and else the new one goes. So unknown symbols cannot push failures out.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::CacheConfig;
use super::backoff::Backoff;
use crate::clock::Tick;

struct Slot<K, E> {
    hash: u64,
    /// Tells holds of one hash apart.
    number: u64,
    key: K,
    hold: Backoff<E>,
}

/// End, hash, number.
type Ends = BTreeSet<(Tick, u64, u64)>;

pub(super) struct Backoffs<K, E> {
    table: HashTable<Slot<K, E>>,
    failed: Ends,
    missing: Ends,
    next_number: u64,
}

/// What was taken off the table; dropped by the caller after the lock, since it is the host's.
pub(super) struct TakenOff<K, E>(Vec<Slot<K, E>>);

impl<K: Eq + Clone, E> Backoffs<K, E> {
    pub(super) const fn new() -> Self {
        Self { table: HashTable::new(), failed: BTreeSet::new(), missing: BTreeSet::new(), next_number: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.table.iter().map(|slot| &slot.key)
    }

    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&Backoff<E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.table.find(hash, |slot| slot.key.borrow() == key).map(|slot| &slot.hold)
    }

    /// Puts a hold up; returns its number, and the one it replaces.
    pub(super) fn put(&mut self, hash: u64, key: &K, hold: Backoff<E>) -> (u64, Option<Backoff<E>>) {
        let old = self.remove(hash, key);
        self.next_number += 1;
        let number = self.next_number;
        self.ends_of(hold.is_missing()).insert((hold.until, hash, number));
        self.table.insert_unique(hash, Slot { hash, number, key: key.clone(), hold }, |slot| slot.hash);
        (number, old)
    }

    pub(super) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<Backoff<E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.take(hash, |slot| slot.key.borrow() == key).map(|slot| slot.hold)
    }

    /// Removes those that `condition` names by hash and key.
    pub(super) fn remove_if(&mut self, condition: impl Fn(u64, &K) -> bool) -> TakenOff<K, E> {
        let taken: Vec<_> = self.table.extract_if(|slot| condition(slot.hash, &slot.key)).collect();
        for slot in &taken {
            self.ends_of(slot.hold.is_missing()).remove(&(slot.hold.until, slot.hash, slot.number));
        }
        TakenOff(taken)
    }

    /// Removes what no longer matters.
    pub(super) fn sweep(&mut self, config: &CacheConfig, now: Tick) -> TakenOff<K, E> {
        let horizon = now.before(config.backoff_max);
        let mut taken = Vec::new();
        loop {
            let first = [self.failed.first(), self.missing.first()].into_iter().flatten().min().copied();
            let Some((_, hash, number)) = first.filter(|(until, ..)| *until <= horizon) else { break };
            taken.extend(self.take(hash, |slot| slot.number == number));
        }
        TakenOff(taken)
    }

    /// When the next one no longer matters.
    pub(super) fn next_forgotten(&self, config: &CacheConfig) -> Tick {
        let ends = [self.failed.first(), self.missing.first()];
        ends.into_iter().flatten().map(|(until, ..)| until.after(config.backoff_max)).min().unwrap_or(Tick::MAX)
    }

    /// Makes room by one hold that is over.
    pub(super) fn pop_over(&mut self, now: Tick) -> Option<TakenOff<K, E>> {
        let first = [self.failed.first(), self.missing.first()].into_iter().flatten().min().copied();
        let (_, hash, number) = first.filter(|(until, ..)| *until <= now)?;
        self.pop(hash, number)
    }

    /// Makes room by the "no such thing" that ends first.
    pub(super) fn pop_missing(&mut self) -> Option<TakenOff<K, E>> {
        let (_, hash, number) = *self.missing.first()?;
        self.pop(hash, number)
    }

    /// Removes the hold of this number.
    pub(super) fn pop(&mut self, hash: u64, number: u64) -> Option<TakenOff<K, E>> {
        self.take(hash, |slot| slot.number == number).map(|slot| TakenOff(vec![slot]))
    }

    fn take(&mut self, hash: u64, is_it: impl FnMut(&Slot<K, E>) -> bool) -> Option<Slot<K, E>> {
        let (slot, _) = self.table.find_entry(hash, is_it).ok()?.remove();
        self.ends_of(slot.hold.is_missing()).remove(&(slot.hold.until, slot.hash, slot.number));
        Some(slot)
    }

    fn ends_of(&mut self, is_missing: bool) -> &mut Ends {
        if is_missing { &mut self.missing } else { &mut self.failed }
    }
}

impl<K, E> TakenOff<K, E> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
