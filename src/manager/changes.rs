//! Fetches that wait for something to change: a call that ends, an endpoint that comes back.

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};

/// How many changes there have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) all: u64,
    /// Of those: an endpoint came, went or recovered, or the manager was shut down.
    pub(super) endpoints: u64,
}

/// A number that grows with every change. A waiter looks at it first and waits for a later one, so no
/// change between the look and the wait is lost.
#[derive(Default)]
pub(super) struct Changes {
    numbers: Mutex<Numbers>,
    waiting: AtomicUsize,
    changed: Condvar,
}

impl Changes {
    pub(super) fn numbers(&self) -> Numbers {
        *self.numbers.lock()
    }

    /// A call has ended.
    pub(super) fn tell(&self) {
        self.grow(0);
    }

    /// An endpoint came, went or recovered, or the manager is shut down.
    pub(super) fn tell_endpoints(&self) {
        self.grow(1);
    }

    fn grow(&self, endpoints: u64) {
        let mut numbers = self.numbers.lock();
        numbers.all += 1;
        numbers.endpoints += endpoints;
        drop(numbers);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for a change after `seen`, until `until`.
    pub(super) fn wait(&self, clock: &Clock, seen: Numbers, until: Deadline) {
        self.wait_while(clock, until, |now| now.all == seen.all);
    }

    /// Waits for a change of endpoints after `seen`, until `until`.
    pub(super) fn wait_for_endpoints(&self, clock: &Clock, seen: Numbers, until: Deadline) {
        self.wait_while(clock, until, |now| now.endpoints == seen.endpoints);
    }

    fn wait_while(&self, clock: &Clock, until: Deadline, is_same: impl Fn(&Numbers) -> bool) {
        // Counted before the numbers are looked at: whoever changes them afterwards sees the waiter.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut numbers = self.numbers.lock();
        while is_same(&numbers) && clock.wait(&self.changed, &mut numbers, until) {}
        drop(numbers);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
