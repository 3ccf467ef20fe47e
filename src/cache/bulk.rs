//! Many keys at once: one call of the bulk loader for all that nobody else is loading.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::flight::{Flight, FlightResult, JoinResult};
use super::lead::answer;
use super::load::BulkLoader;
use super::load_guard::LoadGuard;
use super::lookup::{Lookup, LookupMode};
use super::refresh::Refresh;
use super::settle::LoadKind;
use super::smart_cache::LookupOptions;
use super::stats::RefreshFailureKind;
use super::{Cached, Key, KeyTooLong, LoadError, Loaded, SmartCache};
use crate::chain;
use crate::clock::Deadline;

type BulkLoad<'a, K, V, E> = dyn FnMut(&[K]) -> Result<HashMap<K, Loaded<V>>, E> + 'a;
type LookupResult<V, E> = Result<Cached<V>, LoadError<E>>;

/// One pass over the keys that have no answer yet.
struct Round<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Loads of this call, by place.
    own: Vec<(usize, LoadGuard<K, V, E>)>,
    /// Loads of others to wait for.
    others: Vec<(usize, Arc<Flight<V, E>>)>,
    /// Values that are due, to be refreshed by one call in the background.
    due: Vec<(usize, Refresh<K, V, E>)>,
    /// Keys to look at once more.
    again: Vec<usize>,
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The values of many keys, in their order. The loader is called on this thread with the keys that are not
    /// there and that nobody else is loading; a key it leaves out counts as missing. Values that are due or
    /// stale are returned at once and refreshed by one call in the background. All the rules of
    /// [`get_or_load_by`](Self::get_or_load_by) hold for each key.
    ///
    /// A failed bulk load is the error of each of its keys that has no old value. The loader is called again only
    /// for keys whose load by another caller came to nothing.
    ///
    /// # Panics
    /// A panic of the loader on this thread propagates.
    pub fn get_many(
        &self,
        keys: &[K],
        deadline: Deadline,
        loader: impl Fn(&[K]) -> Result<HashMap<K, V>, E> + Send + Sync + 'static,
    ) -> Vec<Result<Cached<V>, LoadError<E>>> {
        let loader = move |keys: &[K]| {
            let values = loader(keys)?;
            Ok(values.into_iter().map(|(key, value)| (key, Loaded::Value(value))).collect())
        };
        let loader: BulkLoader<K, V, E> = Arc::new(loader);
        self.look_up_many(keys, deadline, &mut |keys| loader(keys), Some(&loader))
    }

    /// As [`get_many`](Self::get_many), with a loader that may borrow what the caller has: values that are due
    /// are not refreshed, and those past their time to live are served only if the load fails.
    ///
    /// # Panics
    /// As [`get_many`](Self::get_many).
    pub fn get_many_with(
        &self,
        keys: &[K],
        deadline: Deadline,
        mut loader: impl FnMut(&[K]) -> Result<HashMap<K, V>, E>,
    ) -> Vec<Result<Cached<V>, LoadError<E>>> {
        let mut load = |keys: &[K]| {
            let values = loader(keys)?;
            Ok(values.into_iter().map(|(key, value)| (key, Loaded::Value(value))).collect())
        };
        self.look_up_many(keys, deadline, &mut load, None)
    }

    /// The values of many keys, by the cache's own bulk loader; without one, each by its own loader.
    ///
    /// # Panics
    /// As [`get_many`](Self::get_many).
    pub fn load_many(&self, keys: &[K], deadline: Deadline) -> Vec<Result<Cached<V>, LoadError<E>>> {
        match &self.core().host.bulk_loader {
            Some(loader) => self.look_up_many(keys, deadline, &mut |keys| loader(keys), Some(loader)),
            None => keys.iter().map(|key| self.load_by(key, deadline, None)).collect(),
        }
    }

    /// `shared` is the same loader, if it may be taken along by a refresh.
    fn look_up_many(
        &self,
        keys: &[K],
        deadline: Deadline,
        load: &mut BulkLoad<'_, K, V, E>,
        shared: Option<&BulkLoader<K, V, E>>,
    ) -> Vec<LookupResult<V, E>> {
        let options = LookupOptions { deadline, ..LookupOptions::default() };
        let mode = LookupMode { can_refresh: shared.is_some(), ..self.mode(options) };
        let mut answers: Vec<LookupResult<V, E>> = Vec::with_capacity(keys.len());
        let mut round = Round { own: Vec::new(), others: Vec::new(), due: Vec::new(), again: Vec::new() };
        for (at, key) in keys.iter().enumerate() {
            answers.push(match self.look_up_one(key, mode) {
                Ok((_, Lookup::Hit(cached))) => Ok(cached),
                // In the place of one that is still to come stands what it is if it never comes.
                found => self.sort((at, key), mode.is_late, found, &mut round).unwrap_or(Err(LoadError::WaitTimeout)),
            });
        }
        loop {
            if let Some(loader) = shared {
                self.refresh_many(std::mem::take(&mut round.due), &mut answers, loader);
            }
            // Own loads end before others are waited for: two callers can never wait for each other.
            for (at, outcome) in load_all(std::mem::take(&mut round.own), load) {
                let answer = self.answer_for(&keys[at], outcome);
                put(&mut answers, &mut round.again, at, answer);
            }
            for (at, flight) in std::mem::take(&mut round.others) {
                let answer = self.wait_for(&keys[at], &flight, deadline, load);
                put(&mut answers, &mut round.again, at, answer);
            }
            let again = std::mem::take(&mut round.again);
            if again.is_empty() {
                break;
            }
            let mode = LookupMode { can_refresh: false, is_again: true, ..self.mode(options) };
            for at in again {
                let found = self.look_up_one(&keys[at], mode);
                if let Some(answer) = self.sort((at, &keys[at]), mode.is_late, found, &mut round) {
                    answers[at] = answer;
                }
            }
        }
        answers
    }

    #[inline]
    fn look_up_one(&self, key: &K, mode: LookupMode) -> Result<(u64, Lookup<V, E>), KeyTooLong> {
        self.core().check_key(key)?;
        let hash = self.core().hash(key);
        Ok((hash, self.core().lookup(hash, key, mode)))
    }

    /// What a lookup has found: an answer, or something to be done in this round.
    #[cold]
    fn sort(
        &self,
        (at, key): (usize, &K),
        is_late: bool,
        found: Result<(u64, Lookup<V, E>), KeyTooLong>,
        round: &mut Round<K, V, E>,
    ) -> Option<LookupResult<V, E>> {
        let core = self.core();
        let (hash, lookup) = match found {
            Ok(found) => found,
            Err(error) => return Some(Err(error.into())),
        };
        let own = |flight| LoadGuard::new(core, hash, key, flight, LoadKind::Foreground);
        match lookup {
            Lookup::Hit(cached) => return Some(Ok(cached)),
            Lookup::Refused(error) => return Some(Err(error)),
            Lookup::Absent => return Some(Err(LoadError::NotCached)),
            Lookup::Refresh(cached, flight) => {
                round.due.push((at, Refresh { core: Arc::clone(core), hash, key: key.clone(), flight }));
                return Some(Ok(cached));
            }
            // The old modes know no flights: a key that stands in the list twice is looked at again later.
            Lookup::Lead(None) if round.own.iter().any(|(_, guard)| guard.key() == key) => round.again.push(at),
            Lookup::Lead(flight) => round.own.push((at, own(flight))),
            // A refresh nobody has started: this call does it.
            Lookup::Join(flight) if !is_late && flight.start(core.clock.now(), core.config.load_timeout) => {
                round.own.push((at, own(Some(flight))));
            }
            Lookup::Join(flight) => round.others.push((at, flight)),
        }
        None
    }

    /// Hands the refreshes to the pool as one job, and corrects what is told of them if it takes none.
    fn refresh_many(
        &self,
        due: Vec<(usize, Refresh<K, V, E>)>,
        answers: &mut [LookupResult<V, E>],
        loader: &BulkLoader<K, V, E>,
    ) {
        if due.is_empty() {
            return;
        }
        let core = self.core();
        let (places, refreshes): (Vec<_>, Vec<_>) =
            due.into_iter().map(|(at, refresh)| ((at, refresh.hash), refresh)).unzip();
        let (inside, loader) = (Arc::clone(core), Arc::clone(loader));
        let job = move || {
            let started: Vec<_> = refreshes.iter().filter(|refresh| refresh.start()).collect();
            let until = inside.clock.now().after(inside.config.load_timeout);
            inside.shards.upkeep.note(until);
            let _lease = inside.pool.lease(until);
            let own: Vec<_> = started.iter().enumerate().map(|(at, refresh)| (at, refresh.guard())).collect();
            let outcomes = catch_unwind(AssertUnwindSafe(|| load_all(own, &mut |keys| loader(keys))));
            let failed = |at: usize, kind, error: Option<&Arc<E>>| {
                let refresh = started[at];
                inside.refresh_failed(refresh.hash, &refresh.key, kind, error);
            };
            match outcomes {
                Ok(outcomes) => outcomes.into_iter().for_each(|(at, outcome)| {
                    if let FlightResult::Failed(error) = outcome {
                        failed(at, RefreshFailureKind::Failed, Some(&error));
                    }
                }),
                Err(_panic) => (0..started.len()).for_each(|at| failed(at, RefreshFailureKind::Panicked, None)),
            }
        };
        let refused = core.submit(Box::new(job)).err();
        for (at, hash) in places {
            let Some(Ok(cached)) = answers.get_mut(at) else { continue };
            if let Some(refusal) = refused {
                core.refresh_dropped(hash, refusal);
                *cached = core.not_refreshing(hash, cached.clone());
            }
            core.warn_of_stale(hash, cached);
        }
    }

    /// `None` asks again.
    fn wait_for(
        &self,
        key: &K,
        flight: &Arc<Flight<V, E>>,
        deadline: Deadline,
        load: &mut BulkLoad<'_, K, V, E>,
    ) -> Option<LookupResult<V, E>> {
        let outcome = match self.wait(flight, deadline) {
            Ok(JoinResult::Done(outcome)) => outcome,
            // Called by the loader of that very key.
            Ok(JoinResult::Reentrant) => return Some(Err(LoadError::Reentrant)),
            Ok(JoinResult::LookAgain) => return None,
            Ok(JoinResult::TimedOut) => {
                let old = self.core().stale_on_error(self.core().hash(key), key, None);
                if old.is_some() {
                    flight.mark_slow();
                }
                return Some(old.ok_or(LoadError::WaitTimeout));
            }
            Ok(JoinResult::TakenOver) => {
                let hash = self.core().hash(key);
                let guard = LoadGuard::new(self.core(), hash, key, Some(Arc::clone(flight)), LoadKind::Foreground);
                load_all(vec![(0, guard)], load).pop()?.1
            }
            Err(error) => return Some(Err(error)),
        };
        self.answer_for(key, outcome)
    }

    fn answer_for(&self, key: &K, outcome: FlightResult<V, E>) -> Option<LookupResult<V, E>> {
        let core = self.core();
        let hash = core.hash(key);
        Some(match answer(outcome, core.clock.now(), || core.hold_remaining(hash, key))? {
            Err(error @ (LoadError::Failed { .. } | LoadError::LoaderPanicked { .. })) => {
                core.stale_on_error(hash, key, None).ok_or(error)
            }
            other => other,
        })
    }
}

fn put<V, E>(
    answers: &mut [LookupResult<V, E>],
    again: &mut Vec<usize>,
    at: usize,
    answer: Option<LookupResult<V, E>>,
) {
    match answer {
        Some(answer) => answers[at] = answer,
        None => again.push(at),
    }
}

/// Runs all these loads by one call. A panic of the loader settles each of them on its way out.
fn load_all<K, V, E>(
    own: Vec<(usize, LoadGuard<K, V, E>)>,
    load: &mut BulkLoad<'_, K, V, E>,
) -> Vec<(usize, FlightResult<V, E>)>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    if own.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<K> = own.iter().map(|(_, guard)| guard.key().clone()).collect();
    let in_chain = chain::enter(own.iter().filter_map(|(_, guard)| guard.id()));
    let mut loaded = load(&wanted).map_err(Arc::new);
    drop(in_chain);
    own.into_iter()
        .map(|(at, guard)| {
            let result = match &mut loaded {
                Ok(values) => Ok(values.remove(guard.key()).unwrap_or(Loaded::Missing)),
                Err(error) => Err(Arc::clone(error)),
            };
            (at, guard.finish_shared(result))
        })
        .collect()
}
