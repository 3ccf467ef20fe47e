//! Calls under way, pure: counted for a lease, so that a ticket that is forgotten is no load for ever.

use crate::clock::Tick;

/// A call counts for four to five of these: two minutes, and up to half a minute more.
const SLOT_NANOS: u64 = 30_000_000_000;
const SLOTS: usize = 5;

/// Counts by the time at which the calls began.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    slots: [u32; SLOTS],
    newest: u64,
    total: u32,
}

impl Load {
    /// Calls under way.
    #[inline]
    pub(super) fn calls(&self) -> u32 {
        self.total
    }

    #[inline]
    pub(super) fn begin(&mut self, now: Tick) {
        self.age(now);
        // A clock that was read a little before another thread's counts where it will be looked for.
        let oldest = self.newest.saturating_sub(SLOTS as u64 - 1);
        self.slots[place((now.0 / SLOT_NANOS).max(oldest))] += 1;
        self.total += 1;
    }

    /// `false` for a call whose lease was over.
    #[inline]
    pub(super) fn end(&mut self, began: Tick, now: Tick) -> bool {
        self.age(now);
        let number = began.0 / SLOT_NANOS;
        let place = place(number);
        let counts = self.newest < number.saturating_add(SLOTS as u64) && self.slots[place] > 0;
        if counts {
            self.slots[place] -= 1;
            self.total -= 1;
        }
        counts
    }

    /// Lets go of those whose lease is over.
    #[inline]
    pub(super) fn age(&mut self, now: Tick) {
        let number = now.0 / SLOT_NANOS;
        if number > self.newest {
            self.let_go(number);
        }
    }

    #[cold]
    fn let_go(&mut self, number: u64) {
        let passed = (number - self.newest).min(SLOTS as u64);
        for old in number + 1 - passed..=number {
            self.total -= std::mem::take(&mut self.slots[place(old)]);
        }
        self.newest = number;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below the number of slots")]
fn place(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}
