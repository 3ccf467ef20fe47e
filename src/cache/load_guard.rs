//! The duty to end a flight: whoever runs a load holds a `LoadGuard`, and every way out of it, return,
//! `?` or panic, books the load and wakes who waits.

use std::sync::Arc;

use super::core::Core;
use super::flight::{Flight, FlightResult};
use super::settle::{Ended, LoadKind, LoadOutcome, Settled};
use super::{Key, Loaded};
use crate::chain;
use crate::clock::Tick;
use crate::sync::Mutex;

pub(super) struct LoadGuard<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    core: Arc<Core<K, V, E>>,
    key: K,
    hash: u64,
    /// `None` in the old modes: nobody waits, and nothing fences.
    flight: Option<Arc<Flight<V, E>>>,
    started: Tick,
    kind: LoadKind,
    is_settled: bool,
}

impl<K, V, E> LoadGuard<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// For a flight that the calling thread has started, or that a worker is about to run.
    pub(super) fn new(
        core: &Arc<Core<K, V, E>>,
        hash: u64,
        key: &K,
        flight: Option<Arc<Flight<V, E>>>,
        kind: LoadKind,
    ) -> Self {
        let started = core.clock.now();
        Self { core: Arc::clone(core), key: key.clone(), hash, flight, started, kind, is_settled: false }
    }

    /// Runs the loader as part of this load.
    pub(super) fn load(&self, loader: &impl Loader<K, V, E>) -> Result<Loaded<V>, E> {
        self.run(|| loader(&self.key, &LoadContext(self)))
    }

    /// Runs code of the host as part of this load.
    pub(super) fn run<R>(&self, run: impl FnOnce() -> R) -> R {
        let _in_chain = chain::enter(self.id());
        run()
    }

    /// What names its flight in the chain of loads.
    pub(super) fn id(&self) -> Option<usize> {
        self.flight.as_ref().map(|flight| flight.id())
    }

    pub(super) const fn flight(&self) -> Option<&Arc<Flight<V, E>>> {
        self.flight.as_ref()
    }

    pub(super) const fn key(&self) -> &K {
        &self.key
    }

    /// Books the loader's answer.
    pub(super) fn finish(self, result: Result<Loaded<V>, E>) -> FlightResult<V, E> {
        self.finish_shared(result.map_err(Arc::new))
    }

    /// As [`finish`](Self::finish), with an error that other loads had too.
    pub(super) fn finish_shared(self, result: Result<Loaded<V>, Arc<E>>) -> FlightResult<V, E> {
        match result {
            Ok(loaded) => self.settle(LoadOutcome::Loaded(loaded)).outcome,
            Err(error) if self.core.host.is_about_source(&error) => self.settle(LoadOutcome::Failed(error)).outcome,
            Err(error) => {
                // It is this caller's own; who waits asks again.
                drop(self.settle(LoadOutcome::Dropped));
                FlightResult::Failed(error)
            }
        }
    }

    /// As [`finish`](Self::finish), for a caller on another thread: an error that is its own is laid down for it
    /// before anybody wakes.
    pub(super) fn finish_telling(self, result: Result<Loaded<V>, E>, own: &Mutex<Option<Arc<E>>>) {
        match result.map_err(Arc::new) {
            Err(error) if !self.core.host.is_about_source(&error) => {
                *own.lock() = Some(error);
                drop(self.settle(LoadOutcome::Dropped));
            }
            Err(error) => drop(self.settle(LoadOutcome::Failed(error))),
            Ok(loaded) => drop(self.settle(LoadOutcome::Loaded(loaded))),
        }
    }

    /// Books that the loader panicked where no caller sees it.
    pub(super) fn panicked(self) {
        drop(self.settle(LoadOutcome::Panicked { is_held: true }));
    }

    pub(super) fn settle(mut self, answer: LoadOutcome<V, E>) -> Settled<V, E> {
        // Not before it returns: a weigher that panics inside must still end the flight.
        let settled = self.core.settle(&self.ended(), answer);
        self.is_settled = true;
        self.release(&settled);
        settled
    }

    fn ended(&self) -> Ended<'_, K, V, E> {
        let Self { hash, key, flight, started, kind, .. } = self;
        Ended { hash: *hash, key, flight: flight.as_ref(), started: *started, kind: *kind }
    }

    fn release(&self, settled: &Settled<V, E>) {
        let Some(flight) = &self.flight else { return };
        // A change says nothing about the source: who waited for it asks again, unless it has made a value.
        let is_told =
            self.kind != LoadKind::Update || (settled.owned && matches!(settled.outcome, FlightResult::Value(_)));
        flight.finish(if is_told { settled.outcome.clone() } else { FlightResult::Dropped });
    }
}

impl<K, V, E> Drop for LoadGuard<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.is_settled {
            let is_held = self.kind == LoadKind::Background;
            let answer =
                if std::thread::panicking() { LoadOutcome::Panicked { is_held } } else { LoadOutcome::Dropped };
            let settled = self.core.settle(&self.ended(), answer);
            self.release(&settled);
        }
    }
}

/// What a load is told beside its key.
pub(crate) struct LoadContext<'a, K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static>(&'a LoadGuard<K, V, E>);

impl<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static> LoadContext<'_, K, V, E> {
    /// Whether nobody waits for it.
    pub(crate) fn is_background(&self) -> bool {
        self.0.kind == LoadKind::Background
    }

    /// The right to publish an answer that comes after the load has been given up; none in the old modes.
    pub(crate) fn late_ticket(&self) -> Option<LateTicket<K, V, E>> {
        let LoadGuard { core, key, hash, flight, started, .. } = self.0;
        let flight = Arc::clone(flight.as_ref()?);
        Some(LateTicket { core: Arc::clone(core), hash: *hash, key: key.clone(), flight, started: *started })
    }
}

/// The right to publish an answer that comes after its load has been given up: it holds as long as
/// nobody has written, invalidated or loaded the key since.
pub(crate) struct LateTicket<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static> {
    core: Arc<Core<K, V, E>>,
    hash: u64,
    key: K,
    flight: Arc<Flight<V, E>>,
    started: Tick,
}

impl<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static> Clone for LateTicket<K, V, E> {
    fn clone(&self) -> Self {
        let (core, key, flight) = (Arc::clone(&self.core), self.key.clone(), Arc::clone(&self.flight));
        Self { core, hash: self.hash, key, flight, started: self.started }
    }
}

impl<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static> LateTicket<K, V, E> {
    /// Publishes, if the ticket still holds.
    pub(crate) fn offer(&self, loaded: Loaded<V>) -> bool {
        self.core.settle_late(self.hash, &self.key, &self.flight, self.started, loaded)
    }
}

/// What every load runs, foreground, refresh or warm-up: one way, told which it is.
pub(crate) trait Loader<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static>:
    Fn(&K, &LoadContext<'_, K, V, E>) -> Result<Loaded<V>, E> + Send + Sync + 'static
{
}

impl<K: Key, V: Send + Sync + 'static, E: Send + Sync + 'static, F> Loader<K, V, E> for F where
    F: Fn(&K, &LoadContext<'_, K, V, E>) -> Result<Loaded<V>, E> + Send + Sync + 'static
{
}
