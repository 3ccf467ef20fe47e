//! Many keys at once: one call of the bulk loader for all that nobody else is loading.

use std::collections::HashMap;
use std::sync::Arc;

use super::flight::{Flight, FlightResult, JoinResult};
use super::load_guard::LoadGuard;
use super::shard::{Lookup, LookupMode, answer};
use super::{Cached, Key, LoadError, Loaded, SmartCache};
use crate::chain;
use crate::clock::Deadline;

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The values of many keys, in their order. The loader is called at most once, on this thread,
    /// with the keys that are not there and that nobody else is loading; a key it leaves out counts
    /// as missing. Values within their time are returned as they are, without a refresh. A key that
    /// stands in the list twice is one lookup.
    ///
    /// A failed bulk load is the error of each of its keys. Loads of other callers are waited for no
    /// longer than until `deadline`.
    ///
    /// # Panics
    /// A panic of the loader propagates.
    pub fn get_many<L: Into<Loaded<V>>>(
        &self,
        keys: &[K],
        deadline: Deadline,
        loader: impl FnOnce(&[K]) -> Result<HashMap<K, L>, E>,
    ) -> Vec<Result<Cached<V>, LoadError<E>>> {
        let mut results: Vec<Option<Result<Cached<V>, LoadError<E>>>> = Vec::with_capacity(keys.len());
        let mut own: Vec<(usize, LoadGuard<K, V, E>)> = Vec::new();
        let mut others: Vec<(usize, Arc<Flight<V, E>>)> = Vec::new();
        let mut first: HashMap<&K, usize> = HashMap::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            if *first.entry(key).or_insert(index) != index {
                results.push(None);
                continue;
            }
            let hash = self.core().hash(key);
            let result = match self.core().check_key(key) {
                Err(error) => Some(Err(error.into())),
                Ok(()) => {
                    match self.core().lookup(
                        hash,
                        key,
                        LookupMode { can_refresh: false, ..LookupMode::load(None, self.core().epoch()) },
                    ) {
                        Lookup::Hit(cached) | Lookup::Refresh(cached, _) => Some(Ok(cached)),
                        Lookup::Refused(error) => Some(Err(error)),
                        Lookup::Absent => Some(Err(LoadError::WaitTimeout)),
                        Lookup::Lead(flight) => {
                            own.push((index, LoadGuard::new(self.core(), hash, key, flight, false)));
                            None
                        }
                        // A refresh nobody has started: this call does it.
                        Lookup::Join(flight) if flight.start() => {
                            own.push((index, LoadGuard::new(self.core(), hash, key, Some(flight), false)));
                            None
                        }
                        Lookup::Join(flight) => {
                            others.push((index, flight));
                            None
                        }
                    }
                }
            };
            results.push(result);
        }
        // Own loads end before others are waited for: two callers can never wait for each other.
        for (index, outcome) in load_all(own, loader) {
            let result = self.answer_for(&keys[index], outcome);
            results[index].get_or_insert(result);
        }
        for (index, flight) in others {
            let outcome = match self.wait(&flight, deadline) {
                Ok(JoinResult::Done(outcome)) => Ok(outcome),
                // Called by the loader of that very key.
                Ok(JoinResult::Reentrant) => Err(LoadError::Reentrant),
                Ok(JoinResult::TimedOut | JoinResult::TakenOver) => Err(LoadError::WaitTimeout),
                Err(error) => Err(error),
            };
            let result = outcome.and_then(|outcome| self.answer_for(&keys[index], outcome));
            results[index].get_or_insert(result);
        }
        let at = |key: &K| results[first[key]].clone().unwrap_or(Err(LoadError::WaitTimeout));
        keys.iter().map(at).collect()
    }

    fn answer_for(&self, key: &K, outcome: FlightResult<V, E>) -> Result<Cached<V>, LoadError<E>> {
        let hash = self.core().hash(key);
        let retry_after = || self.core().hold_remaining(hash, key);
        let answered = answer(outcome, self.core().clock.now(), retry_after).unwrap_or(Err(LoadError::WaitTimeout));
        match answered {
            Err(error @ (LoadError::Failed { .. } | LoadError::LoaderPanicked { .. })) => {
                self.core().stale_on_error(hash, key, None).ok_or(error)
            }
            other => other,
        }
    }
}

fn load_all<K, V, E, L>(
    own: Vec<(usize, LoadGuard<K, V, E>)>,
    loader: impl FnOnce(&[K]) -> Result<HashMap<K, L>, E>,
) -> Vec<(usize, FlightResult<V, E>)>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
    L: Into<Loaded<V>>,
{
    if own.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<K> = own.iter().map(|(_, guard)| guard.key().clone()).collect();
    let in_chain = chain::enter(own.iter().filter_map(|(_, guard)| guard.id()));
    let mut loaded = loader(&wanted).map_err(Arc::new);
    drop(in_chain);
    own.into_iter()
        .map(|(index, guard)| {
            let result = match &mut loaded {
                Ok(values) => Ok(values.remove(guard.key()).map_or(Loaded::Missing, Into::into)),
                Err(error) => Err(Arc::clone(error)),
            };
            (index, guard.finish_shared(result))
        })
        .collect()
}
