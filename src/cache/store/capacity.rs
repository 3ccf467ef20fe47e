//! The capacity authority: W-TinyLFU by moka, or, in the interleaving models, a stand-in whose locks are
//! shuttle's.
//!
//! moka holds hashes and weights, never keys or values, so nothing of the host's runs in it or is dropped by
//! it. Its own deadlines, loaders and mass invalidation are not used.

/// What the authority knows of an entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Ticket {
    pub(in crate::cache) hash: u64,
    pub(in crate::cache) id: u64,
    pub(in crate::cache) weight: u32,
}

#[cfg(not(feedguard_shuttle))]
pub(super) use by_moka::Authority;
#[cfg(feedguard_shuttle)]
pub(super) use stand_in::Authority;

#[cfg(not(feedguard_shuttle))]
mod by_moka {
    use std::sync::Arc;

    use moka::notification::RemovalCause;

    use super::Ticket;

    /// Names victims once it holds more than its capacity.
    pub(in crate::cache::store) struct Authority(moka::sync::Cache<u64, Ticket, ahash::RandomState>);

    impl Authority {
        /// `evict` is told of each victim.
        pub(in crate::cache::store) fn new(
            name: &str,
            capacity: u64,
            is_weighted: bool,
            evict: Arc<dyn Fn(Ticket) + Send + Sync>,
        ) -> Self {
            let builder = moka::sync::Cache::builder().name(name).max_capacity(capacity);
            // moka sizes its frequency sketch four times too small when it has a weigher (seen in
            // 0.12.16: 42 % instead of 50 % hits under a scan), so it gets one only if it must.
            let builder = if is_weighted { builder.weigher(|_, ticket: &Ticket| ticket.weight) } else { builder };
            let listener = move |_key, ticket, cause| {
                if cause == RemovalCause::Size {
                    evict(ticket);
                }
            };
            Self(builder.eviction_listener(listener).build_with_hasher(ahash::RandomState::new()))
        }

        pub(in crate::cache::store) fn store(&self, key: u64, ticket: Ticket) {
            self.0.insert(key, ticket);
        }

        pub(in crate::cache::store) fn remove(&self, key: u64) {
            self.0.invalidate(&key);
        }

        pub(in crate::cache::store) fn read(&self, key: u64) {
            // A read is what moka counts; the ticket is of no interest.
            let _ticket = self.0.get(&key);
        }

        /// Brings the size below the capacity now.
        pub(in crate::cache::store) fn settle(&self) {
            self.0.run_pending_tasks();
        }
    }
}

#[cfg(feedguard_shuttle)]
mod stand_in {
    use std::sync::Arc;

    use super::Ticket;
    use crate::sync::Mutex;

    /// Refuses what comes last once it is full, as TinyLFU does with a key nobody has asked for.
    pub(in crate::cache::store) struct Authority {
        capacity: u64,
        held: Mutex<Vec<(u64, Ticket)>>,
        evict: Arc<dyn Fn(Ticket) + Send + Sync>,
    }

    impl Authority {
        pub(in crate::cache::store) fn new(
            _name: &str,
            capacity: u64,
            _is_weighted: bool,
            evict: Arc<dyn Fn(Ticket) + Send + Sync>,
        ) -> Self {
            Self { capacity, held: Mutex::new(Vec::new()), evict }
        }

        pub(in crate::cache::store) fn store(&self, key: u64, ticket: Ticket) {
            self.remove(key);
            self.held.lock().push((key, ticket));
            self.settle();
        }

        pub(in crate::cache::store) fn remove(&self, key: u64) {
            self.held.lock().retain(|(held, _)| *held != key);
        }

        pub(in crate::cache::store) fn read(&self, key: u64) {
            let mut held = self.held.lock();
            let at = held.iter().position(|(held, _)| *held == key);
            if let Some(at) = at {
                held[..=at].rotate_right(1);
            }
        }

        pub(in crate::cache::store) fn settle(&self) {
            loop {
                let mut held = self.held.lock();
                let is_full = held.len() as u64 > self.capacity;
                let victim = if is_full { held.pop() } else { None };
                drop(held);
                let Some((_, ticket)) = victim else { return };
                (self.evict)(ticket);
            }
        }
    }
}
