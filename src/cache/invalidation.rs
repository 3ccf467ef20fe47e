//! Invalidation of many keys: what was loaded before it does not come back after it.

use std::sync::Arc;

use super::removed::Removed;
use super::{Key, SmartCache};
use crate::name::Name;

/// Entries removed under one hold of a shard's lock.
const AT_ONCE: usize = 512;
/// With more entries than this and more than a third of them to go, the policy forgets everything and is told of
/// those that stay: to remove an entry costs moka five times what a new one does.
const MANY: usize = 4_096;

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Removes the values that `condition` names; returns how many. It sees the values of one
    /// moment a shard, with no lock held; those written later are not asked about. What has no value to ask about
    /// counts as named: loads under way are not published, and keys that failed or are missing may be loaded at
    /// once. [`invalidate_keys_if`](Self::invalidate_keys_if) is exact in this.
    pub fn invalidate_if(&self, condition: impl Fn(&K, &V) -> bool) -> usize {
        let mut removal = Removal::new(self);
        for (index, lock) in self.core().shards.all() {
            let mut shard = lock.lock();
            let seen: Vec<_> = shard.entries.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
            let left = shard.detach_unasked();
            drop(shard);
            self.core().after_change_of(index, left);
            let named = seen.into_iter().filter(|(key, entry)| condition(key, &entry.value));
            let named: Vec<_> = named.map(|(key, entry)| (key, Some(entry.id))).collect();
            removal.remove(index, &named);
        }
        removal.count
    }

    /// Removes the keys that `condition` names, with their holds and the right of loads under way to publish;
    /// returns how many had a value. It looks at no value; keys that come later are not asked about.
    pub fn invalidate_keys_if(&self, condition: impl Fn(&K) -> bool) -> usize {
        let mut removal = Removal::new(self);
        for (index, lock) in self.core().shards.all() {
            let keys = lock.lock().keys();
            let named: Vec<_> = keys.into_iter().filter(|key| condition(key)).map(|key| (key, None)).collect();
            removal.remove(index, &named);
        }
        removal.count
    }

    /// Removes the values that bear a tag; see [`CacheBuilder::tags`](super::CacheBuilder::tags). As with
    /// [`invalidate_if`](Self::invalidate_if), what has no value counts as named.
    pub fn invalidate_tag(&self, tag: &str) -> usize {
        let mut removal = Removal::new(self);
        let bears = |tags: &[Name]| tags.iter().any(|of| of.as_str() == tag);
        for (index, lock) in self.core().shards.all() {
            let mut shard = lock.lock();
            let named = shard.entries.iter().filter(|(_, entry)| bears(&entry.tags));
            let named: Vec<_> = named.map(|(key, entry)| (key.clone(), Some(entry.id))).collect();
            let left = shard.detach_unasked();
            drop(shard);
            self.core().after_change_of(index, left);
            removal.remove(index, &named);
        }
        removal.count
    }

    /// Removes everything; loads under way will not publish, and refreshes that wait for a thread never call
    /// their loaders.
    pub fn clear(&self) {
        let core = self.core();
        let mut left: Vec<(usize, Removed<K, V, E>)> = Vec::new();
        let mut clear = |index: usize| {
            let gone = core.shards.locks[index].lock().clear();
            core.book(&gone);
            left.push((index, gone));
        };
        if let Some(policy) = &core.policy {
            let forgotten = policy.forget(|index| {
                clear(index);
                Vec::new()
            });
            if left.iter().map(|(_, left)| left.entries.len()).sum::<usize>() > MANY {
                core.drop_later(forgotten);
            }
        } else {
            (0..core.shards.locks.len()).for_each(&mut clear);
        }
        for (index, left) in left {
            core.release(index, left);
        }
    }

    /// Removes values of no use to anybody now; returns how many. Lookups and writes do this by and by, within a
    /// second.
    pub fn purge_expired(&self) -> usize {
        self.core().purge()
    }
}

/// A removal of many keys. However it ends, the policy knows at its end what is there.
struct Removal<'a, K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    cache: &'a SmartCache<K, V, E>,
    count: usize,
    /// The policy was not told of all.
    is_untold: bool,
}

impl<'a, K, V, E> Removal<'a, K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    const fn new(cache: &'a SmartCache<K, V, E>) -> Self {
        Self { cache, count: 0, is_untold: false }
    }

    /// Removes these keys with flights and holds; one with a number only if its entry is still the one of it.
    fn remove(&mut self, index: usize, named: &[(K, Option<u64>)]) {
        let core = self.cache.core();
        let shards = &core.shards;
        let entries = shards.locks[index].lock().entries.len();
        let is_untold = entries * shards.locks.len() > MANY && named.len() * 3 > entries && core.policy.is_some();
        self.is_untold |= is_untold;
        for some in named.chunks(AT_ONCE) {
            let mut left = Removed::default();
            let mut shard = shards.locks[index].lock();
            for (key, id) in some {
                let hash = core.hash(key);
                let is_it = |id| shard.entries.peek(hash, key).is_some_and(|entry| entry.id == id);
                if id.is_none_or(is_it) {
                    left.add(if is_untold { shard.remove_untold(hash, key) } else { shard.remove(hash, key) });
                }
            }
            drop(shard);
            self.count += left.entries.len();
            core.after_change_of(index, left);
        }
    }
}

impl<K, V, E> Drop for Removal<'_, K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        let core = self.cache.core();
        if let Some(policy) = core.policy.as_ref().filter(|_| self.is_untold) {
            core.drop_later(policy.forget(|index| core.shards.locks[index].lock().tell_all()));
        }
    }
}
