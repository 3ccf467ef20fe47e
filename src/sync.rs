//! The one door to locks and shared words: `parking_lot` and `std` atomics, or their shuttle twins
//! when the interleaving models are compiled (`--cfg feedguard_shuttle`).

#[cfg(not(feedguard_shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
