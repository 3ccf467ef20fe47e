//! Jobs that wait to be told that something has changed.

use std::sync::{Arc, Weak};

/// Somebody who waits for places, room, or an end.
pub(crate) trait Wake: Send + Sync {
    fn wake(&self);
}

/// Jobs to wake, as long as they live.
#[derive(Default)]
pub(crate) struct Wakers(Vec<Weak<dyn Wake>>);

impl Wakers {
    pub(crate) fn add(&mut self, job: Weak<dyn Wake>) {
        self.0.retain(|known| known.strong_count() > 0);
        self.0.push(job);
    }

    /// Those that live; to be woken under no lock.
    pub(crate) fn living(&self) -> Vec<Arc<dyn Wake>> {
        self.0.iter().filter_map(Weak::upgrade).collect()
    }
}
