//! Fetches that wait for something to change: a call that ends, an endpoint that comes back.

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};

/// A number that grows with every change. A waiter looks at it first and waits for a later one, so no
/// change between the look and the wait is lost.
#[derive(Default)]
pub(super) struct Changes {
    number: Mutex<u64>,
    waiting: AtomicUsize,
    changed: Condvar,
}

impl Changes {
    pub(super) fn number(&self) -> u64 {
        *self.number.lock()
    }

    /// Something has changed.
    pub(super) fn tell(&self) {
        *self.number.lock() += 1;
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for a change after `seen`, until `until`.
    pub(super) fn wait(&self, clock: &Clock, seen: u64, until: Deadline) {
        // Counted before the number is looked at: whoever changes it afterwards sees the waiter.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut number = self.number.lock();
        while *number == seen && clock.wait(&self.changed, &mut number, until) {}
        drop(number);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
