//! The store: entries of one shard, and the two policies that say which of them leaves.
//!
//! `Entries` is exact and single-threaded: what it holds is in the cache, what it does not hold is
//! not. The policy only names victims: `Order` inside the shard (exact LRU), or `TinyLfu` beside it
//! (moka, told of every change in the order in which the shard made it, and of reads when it suits). `Window`
//! spares what was written last. None knows time or flights.

mod capacity;
mod entries;
mod order;
mod reads;
mod tiny_lfu;
mod window;

pub(super) use capacity::Ticket;
pub(super) use entries::Entries;
pub(super) use tiny_lfu::{PolicyEvent, TinyLfu, Untold};
pub(super) use window::Written;
