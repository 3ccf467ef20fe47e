//! A lock that tells how long it was waited for.

use super::Histogram;
use crate::sync::{Mutex, MutexGuard};

#[cfg(not(feedguard_shuttle))]
use crate::clock::Clock;
#[cfg(not(feedguard_shuttle))]
use std::sync::atomic::{AtomicU32, Ordering};

/// Of the waits this share, as one in so many, is measured.
#[cfg(not(feedguard_shuttle))]
const SAMPLE: u32 = 16;

/// A [`Mutex`] whose waits are sampled; a lock that is free costs nothing more.
pub(crate) struct TimedMutex<T> {
    inner: Mutex<T>,
    #[cfg(not(feedguard_shuttle))]
    waits: AtomicU32,
    #[cfg(not(feedguard_shuttle))]
    wait: Histogram,
}

impl<T> TimedMutex<T> {
    #[cfg_attr(feedguard_shuttle, allow(unused_variables, reason = "models have no time"))]
    pub(crate) fn new(value: T, wait: Histogram) -> Self {
        Self {
            inner: Mutex::new(value),
            #[cfg(not(feedguard_shuttle))]
            waits: AtomicU32::new(0),
            #[cfg(not(feedguard_shuttle))]
            wait,
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(not(feedguard_shuttle))]
        return self.inner.try_lock().unwrap_or_else(|| self.lock_slow());
        #[cfg(feedguard_shuttle)]
        self.inner.lock()
    }

    #[cfg(not(feedguard_shuttle))]
    #[cold]
    fn lock_slow(&self) -> MutexGuard<'_, T> {
        if self.waits.fetch_add(1, Ordering::Relaxed) % SAMPLE != 0 {
            return self.inner.lock();
        }
        // The threads' own time: a manual clock stands still while they wait.
        let clock = Clock::system();
        let began = clock.now();
        let guard = self.inner.lock();
        self.wait.observe(clock.now().since(began));
        guard
    }
}
