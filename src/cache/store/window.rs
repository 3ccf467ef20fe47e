//! The entries written last, which the policy may not refuse yet: what a thread has written it can read.
//!
//! ```text
//! written -> in the window --(policy names it as a victim)--> condemned --(newer writes push it out)--> leaves
//!                  \---------------(newer writes push it out)---> the policy's
//! ```
//! moka's policy compares a new key with the victims it would push out, and refuses it if they were asked for more
//! often; it has no window of its own where a new key could show its worth.

use std::collections::VecDeque;

use crate::sync::Mutex;

/// Entries in the window of a large cache: more than threads that write at one moment.
const LARGEST: u64 = 16;

#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Written {
    pub(in crate::cache) hash: u64,
    pub(in crate::cache) id: u64,
    is_condemned: bool,
}

pub(in crate::cache) struct Window {
    size: usize,
    written: Mutex<VecDeque<Written>>,
}

impl Window {
    /// With weights one entry only: it may be as heavy as all others together.
    pub(in crate::cache) fn new(capacity: u64, is_weighted: bool) -> Self {
        // A model cannot fill a cache of a size where the share matters.
        let share = if cfg!(feedguard_shuttle) { 2 } else { capacity / 8 };
        let size = if is_weighted { 1 } else { share.clamp(1, LARGEST) };
        Self { size: usize::try_from(size).unwrap_or(1), written: Mutex::new(VecDeque::new()) }
    }

    pub(in crate::cache) fn size(&self) -> u64 {
        self.size as u64
    }

    /// Notes an entry just written; the one that leaves the window, if the policy has refused it meanwhile.
    pub(in crate::cache) fn note(&self, hash: u64, id: u64) -> Option<Written> {
        let mut written = self.written.lock();
        written.push_back(Written { hash, id, is_condemned: false });
        let leaving = if written.len() > self.size { written.pop_front() } else { None };
        drop(written);
        leaving.filter(|entry| entry.is_condemned)
    }

    /// Whether the policy must spare its victim for now.
    pub(in crate::cache) fn spares(&self, id: u64) -> bool {
        let mut written = self.written.lock();
        let is_there = written.iter_mut().find(|entry| entry.id == id).map(|entry| entry.is_condemned = true).is_some();
        drop(written);
        is_there
    }
}
