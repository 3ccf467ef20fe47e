//! Entries of one shard: exact, single-threaded, in order of use where LRU asks for it.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashTable;

use super::capacity::Ticket;
use super::order::Order;
use crate::cache::entry::Entry;
use crate::clock::Tick;

struct Slot<K, V> {
    hash: u64,
    /// What names the key to the eviction policy: its hash, unless another key here has the same.
    policy_key: u64,
    key: K,
    /// Place in the order of use; meaningless without one.
    place: u32,
    /// The entry's, here too: a sweep reads one table and not a line of memory for each entry.
    dead_at: Tick,
    entry: Arc<Entry<V>>,
}

pub(in crate::cache) struct Entries<K, V> {
    table: HashTable<Slot<K, V>>,
    order: Option<Order>,
    weight: u64,
}

/// Key, entry, and what names the key to the policy.
type Taken<K, V> = (K, Arc<Entry<V>>, u64);

/// An entry, and the name of its key to the policy.
pub(in crate::cache) struct Found<'a, V> {
    pub(in crate::cache) entry: &'a Arc<Entry<V>>,
    pub(in crate::cache) policy_key: u64,
}

impl<K: Hash + Eq + Clone, V> Entries<K, V> {
    /// `ordered`: keep the order of use, for [`pop_oldest`](Self::pop_oldest).
    pub(in crate::cache) fn new(ordered: bool) -> Self {
        Self { table: HashTable::new(), order: ordered.then(Order::new), weight: 0 }
    }

    /// The entry of a key, which becomes the one used last.
    #[inline]
    pub(in crate::cache) fn get<Q>(&mut self, hash: u64, key: &Q) -> Option<Found<'_, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let slot = self.table.find(hash, |slot| slot.key.borrow() == key)?;
        if let Some(order) = &mut self.order {
            order.touch(slot.place);
        }
        Some(Found { entry: &slot.entry, policy_key: slot.policy_key })
    }

    /// The entry of a key, without using it.
    pub(in crate::cache) fn peek<Q>(&self, hash: u64, key: &Q) -> Option<&Arc<Entry<V>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.table.find(hash, |slot| slot.key.borrow() == key).map(|slot| &slot.entry)
    }

    /// The entry of this number, without using it.
    pub(in crate::cache) fn peek_id(&self, hash: u64, id: u64) -> Option<Found<'_, V>> {
        let slot = self.table.find(hash, |slot| slot.entry.id == id)?;
        Some(Found { entry: &slot.entry, policy_key: slot.policy_key })
    }

    /// Stores an entry as the one used last; returns what names its key to the policy, and the one it replaces.
    pub(in crate::cache) fn insert(
        &mut self,
        hash: u64,
        key: &K,
        entry: Arc<Entry<V>>,
    ) -> (u64, Option<Arc<Entry<V>>>) {
        self.weight += u64::from(entry.weight);
        if let Some(slot) = self.table.find_mut(hash, |slot| slot.key == *key) {
            if let Some(order) = &mut self.order {
                order.touch(slot.place);
            }
            slot.dead_at = entry.times.dead_at;
            let old = std::mem::replace(&mut slot.entry, entry);
            self.weight -= u64::from(old.weight);
            return (slot.policy_key, Some(old));
        }
        let place = self.order.as_mut().map_or(0, |order| order.push(hash));
        let has_twin = self.table.find(hash, |slot| slot.hash == hash).is_some();
        // Odd, so never zero: the second of two keys with one hash gets a name of its own.
        let policy_key = if has_twin { hash ^ (entry.id << 1 | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) } else { hash };
        let dead_at = entry.times.dead_at;
        let slot = Slot { hash, policy_key, key: key.clone(), place, dead_at, entry };
        self.table.insert_unique(hash, slot, |slot| slot.hash);
        (policy_key, None)
    }

    pub(in crate::cache) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<Taken<K, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.take(hash, |slot| slot.key.borrow() == key)
    }

    /// Removes the entry of this number.
    pub(in crate::cache) fn remove_id(&mut self, hash: u64, id: u64) -> Option<(K, Arc<Entry<V>>)> {
        self.take(hash, |slot| slot.entry.id == id).map(|(key, entry, _)| (key, entry))
    }

    /// Removes the entry not used for longest; `None` when empty or without an order.
    pub(in crate::cache) fn pop_oldest(&mut self) -> Option<(K, Arc<Entry<V>>)> {
        let (place, hash) = self.order.as_ref()?.oldest()?;
        self.take(hash, |slot| slot.place == place).map(|(key, entry, _)| (key, entry))
    }

    /// Removes all entries.
    pub(in crate::cache) fn take_all(&mut self) -> Vec<(K, Arc<Entry<V>>)> {
        self.weight = 0;
        self.order = self.order.is_some().then(Order::new);
        std::mem::take(&mut self.table).into_iter().map(|slot| (slot.key, slot.entry)).collect()
    }

    /// Removes the entries that are of no use to anybody, with what names their keys to the policy; and says when
    /// the next one will be.
    pub(in crate::cache) fn extract_dead(&mut self, now: Tick) -> (Vec<Taken<K, V>>, Tick) {
        let mut next = Tick::MAX;
        let is_dead = |slot: &mut Slot<K, V>| {
            let is_dead = now >= slot.dead_at;
            if !is_dead {
                next = next.min(slot.dead_at);
            }
            is_dead
        };
        let dead: Vec<_> = self.table.extract_if(is_dead).collect();
        (dead.into_iter().map(|slot| self.removed(slot)).collect(), next)
    }

    pub(in crate::cache) fn iter(&self) -> impl Iterator<Item = (&K, &Arc<Entry<V>>)> {
        self.table.iter().map(|slot| (&slot.key, &slot.entry))
    }

    /// What names each key to the policy, and its entry.
    pub(in crate::cache) fn tickets(&self) -> impl Iterator<Item = (u64, Ticket)> {
        let ticket = |slot: &Slot<K, V>| Ticket { hash: slot.hash, id: slot.entry.id, weight: slot.entry.weight };
        self.table.iter().map(move |slot| (slot.policy_key, ticket(slot)))
    }

    pub(in crate::cache) fn len(&self) -> usize {
        self.table.len()
    }

    pub(in crate::cache) fn weight(&self) -> u64 {
        self.weight
    }

    fn take(&mut self, hash: u64, is_it: impl FnMut(&Slot<K, V>) -> bool) -> Option<Taken<K, V>> {
        let (slot, _) = self.table.find_entry(hash, is_it).ok()?.remove();
        Some(self.removed(slot))
    }

    fn removed(&mut self, slot: Slot<K, V>) -> Taken<K, V> {
        self.weight -= u64::from(slot.entry.weight);
        if let Some(order) = &mut self.order {
            order.remove(slot.place);
        }
        (slot.key, slot.entry, slot.policy_key)
    }
}
