//! Background refreshes: a flight that waits in the pool's queue until a worker, or a foreground
//! caller in need of the value, starts it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::core::{Core, LoadOutcome};
use super::entry::Cached;
use super::flight::Flight;
use super::load_guard::{LoadGuard, Loader};
use super::{CacheStatus, Key};

/// Names a key in logs without showing it.
#[derive(Clone, Copy)]
struct KeyHash(u64);

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A queued refresh. Dropped unrun (queue full, shutdown) it takes its flight off the table.
struct Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    core: Arc<Core<K, V, E>>,
    hash: u64,
    key: K,
    flight: Arc<Flight<V, E>>,
}

impl<K, V, E> Drop for Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        // `start` decides against a foreground caller that takes the flight over at this moment.
        if self.flight.start() {
            let now = self.core.clock.now();
            self.flight.finish(self.core.settle(
                self.hash,
                &self.key,
                Some(&self.flight),
                now,
                true,
                LoadOutcome::Dropped,
            ));
        }
    }
}

impl<K, V, E> Core<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Hands a queued flight to the pool, and logs a stale value once.
    #[cold]
    pub(super) fn refresh_later(
        self: &Arc<Self>,
        hash: u64,
        key: &K,
        cached: &Cached<V>,
        flight: Arc<Flight<V, E>>,
        loader: impl Loader<K, V, E>,
    ) {
        if cached.status() == CacheStatus::Stale && cached.first_warning() {
            let (age, key_hash) = (cached.age(), KeyHash(hash));
            tracing::warn!(cache = %self.name, %key_hash, ?age, "serving a stale value while it is refreshed");
        }
        let refresh = Refresh { core: Arc::clone(self), hash, key: key.clone(), flight };
        let job = Box::new(move || {
            if refresh.flight.start() {
                refresh.run(&loader);
            }
        });
        if let Err((refusal, job)) = self.pool.submit(job) {
            self.shard(hash).lock().stats.refreshes_dropped += 1;
            tracing::debug!(cache = %self.name, ?refusal, "refresh dropped");
            drop(job);
        }
    }
}

impl<K, V, E> Refresh<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn run(&self, loader: &impl Loader<K, V, E>) {
        let guard = LoadGuard::new(&self.core, self.hash, &self.key, Some(Arc::clone(&self.flight)), true);
        let loaded = catch_unwind(AssertUnwindSafe(|| guard.load(loader)));
        let key_hash = KeyHash(self.hash);
        match loaded {
            Ok(result) => {
                let has_failed = result.is_err();
                // The weigher may panic too; `guard` settles on its way out then.
                let finished = catch_unwind(AssertUnwindSafe(|| drop(guard.finish(result))));
                if has_failed {
                    tracing::info!(cache = %self.core.name, %key_hash, "background refresh failed");
                } else if finished.is_err() {
                    tracing::error!(cache = %self.core.name, %key_hash, "the weigher panicked");
                }
            }
            Err(_panic) => {
                guard.panicked();
                tracing::error!(cache = %self.core.name, %key_hash, "a refresh panicked");
            }
        }
    }
}
