//! Entries of one shard: exact, single-threaded, in order of use where LRU asks for it.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashTable;

use super::order::Order;
use crate::cache::entry::Entry;

struct Slot<K, V> {
    hash: u64,
    key: K,
    /// Place in the order of use; meaningless without one.
    place: u32,
    entry: Arc<Entry<V>>,
}

pub(in crate::cache) struct Entries<K, V> {
    table: HashTable<Slot<K, V>>,
    order: Option<Order<K>>,
    weight: u64,
}

impl<K: Hash + Eq + Clone, V> Entries<K, V> {
    /// `ordered`: keep the order of use, for [`pop_oldest`](Self::pop_oldest).
    pub(in crate::cache) fn new(ordered: bool) -> Self {
        Self { table: HashTable::new(), order: ordered.then(Order::new), weight: 0 }
    }

    /// The entry of a key, which becomes the one used last.
    #[inline]
    pub(in crate::cache) fn get(&mut self, hash: u64, key: &K) -> Option<&Arc<Entry<V>>> {
        let slot = self.table.find(hash, |slot| slot.key == *key)?;
        if let Some(order) = &mut self.order {
            order.touch(slot.place);
        }
        Some(&slot.entry)
    }

    /// The entry of a key, without using it.
    pub(in crate::cache) fn peek(&self, hash: u64, key: &K) -> Option<&Arc<Entry<V>>> {
        self.table.find(hash, |slot| slot.key == *key).map(|slot| &slot.entry)
    }

    /// Stores an entry as the one used last; returns the one it replaces.
    pub(in crate::cache) fn insert(&mut self, hash: u64, key: &K, entry: Arc<Entry<V>>) -> Option<Arc<Entry<V>>> {
        self.weight += u64::from(entry.weight);
        if let Some(slot) = self.table.find_mut(hash, |slot| slot.key == *key) {
            if let Some(order) = &mut self.order {
                order.touch(slot.place);
            }
            let old = std::mem::replace(&mut slot.entry, entry);
            self.weight -= u64::from(old.weight);
            return Some(old);
        }
        let place = self.order.as_mut().map_or(0, |order| order.push(key.clone()));
        self.table.insert_unique(hash, Slot { hash, key: key.clone(), place, entry }, |slot| slot.hash);
        None
    }

    pub(in crate::cache) fn remove(&mut self, hash: u64, key: &K) -> Option<Arc<Entry<V>>> {
        let occupied = self.table.find_entry(hash, |slot| slot.key == *key).ok()?;
        let (slot, _) = occupied.remove();
        Some(self.removed(slot).1)
    }

    /// Removes the entry not used for longest; `None` when empty or without an order.
    pub(in crate::cache) fn pop_oldest(&mut self, hash: impl Fn(&K) -> u64) -> Option<Arc<Entry<V>>> {
        let key = self.order.as_ref()?.oldest()?.clone();
        self.remove(hash(&key), &key)
    }

    /// Removes all entries that `is_dead` names.
    pub(in crate::cache) fn extract(&mut self, is_dead: impl Fn(&Entry<V>) -> bool) -> Vec<(K, Arc<Entry<V>>)> {
        let dead: Vec<_> = self.table.extract_if(|slot| is_dead(&slot.entry)).collect();
        dead.into_iter().map(|slot| self.removed(slot)).collect()
    }

    pub(in crate::cache) fn iter(&self) -> impl Iterator<Item = (&K, &Arc<Entry<V>>)> {
        self.table.iter().map(|slot| (&slot.key, &slot.entry))
    }

    pub(in crate::cache) fn len(&self) -> usize {
        self.table.len()
    }

    pub(in crate::cache) fn weight(&self) -> u64 {
        self.weight
    }

    fn removed(&mut self, slot: Slot<K, V>) -> (K, Arc<Entry<V>>) {
        self.weight -= u64::from(slot.entry.weight);
        if let Some(order) = &mut self.order {
            order.remove(slot.place);
        }
        (slot.key, slot.entry)
    }
}
