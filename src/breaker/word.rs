//! What a breaker shows to readers that take no lock: one word, and the details of a refusal.
//!
//! The word: bits 0-1 state, 2-3 mode, 4 "successes must be recorded", 5 "calls are followed", the
//! rest generation. It is written under the core's lock only. While the details of an opening are
//! written, the word says "ask"; a reader takes the word, the details, and the word again: if it is
//! the same, the details belong to it.

use std::time::Duration;

use super::state::Core;
use super::{BreakerConfig, BreakerMode, BreakerState, OpenReason};
use crate::clock::Tick;
use crate::sync::atomic::{AtomicU64, Ordering};

const STATE: u64 = 0b11;
const MODE: u64 = 0b11 << 2;
const MINDS_SUCCESSES: u64 = 1 << 4;
const FOLLOWS_CALLS: u64 = 1 << 5;
const GENERATION_SHIFT: u32 = 6;

const OPEN: u64 = BreakerState::Open as u64;
const OFF: u64 = (BreakerMode::Off as u64) << MODE.trailing_zeros();

/// What a reader without the lock may do about a call.
pub(super) enum Glance {
    /// Closed: the call passes, with this generation.
    Pass(u64),
    /// Off: the call passes and nothing is recorded.
    PassUnrecorded,
    /// Open for at least this long; `None`: until an operator says otherwise.
    Refuse { retry_after: Option<Duration>, reason: OpenReason, times_opened: u64 },
    /// Ask under the lock.
    Ask,
}

#[derive(Debug)]
pub(super) struct Word {
    bits: AtomicU64,
    open_until: AtomicU64,
    reason: AtomicU64,
    times_opened: AtomicU64,
}

impl Word {
    pub(super) fn new(core: &Core, config: &BreakerConfig) -> Self {
        Self {
            bits: AtomicU64::new(encode(core, config)),
            open_until: AtomicU64::new(0),
            reason: AtomicU64::new(0),
            times_opened: AtomicU64::new(0),
        }
    }

    /// Mirrors the core; its lock is held.
    pub(super) fn show(&self, core: &Core, config: &BreakerConfig) {
        let word = encode(core, config);
        if word & STATE == OPEN && self.bits.load(Ordering::Relaxed) != word {
            self.bits.store(word | MODE, Ordering::Release);
            self.open_until.store(core.open_until.0, Ordering::Release);
            self.reason.store(core.reason.pack(), Ordering::Release);
            self.times_opened.store(core.times_opened, Ordering::Release);
        }
        self.bits.store(word, Ordering::Release);
    }

    #[inline]
    pub(super) fn look(&self, now: impl FnOnce() -> Tick) -> Glance {
        let word = self.bits.load(Ordering::Acquire);
        if word & (STATE | MODE | FOLLOWS_CALLS) == 0 {
            return Glance::Pass(word >> GENERATION_SHIFT);
        }
        if word & MODE == OFF {
            return Glance::PassUnrecorded;
        }
        if word & (STATE | MODE) != OPEN {
            return Glance::Ask;
        }
        let open_until = Tick(self.open_until.load(Ordering::Acquire));
        let reason = self.reason.load(Ordering::Acquire);
        let times_opened = self.times_opened.load(Ordering::Acquire);
        if self.bits.load(Ordering::Relaxed) != word {
            return Glance::Ask;
        }
        let retry_after = (open_until != Tick::MAX).then(|| open_until.since(now()));
        if retry_after == Some(Duration::ZERO) {
            return Glance::Ask;
        }
        Glance::Refuse { retry_after, reason: OpenReason::unpack(reason), times_opened }
    }

    /// Whether a call admitted in this generation may end well, or be ignored, without a trace.
    #[inline]
    pub(super) fn is_healthy(&self, generation: u64) -> bool {
        self.bits.load(Ordering::Acquire) == generation << GENERATION_SHIFT
    }
}

fn encode(core: &Core, config: &BreakerConfig) -> u64 {
    let minds = if core.minds_successes() { MINDS_SUCCESSES } else { 0 };
    let follows = if config.slow_call_after().is_some() { FOLLOWS_CALLS } else { 0 };
    // Forced open it refuses in every mode.
    let mode = if core.is_forced { BreakerMode::On } else { core.mode };
    let mode = (mode as u64) << MODE.trailing_zeros();
    (core.generation << GENERATION_SHIFT) | follows | minds | mode | core.state as u64
}

const _: () = assert!(BreakerState::Closed as u64 == 0 && BreakerMode::On as u64 == 0, "healthy is zero");
