//! The bucket as one atomic word, for as long as nobody waits: a grant is a compare-and-swap, a
//! refusal a few loads.
//!
//! It counts in time: a permit is an interval, and the place of a permit is the moment at which the front
//! reaches it. The word: bit 63 "ask under the lock", bits 52-62 epoch, bits 42-51 permits granted since the
//! lane opened, bits 0-41 the first place not taken, in units from where the front stood then. Scale and start
//! of the front change only while the word says "ask", and reopening it starts a new epoch: a compare-and-swap
//! that succeeds has used parameters of its own epoch, and a refusal looks at the word again. (Epochs come
//! again after 2,048 openings. A thread that slept through just as many and finds count and place as they were
//! grants one permit by old parameters; never two.) When the count or the front leaves its range, the lane is
//! reopened under the lock.

use std::time::Duration;

use super::bucket::{LaneScale, Share};
use crate::clock::Tick;
use crate::sync::atomic::{AtomicU64, Ordering};

const ASK: u64 = 1 << 63;
const EPOCH: u32 = 52;
const EPOCHS: u64 = (1 << 11) - 1;
const COUNT: u32 = 42;
const COUNTS: u64 = (1 << 10) - 1;
const PLACE: u64 = (1 << COUNT) - 1;
const FRACTION: u32 = 6;
/// The farthest front a word may be compared with; a burst more still fits.
const FARTHEST: u64 = 1 << 41;
/// Readings of one clock on two cores differ by less; a pause that short is none.
const CLOCK_SKEW: u64 = 1_000;

/// A start in the lane; undone if nobody has started since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtomicStart(u64);

/// The lane's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeResult {
    Granted(AtomicStart, Tick),
    Wait {
        time: Duration,
        is_paused: bool,
    },
    /// Somebody waits, or the lane is to be reopened.
    Ask,
}

enum Look {
    /// Free, if the word is still the same: what it is then.
    Free {
        taken: u64,
        at: Tick,
    },
    Wait {
        time: Duration,
        is_paused: bool,
    },
    Ask,
    /// The lane was reopened meanwhile: the word now.
    Moved(u64),
}

#[derive(Debug)]
pub(super) struct AtomicBucket {
    bits: AtomicU64,
    /// Tick from which the front moves; ahead in a pause.
    since: AtomicU64,
    /// Units in which one permit moves, in bits 6 and up; bits 0-5 the digits of a nanosecond that a unit has
    /// after the point.
    scale: AtomicU64,
    burst: u64,
}

impl AtomicBucket {
    /// A closed lane.
    pub(super) fn new(burst: u32) -> Self {
        Self { bits: AtomicU64::new(ASK), since: AtomicU64::new(0), scale: AtomicU64::new(0), burst: u64::from(burst) }
    }

    /// Takes `n` permits, at most the burst, if they are free.
    #[inline]
    pub(super) fn try_take(&self, n: u32, now: impl Fn() -> Tick) -> TakeResult {
        let mut bits = self.bits.load(Ordering::Acquire);
        loop {
            match self.look(bits, n, &now) {
                Look::Free { taken, at } => {
                    match self.bits.compare_exchange_weak(bits, taken, Ordering::AcqRel, Ordering::Acquire) {
                        Ok(_) => return TakeResult::Granted(AtomicStart(taken), at),
                        Err(newer) => bits = newer,
                    }
                }
                Look::Wait { time, is_paused } => return TakeResult::Wait { time, is_paused },
                Look::Ask => return TakeResult::Ask,
                Look::Moved(newer) => bits = newer,
            }
        }
    }

    /// The time until `n` permits are free; `None`: ask under the lock.
    pub(super) fn peek(&self, n: u32, now: impl Fn() -> Tick) -> Option<(Duration, bool)> {
        loop {
            match self.look(self.bits.load(Ordering::Acquire), n, &now) {
                Look::Free { .. } => return Some((Duration::ZERO, false)),
                Look::Wait { time, is_paused } => return Some((time, is_paused)),
                Look::Ask => return None,
                Look::Moved(_) => {}
            }
        }
    }

    #[inline]
    fn look(&self, bits: u64, n: u32, now: &impl Fn() -> Tick) -> Look {
        if bits & ASK != 0 {
            return Look::Ask;
        }
        let since = self.since.load(Ordering::Acquire);
        let scale = self.scale.load(Ordering::Acquire);
        let (interval, fraction) = (scale >> FRACTION, scale & ((1 << FRACTION) - 1));
        // After the word: it must not be older than the opening of the lane.
        let at = now();
        let elapsed = at.0.saturating_sub(since);
        if elapsed > FARTHEST >> fraction {
            return Look::Ask;
        }
        let front = elapsed << fraction;
        let paused = since.saturating_sub(at.0);
        let is_paused = paused > CLOCK_SKEW;
        let end = (bits & PLACE).max(front) + u64::from(n) * interval;
        let due = end.saturating_sub(self.burst * interval);
        if !is_paused && due <= front {
            let count = ((bits >> COUNT) & COUNTS) + u64::from(n);
            if count > COUNTS {
                return Look::Ask;
            }
            return Look::Free { taken: (bits & !(PLACE | COUNTS << COUNT)) | count << COUNT | end, at };
        }
        let newer = self.bits.load(Ordering::Acquire);
        if newer >> EPOCH != bits >> EPOCH {
            return Look::Moved(newer);
        }
        // Rounded up; a division by a number that only the run time knows costs more than all the rest.
        let moving = (due - front + ((1 << fraction) - 1)) >> fraction;
        Look::Wait { time: Duration::from_nanos(moving + if is_paused { paused } else { 0 }), is_paused }
    }

    /// Takes a start back, if nobody has started since.
    pub(super) fn undo(&self, n: u32, start: AtomicStart) -> bool {
        // Of another opening the interval may differ: the word does too then.
        let interval = self.scale.load(Ordering::Acquire) >> FRACTION;
        let before = start.0.wrapping_sub(u64::from(n) * interval).wrapping_sub(u64::from(n) << COUNT);
        self.bits.compare_exchange(start.0, before, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether callers have to ask under the lock. Ordered with the counts of ended calls: a caller
    /// that waits for one has closed the lane before it looked at them.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.bits.load(Ordering::SeqCst) & ASK != 0
    }

    /// Closes the lane, the core's lock being held; if it was open, the first place not taken and the
    /// permits granted.
    pub(super) fn close(&self) -> Option<(u64, u64)> {
        let bits = self.bits.fetch_or(ASK, Ordering::SeqCst);
        (bits & ASK == 0).then_some((bits & PLACE, (bits >> COUNT) & COUNTS))
    }

    /// Opens the closed lane, the core's lock being held.
    pub(super) fn open(&self, share: Share) {
        self.since.store(share.since.0, Ordering::Release);
        let LaneScale { interval, fraction } = share.scale;
        self.scale.store(interval << FRACTION | u64::from(fraction), Ordering::Release);
        let epoch = (self.bits.load(Ordering::Relaxed) >> EPOCH).wrapping_add(1) & EPOCHS;
        self.bits.store((epoch << EPOCH) | share.place, Ordering::Release);
    }
}
