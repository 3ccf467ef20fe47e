//! Background refreshes: a flight that waits in the pool's queue until a worker, or a foreground
//! caller in need of the value, starts it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::core::Core;
use super::entry::Cached;
use super::flight::{Flight, FlightResult};
use super::load_guard::{LoadGuard, Loader};
use super::settle::{Ended, LoadKind, LoadOutcome};
use super::stats::{RefreshFailure, RefreshFailureKind};
use super::{CacheStatus, Key};
use crate::pool::{Job, SubmitError};

/// Names a key in logs without showing it.
#[derive(Clone, Copy)]
pub(super) struct KeyHash(pub(super) u64);

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A queued refresh. Dropped unrun (queue full, shutdown) it takes its flight off the table.
pub(super) struct Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) core: Arc<Core<K, V, E>>,
    pub(super) hash: u64,
    pub(super) key: K,
    pub(super) flight: Arc<Flight<V, E>>,
}

impl<K, V, E> Drop for Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        // `start` decides against a foreground caller that takes the flight over at this moment.
        if self.start() {
            let started = self.core.clock.now();
            let Self { core, hash, key, flight } = self;
            let ended = Ended { hash: *hash, key, flight: Some(&*flight), started, kind: LoadKind::Unrun };
            flight.finish(core.settle(&ended, LoadOutcome::Dropped).outcome);
        }
    }
}

impl<K, V, E> Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Hands a queued flight to the pool, and logs a stale value once; returns the value with the status that
    /// is true then.
    #[cold]
    pub(super) fn refresh_later(
        self: &Arc<Self>,
        hash: u64,
        key: &K,
        cached: Cached<V>,
        flight: Arc<Flight<V, E>>,
        loader: impl Loader<K, V, E>,
    ) -> Cached<V> {
        let refresh = Refresh { core: Arc::clone(self), hash, key: key.clone(), flight };
        let is_queued = self.queue_refresh(refresh, loader);
        let cached = if is_queued { cached } else { self.not_refreshing(hash, cached) };
        // After the refresh is in the pool's hands: a logger may panic, or use the cache.
        self.warn_of_stale(hash, &cached);
        cached
    }

    /// `false` if the pool takes none.
    pub(super) fn queue_refresh(&self, refresh: Refresh<K, V, E>, loader: impl Loader<K, V, E>) -> bool {
        let hash = refresh.hash;
        let job = Box::new(move || {
            if refresh.start() {
                refresh.run(&loader);
            }
        });
        self.submit(job).map_err(|refusal| self.refresh_dropped(hash, refusal)).is_ok()
    }

    /// The job is dropped if the pool does not take it, which ends its flights.
    pub(super) fn submit(&self, job: Job) -> Result<(), SubmitError> {
        self.pool.submit(job).map_err(|(refusal, job)| {
            drop(job);
            refusal
        })
    }

    pub(super) fn refresh_dropped(&self, hash: u64, refusal: SubmitError) {
        self.shard(hash).lock().stats.refreshes_dropped += 1;
        tracing::debug!(cache = %self.name, ?refusal, "refresh dropped");
    }

    /// Nothing is on its way: what was counted as such is not.
    pub(super) fn not_refreshing(&self, hash: u64, cached: Cached<V>) -> Cached<V> {
        if cached.status() != CacheStatus::Refreshing {
            return cached;
        }
        let mut shard = self.shard(hash).lock();
        shard.stats.refreshing -= 1;
        shard.stats.fresh += 1;
        drop(shard);
        cached.as_status(CacheStatus::Fresh)
    }

    pub(super) fn warn_of_stale(&self, hash: u64, cached: &Cached<V>) {
        if cached.status() == CacheStatus::Stale && cached.first_warning() {
            let (age, key_hash) = (cached.age(), KeyHash(hash));
            tracing::warn!(cache = %self.name, %key_hash, ?age, "serving a stale value while it is refreshed");
        }
    }

    /// Notes, tells and logs a refresh that gave no value.
    pub(super) fn refresh_failed(&self, hash: u64, key: &K, kind: RefreshFailureKind, error: Option<&Arc<E>>) {
        let failure = RefreshFailure { kind, key_hash: hash, at: self.clock.wall() };
        self.note_failure(failure, error.cloned());
        let key_hash = KeyHash(hash);
        if let Some(listener) = &self.host.on_refresh_failed {
            let told = catch_unwind(AssertUnwindSafe(|| listener(key, &failure, error.map(|error| &**error))));
            if told.is_err() {
                tracing::error!(cache = %self.name, %key_hash, "the listener of failed refreshes panicked");
            }
        }
        if kind == RefreshFailureKind::Panicked {
            tracing::error!(cache = %self.name, %key_hash, "a refresh panicked");
        } else {
            tracing::info!(cache = %self.name, %key_hash, "background refresh failed");
        }
    }
}

impl<K, V, E> Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Whether the calling thread is the one to run it.
    pub(super) fn start(&self) -> bool {
        self.flight.start(self.core.clock.now(), self.core.config.load_timeout)
    }

    /// The duty to end its flight, once it has been started.
    pub(super) fn guard(&self) -> LoadGuard<K, V, E> {
        let flight = Some(Arc::clone(&self.flight));
        LoadGuard::new(&self.core, self.hash, &self.key, flight, LoadKind::Background)
    }

    fn run(&self, loader: &impl Loader<K, V, E>) {
        let core = &self.core;
        let began = core.clock.now();
        let until = began.after(core.config.load_timeout);
        core.shards.upkeep.note(until);
        let _lease = core.pool.lease(until);
        let guard = self.guard();
        let loaded = catch_unwind(AssertUnwindSafe(|| guard.load(loader)));
        core.metrics.refresh_time.observe(core.clock.now().since(began));
        let Ok(result) = loaded else {
            guard.panicked();
            return core.refresh_failed(self.hash, &self.key, RefreshFailureKind::Panicked, None);
        };
        // Weigher, tags and `hold_if` may panic too; the guard settles on its way out then.
        match catch_unwind(AssertUnwindSafe(|| guard.finish(result))) {
            Ok(FlightResult::Failed(error)) => {
                core.refresh_failed(self.hash, &self.key, RefreshFailureKind::Failed, Some(&error));
            }
            Ok(_) => {}
            Err(_panic) => core.refresh_failed(self.hash, &self.key, RefreshFailureKind::Panicked, None),
        }
    }
}
