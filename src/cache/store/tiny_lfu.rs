//! W-TinyLFU by moka: the capacity authority of the smart cache.
//!
//! moka holds keys and weights, never values, so none of its deferred drops runs the host's code.
//! Each shard writes down what it changed while it is locked; a lane, one a shard, passes these
//! events on in that order. So moka and the shard agree on which entry of a key is the last one.
//! moka's own deadlines, loaders and mass invalidation are not used.

use std::sync::Arc;

use moka::notification::RemovalCause;

use crate::cache::Key;
use crate::sync::Mutex;

/// What moka knows of an entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Ticket {
    pub(in crate::cache) id: u64,
    pub(in crate::cache) weight: u32,
}

/// A change of a shard, as the policy is told.
#[derive(Debug)]
pub(in crate::cache) enum PolicyEvent<K> {
    Stored(K, Ticket),
    Removed(K),
}

pub(in crate::cache) struct TinyLfu<K> {
    moka: moka::sync::Cache<K, Ticket, ahash::RandomState>,
    /// Each holds an empty list, kept for its memory.
    lanes: Box<[Mutex<Vec<PolicyEvent<K>>>]>,
}

impl<K: Key> TinyLfu<K> {
    /// `evict` is told of each victim; it may take a shard's lock, and drops nothing of the host.
    pub(in crate::cache) fn new(
        name: &str,
        capacity: u64,
        is_weighted: bool,
        lanes: usize,
        hasher: ahash::RandomState,
        evict: impl Fn(&K, Ticket) + Send + Sync + 'static,
    ) -> Self {
        let builder = moka::sync::Cache::builder().name(name).max_capacity(capacity);
        // moka sizes its frequency sketch four times too small when it has a weigher (seen in
        // 0.12.16: 42 % instead of 50 % hits under a scan), so it gets one only if it must.
        let builder = if is_weighted { builder.weigher(|_, ticket: &Ticket| ticket.weight) } else { builder };
        let moka = builder
            .eviction_listener(move |key: Arc<K>, ticket, cause| {
                if cause == RemovalCause::Size {
                    evict(&key, ticket);
                }
            })
            .build_with_hasher(hasher);
        Self { moka, lanes: (0..lanes).map(|_| Mutex::new(Vec::new())).collect() }
    }

    /// Passes a shard's events on; `exchange` swaps the shard's list for an empty one and is called
    /// with the lane locked, so that two threads cannot swap the order.
    pub(in crate::cache) fn pass_on(&self, lane: usize, exchange: impl FnOnce(&mut Vec<PolicyEvent<K>>)) {
        let mut events = self.lanes[lane].lock();
        exchange(&mut events);
        for event in events.drain(..) {
            match event {
                PolicyEvent::Stored(key, ticket) => self.moka.insert(key, ticket),
                PolicyEvent::Removed(key) => self.moka.invalidate(&key),
            }
        }
        drop(events);
    }

    /// Tells the policy of a read.
    pub(in crate::cache) fn touch(&self, key: &K) {
        // A read is what moka counts; the value is of no interest.
        let _ticket = self.moka.get(key);
    }

    /// Brings the size below the capacity now.
    pub(in crate::cache) fn settle(&self) {
        self.moka.run_pending_tasks();
    }
}
