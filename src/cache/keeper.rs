//! The thread that tells eviction policies of reads, so that no reader does: one for all caches that share it.
//!
//! ```text
//! asleep --(a shard has many reads untold)--> rings every 50 ms --(nothing was untold)--> asleep
//! ```
//! It starts with the first reads and leaves when it has had none for a while. What it does at a ring is bounded
//! by the room that shards have for reads.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::{Clock, Tick};
use crate::pool::{Alarm, drop_caught};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

const EVERY: Duration = Duration::from_millis(50);
/// A thread that has not rung for this long after it should have is not there, as after a `fork`.
const LOST_AFTER: Duration = Duration::from_secs(1);
const IDLE_FOR: Duration = Duration::from_secs(60);

/// A cache with reads to pass on.
pub(super) trait Kept: Send + Sync {
    /// Passes them on; `false` if there were none.
    fn pass_reads_on(&self) -> bool;
}

pub(crate) struct Keeper {
    clock: Clock,
    caches: Arc<Caches>,
    alarm: Alarm,
}

#[derive(Default)]
struct Caches {
    list: Mutex<Vec<Weak<dyn Kept>>>,
    /// Until when the thread may be trusted to be awake; zero while it is not.
    awake_until: AtomicU64,
}

impl Keeper {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let caches = Arc::new(Caches::default());
        let (kept, time) = (Arc::clone(&caches), clock.clone());
        let ring = move || kept.ring(&time);
        Arc::new(Self { alarm: Alarm::new("feedguard-keep", clock.clone(), IDLE_FOR, ring), clock, caches })
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn keep(&self, cache: Weak<dyn Kept>) {
        self.caches.list.lock().push(cache);
    }

    /// Somebody has many reads untold. Under a manual clock time stands still, and writers pass them on.
    #[inline]
    pub(super) fn wake(&self, now: Tick) {
        if now.0 >= self.caches.awake_until.load(Ordering::Relaxed) && !self.clock.is_manual() {
            self.wake_now(now);
        }
    }

    #[cold]
    fn wake_now(&self, now: Tick) {
        self.caches.awake_until.store(now.after(LOST_AFTER).0, Ordering::Relaxed);
        self.alarm.set(now.after(EVERY));
    }
}

impl Caches {
    fn ring(&self, clock: &Clock) -> Tick {
        let mut list = self.list.lock();
        list.retain(|cache| cache.strong_count() > 0);
        let caches = list.clone();
        drop(list);
        let mut had_some = false;
        for cache in caches.iter().filter_map(Weak::upgrade) {
            had_some |= cache.pass_reads_on();
            // Its last owner may have gone meanwhile, and its values are the host's.
            drop_caught(cache, "a cache");
        }
        let now = clock.now();
        let awake_until = if had_some { now.after(LOST_AFTER) } else { Tick::default() };
        self.awake_until.store(awake_until.0, Ordering::Relaxed);
        if had_some { now.after(EVERY) } else { Tick::MAX }
    }
}
