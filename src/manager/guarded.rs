//! An endpoint with its guards, and what the manager remembers of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::endpoint_config::EndpointConfig;
use super::metrics::CallMetrics;
use crate::breaker::CircuitBreaker;
use crate::clock::Tick;
use crate::limiter::AdaptiveRateLimiter;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// An endpoint with its guards. A reload makes new ones around the same guards.
pub(super) struct Guarded {
    pub(super) config: EndpointConfig,
    pub(super) breaker: Arc<CircuitBreaker>,
    pub(super) limiter: Arc<AdaptiveRateLimiter>,
    pub(super) metrics: Arc<CallMetrics>,
    pub(super) memory: Arc<Memory>,
}

/// What outlives a reload.
#[derive(Default)]
pub(super) struct Memory {
    /// Calls under way, the hung ones included.
    taken: AtomicUsize,
    pub(super) is_drained: AtomicBool,
    /// Failures in a row.
    failures: AtomicU32,
    /// It was down; the next success is a recovery.
    is_down: AtomicBool,
    /// When a fetch may next look whether it is back although its key is held.
    next_look: AtomicU64,
    /// Requests whose answers were flawed lately: one bad symbol is one flaw, however often it is asked for.
    flawed: Mutex<VecDeque<(usize, u64)>>,
}

/// Failures in a row that are an outage.
const OUTAGE: u32 = 3;
/// An endpoint that is down is looked at by held keys at most this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Flawed requests remembered.
const FLAWED: usize = 64;

/// A call's place at its endpoint; taken until the call really ends.
pub(super) struct Place(Arc<Memory>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Guarded {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.config.spec.name
    }

    /// Its gauges say nothing any more, but for what another one goes on with.
    pub(super) fn retire(&self, next: Option<&Self>) {
        if next.is_none_or(|next| !Arc::ptr_eq(&next.breaker, &self.breaker)) {
            self.breaker.retire();
        }
        if next.is_none_or(|next| !Arc::ptr_eq(&next.limiter, &self.limiter)) {
            self.limiter.retire();
        }
        if next.is_none_or(|next| !Arc::ptr_eq(&next.metrics, &self.metrics)) {
            self.metrics.end();
        }
    }

    pub(super) fn take_place(&self) -> Option<Place> {
        let most = self.config.spec.places();
        let taken = &self.memory.taken;
        let take = |taken: usize| (taken < most).then_some(taken + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(Place(Arc::clone(&self.memory)))
    }

    pub(super) fn has_place(&self) -> bool {
        self.places_taken() < self.config.spec.places()
    }

    pub(super) fn places_taken(&self) -> usize {
        self.memory.taken.load(Ordering::Acquire)
    }
}

impl Memory {
    pub(super) fn failed(&self) {
        let row = self.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if row >= OUTAGE {
            self.is_down.store(true, Ordering::Release);
        }
    }

    /// Whether this success is a recovery.
    pub(super) fn succeeded(&self) -> bool {
        self.failures.store(0, Ordering::Release);
        self.is_down.load(Ordering::Acquire) && self.is_down.swap(false, Ordering::AcqRel)
    }

    /// Whether a fetch whose key is held may look now whether the endpoint is back.
    pub(super) fn may_look(&self, now: Tick) -> bool {
        if !self.is_down.load(Ordering::Acquire) {
            return false;
        }
        let next = self.next_look.load(Ordering::Acquire);
        let claim =
            || self.next_look.compare_exchange(next, now.after(LOOK_EVERY).0, Ordering::AcqRel, Ordering::Acquire);
        now.0 >= next && claim().is_ok()
    }

    /// Whether a flawed answer to this request is news.
    pub(super) fn is_new_flaw(&self, category: usize, key_hash: u64) -> bool {
        let mut flawed = self.flawed.lock();
        if flawed.contains(&(category, key_hash)) {
            return false;
        }
        if flawed.len() >= FLAWED {
            flawed.pop_front();
        }
        flawed.push_back((category, key_hash));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_are_an_outage_and_the_next_success_a_recovery() {
        let memory = Memory::default();
        memory.failed();
        memory.failed();
        assert!(!memory.succeeded() && !memory.may_look(Tick(1)));
        (0..3).for_each(|_| memory.failed());
        let now = Tick(1 << 40);
        assert!(memory.may_look(now) && !memory.may_look(now), "one looks");
        assert!(memory.may_look(now.after(LOOK_EVERY)));
        assert!(memory.succeeded() && !memory.succeeded());
    }

    #[test]
    fn a_flawed_request_is_news_once() {
        let memory = Memory::default();
        assert!(memory.is_new_flaw(0, 7) && !memory.is_new_flaw(0, 7) && memory.is_new_flaw(1, 7));
        assert!((0..FLAWED as u64).all(|n| memory.is_new_flaw(0, 100 + n)));
        assert!(memory.is_new_flaw(0, 7), "forgotten after many others");
    }
}
