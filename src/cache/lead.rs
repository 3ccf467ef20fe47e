//! A lookup that finds nothing fresh: it leads a load, joins that of another, or takes what is old.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::entry::Cached;
use super::flight::{Flight, FlightResult, JoinResult};
use super::load_guard::{LoadGuard, Loader};
use super::lookup::{Lookup, LookupMode};
use super::settle::{LoadKind, LoadOutcome};
use super::smart_cache::LookupOptions;
use super::{Foreground, Key, LoadError, SharedError, SmartCache};
use crate::chain::Chain;
use crate::clock::{Deadline, Tick};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

/// Runs a load that the caller leads; `None`: it still runs, and the caller's time is up.
pub(super) type Lead<'a, K, V, E> = dyn FnMut(LoadGuard<K, V, E>) -> Option<FlightResult<V, E>> + 'a;

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The value of a key if it is fresh: one lock, no allocation.
    #[inline]
    pub(crate) fn fresh(&self, key: &K) -> Option<Cached<V>> {
        self.core().fresh(self.core().hash(key), key)
    }

    /// Ends the holds of failed loads: the source has recovered. A number is raised, nothing is walked.
    pub(crate) fn end_failure_holds(&self) {
        self.core().recoveries.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn mode(&self, options: LookupOptions) -> LookupMode {
        let mode = LookupMode::load(options.max_age, self.core().epoch());
        if options.no_load {
            return LookupMode { can_load: false, can_refresh: false, takes_stale: true, ..mode };
        }
        LookupMode {
            skips_stored: options.refresh,
            ignores_failures: options.ignores_failures || options.refresh,
            is_late: self.is_late(options.deadline),
            ..mode
        }
    }

    fn is_late(&self, deadline: Deadline) -> bool {
        deadline != Deadline::never() && deadline.has_passed(self.core().clock.now())
    }

    /// Every lookup with a loader of its own comes through here.
    #[inline]
    pub(crate) fn lookup(
        &self,
        key: &K,
        options: LookupOptions,
        loader: impl Loader<K, V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        self.core().check_key(key)?;
        let hash = self.core().hash(key);
        let mode = self.mode(options);
        match self.core().lookup(hash, key, mode) {
            Lookup::Hit(cached) => Ok(cached),
            Lookup::Refresh(cached, flight) => Ok(self.core().refresh_later(hash, key, cached, flight, loader)),
            lookup => self.load_by_loader(hash, key, mode, options.deadline, lookup, loader),
        }
    }

    #[cold]
    fn load_by_loader(
        &self,
        hash: u64,
        key: &K,
        mode: LookupMode,
        deadline: Deadline,
        lookup: Lookup<V, E>,
        loader: impl Loader<K, V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        let core = self.core();
        if core.config.foreground == Foreground::Caller || !core.config.is_smart() || core.loads.is_worker() {
            return self.answer(hash, key, mode, deadline, lookup, &mut |guard| {
                let loaded = guard.load(&loader);
                Some(guard.finish(loaded))
            });
        }
        let loader = Arc::new(loader);
        self.answer(hash, key, mode, deadline, lookup, &mut |guard| self.lead_on_pool(guard, &loader, deadline))
    }

    /// Finds the answer to a lookup that has to wait for one.
    #[cold]
    pub(super) fn answer(
        &self,
        hash: u64,
        key: &K,
        mode: LookupMode,
        deadline: Deadline,
        mut lookup: Lookup<V, E>,
        lead: &mut Lead<'_, K, V, E>,
    ) -> Result<Cached<V>, LoadError<E>> {
        let asked = self.core().clock.now();
        loop {
            let (flight, is_joined) = match lookup {
                Lookup::Lead(flight) => (flight, false),
                Lookup::Join(flight) => (Some(flight), true),
                // A second look may find what another thread has just published.
                Lookup::Hit(cached) | Lookup::Refresh(cached, _) => return Ok(cached),
                Lookup::Refused(error) => return Err(error),
                Lookup::Absent => return Err(LoadError::NotCached),
            };
            let ended = if is_joined {
                self.join(hash, key, flight.as_ref(), deadline, lead)?
            } else {
                self.lead(hash, key, flight.clone(), lead)
            };
            let now = self.core().clock.now();
            let error = match ended {
                WaitEnd::Ran(outcome) => match answer(outcome, now, || self.core().hold_remaining(hash, key)) {
                    // A load that had begun before this caller asked; one that began later is as young as can be.
                    Some(Ok(cached))
                        if cached.started() < asked && mode.max_age.is_some_and(|max| cached.age() > max) =>
                    {
                        None
                    }
                    Some(Ok(cached)) => return Ok(cached),
                    Some(Err(error)) => Some(error),
                    None => None,
                },
                WaitEnd::TimedOut => Some(LoadError::WaitTimeout),
                WaitEnd::LookAgain => None,
            };
            let Some(error) = error else {
                let mode = LookupMode { can_refresh: false, is_again: true, is_late: self.is_late(deadline), ..mode };
                lookup = self.core().lookup(hash, key, mode);
                continue;
            };
            if mode.skips_stored || matches!(error, LoadError::Missing { .. } | LoadError::Reentrant) {
                return Err(error);
            }
            let old = self.core().stale_on_error(hash, key, mode.max_age);
            if let (Some(_), Some(flight), LoadError::WaitTimeout) = (&old, &flight, &error) {
                // Others with an old value at hand need not wait for it too.
                flight.mark_slow();
            }
            return old.ok_or(error);
        }
    }

    fn lead(
        &self,
        hash: u64,
        key: &K,
        flight: Option<Arc<Flight<V, E>>>,
        lead: &mut Lead<'_, K, V, E>,
    ) -> WaitEnd<V, E> {
        let guard = LoadGuard::new(self.core(), hash, key, flight, LoadKind::Foreground);
        lead(guard).map_or(WaitEnd::TimedOut, WaitEnd::Ran)
    }

    fn join(
        &self,
        hash: u64,
        key: &K,
        flight: Option<&Arc<Flight<V, E>>>,
        deadline: Deadline,
        lead: &mut Lead<'_, K, V, E>,
    ) -> Result<WaitEnd<V, E>, LoadError<E>> {
        let Some(flight) = flight else { return Ok(WaitEnd::LookAgain) };
        Ok(match self.wait(flight, deadline)? {
            JoinResult::Done(outcome) => WaitEnd::Ran(outcome),
            JoinResult::TakenOver => self.lead(hash, key, Some(Arc::clone(flight)), lead),
            JoinResult::Reentrant => return Err(LoadError::Reentrant),
            JoinResult::TimedOut => WaitEnd::TimedOut,
            JoinResult::LookAgain => WaitEnd::LookAgain,
        })
    }

    /// Waits for the load of another, one of the bounded number who may.
    pub(super) fn wait(&self, flight: &Flight<V, E>, deadline: Deadline) -> Result<JoinResult<V, E>, LoadError<E>> {
        let limit = self.core().config.max_waiters;
        let waiting = &self.core().waiters;
        if waiting.fetch_add(1, Ordering::Relaxed) >= limit {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(LoadError::TooManyWaiters { limit });
        }
        let joined = flight.join(&self.core().clock, deadline, self.core().config.load_timeout);
        waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(joined)
    }

    /// Runs a load on a thread of the cache, and waits for it until the deadline.
    fn lead_on_pool(
        &self,
        guard: LoadGuard<K, V, E>,
        loader: &Arc<impl Loader<K, V, E>>,
        deadline: Deadline,
    ) -> Option<FlightResult<V, E>> {
        let (core, loader, chain) = (Arc::clone(self.core()), Arc::clone(loader), Chain::current());
        let flight = guard.flight().cloned()?;
        let own_error = Arc::new(Mutex::new(None));
        let told = Arc::clone(&own_error);
        let job = move || {
            let _in_chain = chain.enter();
            let until = core.clock.now().after(core.config.load_timeout);
            core.shards.upkeep.note(until);
            let _lease = core.loads.lease(until);
            match catch_unwind(AssertUnwindSafe(|| guard.load(&*loader))) {
                // A panic while it is booked settles the guard on its way out.
                Ok(loaded) => drop(catch_unwind(AssertUnwindSafe(|| guard.finish_telling(loaded, &told)))),
                Err(_panic) => drop(guard.settle(LoadOutcome::Panicked { is_held: false })),
            }
        };
        if let Err((_refusal, job)) = self.core().loads.submit(Box::new(job)) {
            job();
        }
        let core = self.core();
        if let JoinResult::Done(outcome) = flight.join(&core.clock, deadline, core.config.load_timeout) {
            // An error that is this caller's own: others who waited ask again, and this caller has it.
            let own = if matches!(outcome, FlightResult::Dropped) { own_error.lock().take() } else { None };
            return Some(own.map_or(outcome, FlightResult::Failed));
        }
        core.give_up_hung(core.clock.now());
        None
    }
}

/// How a load that was waited for ended, for who waited.
enum WaitEnd<V, E> {
    Ran(FlightResult<V, E>),
    TimedOut,
    /// It does not matter any more; the caller looks once more.
    LookAgain,
}

/// The answer that a flight's outcome is to its waiters; `None` asks again.
pub(super) fn answer<V, E>(
    outcome: FlightResult<V, E>,
    now: Tick,
    retry_after: impl FnOnce() -> Duration,
) -> Option<Result<Cached<V>, LoadError<E>>> {
    Some(match outcome {
        FlightResult::Value(entry) => Ok(Cached::new(entry, super::CacheStatus::Loaded, now)),
        FlightResult::Failed(error) => Err(LoadError::Failed { error: SharedError(error), retry_after: retry_after() }),
        FlightResult::Missing => {
            Err(LoadError::Missing { age: Duration::ZERO, retry_after: retry_after(), is_new: true })
        }
        FlightResult::Panicked => Err(LoadError::LoaderPanicked { retry_after: retry_after() }),
        FlightResult::Dropped => return None,
    })
}
