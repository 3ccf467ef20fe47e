//! The policy beside the shards: tells the capacity authority what each of them changed and read.
//!
//! A shard writes down what it changed while it is locked; a lane, one a shard, passes that on in the same
//! order. So the authority and the shard agree on which entry of a key is the last one. To forget everything,
//! each lane gets a new authority in turn; the old one goes with all it knew.

use std::sync::Arc;

use super::capacity::{Authority, Ticket};
use super::reads::Reads;
use super::window::Window;
use crate::name::Name;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A change of a shard, as the policy is told.
#[derive(Debug)]
pub(in crate::cache) enum PolicyEvent {
    Stored(u64, Ticket),
    Removed(u64),
}

/// What a shard has not told the policy yet.
#[derive(Debug, Default)]
pub(in crate::cache) struct Untold {
    pub(in crate::cache) events: Vec<PolicyEvent>,
    pub(in crate::cache) reads: Reads,
}

struct PolicyLane {
    authority: Arc<Authority>,
    /// Empty; kept for its memory.
    spare: Untold,
    /// Weight stored that is not in the sum of all lanes yet.
    unsettled: u64,
}

/// What the policy knew; to drop it takes a while.
pub(in crate::cache) struct Forgotten {
    _authority: Option<Arc<Authority>>,
}

pub(in crate::cache) struct TinyLfu {
    name: Name,
    capacity: u64,
    is_weighted: bool,
    evict: Arc<dyn Fn(Ticket) + Send + Sync>,
    pub(in crate::cache) window: Arc<Window>,
    lanes: Box<[Mutex<PolicyLane>]>,
    /// Weight stored since the authority was last asked to make room, added up a little late.
    unsettled: AtomicU64,
    /// Held while all lanes get a new authority: two at a time would leave some with one and some with the other.
    forgetting: Mutex<()>,
}

impl TinyLfu {
    /// `evict` is told of each victim that the window does not spare; it may take a shard's lock, and drops
    /// nothing of the host.
    pub(in crate::cache) fn new(
        name: &Name,
        capacity: u64,
        is_weighted: bool,
        lanes: usize,
        evict: impl Fn(Ticket) + Send + Sync + 'static,
    ) -> Self {
        let window = Arc::new(Window::new(capacity, is_weighted));
        let beside = Arc::clone(&window);
        let evict: Arc<dyn Fn(Ticket) + Send + Sync> = Arc::new(move |ticket: Ticket| {
            if !beside.spares(ticket.id) {
                evict(ticket);
            }
        });
        // What the window spares is part of the capacity; a weight of it nobody knows.
        let capacity = if is_weighted { capacity } else { capacity.saturating_sub(window.size()) };
        let authority = Arc::new(Authority::new(name, capacity, is_weighted, Arc::clone(&evict)));
        let lane =
            || Mutex::new(PolicyLane { authority: Arc::clone(&authority), spare: Untold::default(), unsettled: 0 });
        let lanes = (0..lanes).map(|_| lane()).collect();
        Self {
            name: name.clone(),
            capacity,
            is_weighted,
            evict,
            window,
            lanes,
            unsettled: AtomicU64::new(0),
            forgetting: Mutex::new(()),
        }
    }

    /// Passes on what a shard has not told; `exchange` swaps the shard's lists for empty ones and is called
    /// with the lane locked, so that two threads cannot swap the order. `false` if there was nothing.
    pub(in crate::cache) fn pass_on(&self, lane: usize, exchange: impl FnOnce(&mut Untold)) -> bool {
        let mut lane = self.lanes[lane].lock();
        let PolicyLane { authority, spare, unsettled } = &mut *lane;
        exchange(spare);
        let was_something = !spare.events.is_empty() || !spare.reads.is_empty();
        // Reads first: they may save what the changes would push out.
        spare.reads.drain().for_each(|key| authority.read(key));
        for event in spare.events.drain(..) {
            match event {
                PolicyEvent::Stored(key, ticket) => {
                    *unsettled += u64::from(ticket.weight);
                    authority.store(key, ticket);
                }
                PolicyEvent::Removed(key) => authority.remove(key),
            }
        }
        // moka makes room by the batch; it is asked to once 3 % were stored. Each lane holds back its share of half
        // of that, so that lanes do not write one word with each store.
        let slack = self.capacity / 32;
        let mut over = None;
        if *unsettled > slack / 2 / self.lanes.len() as u64 {
            let sum = self.unsettled.fetch_add(*unsettled, Ordering::Relaxed) + *unsettled;
            *unsettled = 0;
            if sum > slack / 2 {
                self.unsettled.store(0, Ordering::Relaxed);
                over = Some(Arc::clone(authority));
            }
        }
        drop(lane);
        if let Some(authority) = over {
            authority.settle();
        }
        was_something
    }

    /// Forgets everything but what `keep` names of one shard after the other, each with its lane locked. What it
    /// knew comes back, to be dropped where there is time for it.
    pub(in crate::cache) fn forget(&self, mut keep: impl FnMut(usize) -> Vec<(u64, Ticket)>) -> Forgotten {
        let alone = self.forgetting.lock();
        let new = Arc::new(Authority::new(&self.name, self.capacity, self.is_weighted, Arc::clone(&self.evict)));
        let mut old = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let mut lane = lane.lock();
            let kept = keep(index);
            old = Some(std::mem::replace(&mut lane.authority, Arc::clone(&new)));
            for (key, ticket) in kept {
                new.store(key, ticket);
            }
            drop(lane);
        }
        drop(alone);
        Forgotten { _authority: old }
    }
}
