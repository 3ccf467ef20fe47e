//! What all jobs of a processor share: places at each source, and room for items that wait.

use std::collections::HashMap;
use std::sync::Weak;

use super::wakers::{Wake, Wakers};
use crate::name::Name;
use crate::sync::Mutex;

#[derive(Default)]
struct Places {
    /// Calls under way, the hung ones included.
    running: usize,
    hung: usize,
}

#[derive(Default)]
struct Shared {
    sources: HashMap<Name, Places>,
    queued: usize,
    /// Items that a shutdown has kept from starting.
    cancelled: usize,
    waiting: Wakers,
}

/// Places at sources and room in the queue.
pub(super) struct Slots {
    per_source: usize,
    own_limits: HashMap<String, usize>,
    room: usize,
    shared: Mutex<Shared>,
}

impl Slots {
    pub(super) fn new(per_source: usize, own_limits: HashMap<String, usize>, room: usize) -> Self {
        Self { per_source, own_limits, room, shared: Mutex::new(Shared::default()) }
    }

    fn limit(&self, source: &str) -> usize {
        self.own_limits.get(source).copied().unwrap_or(self.per_source)
    }

    /// Takes a place at the source for one call.
    pub(super) fn try_take(&self, source: &Name) -> bool {
        let limit = self.limit(source);
        let mut shared = self.shared.lock();
        let places = shared.sources.entry(source.clone()).or_default();
        let is_free = places.running < limit;
        places.running += usize::from(is_free);
        drop(shared);
        is_free
    }

    /// Places free at the source.
    pub(super) fn free(&self, source: &Name) -> usize {
        let running = self.shared.lock().sources.get(source).map_or(0, |places| places.running);
        self.limit(source).saturating_sub(running)
    }

    /// A call has ended.
    pub(super) fn release(&self, source: &Name, was_hung: bool) {
        let mut shared = self.shared.lock();
        if let Some(places) = shared.sources.get_mut(source) {
            places.running = places.running.saturating_sub(1);
            places.hung = places.hung.saturating_sub(usize::from(was_hung));
            if places.running == 0 {
                shared.sources.remove(source);
            }
        }
        drop(shared);
        self.wake();
    }

    /// A call was given up on; it holds its place until it ends.
    pub(super) fn hangs(&self, source: &Name) {
        if let Some(places) = self.shared.lock().sources.get_mut(source) {
            places.hung += 1;
        }
    }

    /// Lets every job look again.
    pub(super) fn wake_all(&self) {
        self.wake();
    }

    /// Calls that hang at the source, if they hold every place there.
    pub(super) fn saturated(&self, source: &Name) -> Option<usize> {
        let limit = self.limit(source);
        let hung = self.shared.lock().sources.get(source).map_or(0, |places| places.hung);
        (hung >= limit).then_some(hung)
    }

    /// Takes room for one waiting item.
    pub(super) fn try_queue(&self) -> bool {
        let mut shared = self.shared.lock();
        let has_room = shared.queued < self.room;
        shared.queued += usize::from(has_room);
        drop(shared);
        has_room
    }

    /// Items have left the queue.
    pub(super) fn unqueue(&self, items: usize) {
        let mut shared = self.shared.lock();
        let was_full = shared.queued >= self.room;
        shared.queued = shared.queued.saturating_sub(items);
        drop(shared);
        if was_full {
            self.wake();
        }
    }

    /// Items have left the queue because of a shutdown.
    pub(super) fn cancel(&self, items: usize) {
        let mut shared = self.shared.lock();
        shared.queued = shared.queued.saturating_sub(items);
        shared.cancelled += items;
    }

    /// Items that a shutdown has kept, or will keep, from starting.
    pub(super) fn cancelled(&self) -> usize {
        let shared = self.shared.lock();
        shared.cancelled + shared.queued
    }

    pub(super) fn queued(&self) -> usize {
        self.shared.lock().queued
    }

    /// Wakes this job at each change, as long as it lives.
    pub(super) fn wakes(&self, job: Weak<dyn Wake>) {
        self.shared.lock().waiting.add(job);
    }

    fn wake(&self) {
        let living = self.shared.lock().waiting.living();
        for job in living {
            job.wake();
        }
    }
}
