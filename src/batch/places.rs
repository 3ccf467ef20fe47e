//! Places at sources, pure: calls under way, hung ones, and who waits for a place.

use std::collections::{BTreeMap, HashMap};

use ahash::AHashMap;

use super::orders::{CallId, JobId};
use crate::name::Name;

/// Places at each source that is in use; one that is not takes no memory.
pub(super) struct Places {
    per_source: usize,
    exceptions: HashMap<String, usize>,
    sources: AHashMap<Name, Source>,
    /// Calls that were given up on, until they end.
    hung: AHashMap<CallId, Name>,
}

#[derive(Default)]
struct Source {
    /// Calls under way, the hung ones included.
    running: usize,
    hung: usize,
    /// Jobs whose lanes wait for a place, by the number they got then.
    parked: BTreeMap<u64, JobId>,
}

impl Places {
    pub(super) fn new(per_source: usize, exceptions: HashMap<String, usize>) -> Self {
        Self { per_source, exceptions, sources: AHashMap::new(), hung: AHashMap::new() }
    }

    fn limit(&self, source: &Name) -> usize {
        if self.exceptions.is_empty() {
            return self.per_source;
        }
        self.exceptions.get(source.as_str()).copied().unwrap_or(self.per_source)
    }

    pub(super) fn is_free(&self, source: &Name) -> bool {
        self.sources.get(source).is_none_or(|places| places.running < self.limit(source))
    }

    /// Takes a place for one call.
    pub(super) fn try_take(&mut self, source: &Name) -> bool {
        let limit = self.limit(source);
        let places = self.sources.entry(source.clone()).or_default();
        let is_free = places.running < limit;
        places.running += usize::from(is_free);
        is_free
    }

    pub(super) fn release(&mut self, source: &Name, was_hung: bool) {
        if let Some(places) = self.sources.get_mut(source) {
            places.running = places.running.saturating_sub(1);
            places.hung = places.hung.saturating_sub(usize::from(was_hung));
            self.forget_unused(source);
        }
    }

    /// A call was given up on; it holds its place until it ends.
    pub(super) fn hang(&mut self, call: CallId, source: Name) {
        if let Some(places) = self.sources.get_mut(&source) {
            places.hung += 1;
        }
        self.hung.insert(call, source);
    }

    /// Jobs that wait for a place at the source.
    pub(super) fn parked(&self, source: &Name) -> Vec<JobId> {
        self.sources.get(source).map(|places| places.parked.values().copied().collect()).unwrap_or_default()
    }

    /// A call that was given up on has ended; where.
    pub(super) fn end_late(&mut self, call: CallId) -> Option<Name> {
        self.hung.remove(&call)
    }

    /// Calls that hang at the source, if they hold every place there.
    pub(super) fn saturated(&self, source: &Name) -> Option<usize> {
        let hung = self.sources.get(source)?.hung;
        (hung >= self.limit(source)).then_some(hung)
    }

    pub(super) fn park(&mut self, source: &Name, number: u64, job: JobId) {
        self.sources.entry(source.clone()).or_default().parked.insert(number, job);
    }

    pub(super) fn unpark(&mut self, source: &Name, number: u64) {
        if let Some(places) = self.sources.get_mut(source) {
            places.parked.remove(&number);
            self.forget_unused(source);
        }
    }

    /// Takes the first who waits for a place out of the line, if one is free.
    pub(super) fn next_parked(&mut self, source: &Name) -> Option<JobId> {
        if !self.is_free(source) {
            return None;
        }
        let (_, job) = self.sources.get_mut(source)?.parked.pop_first()?;
        self.forget_unused(source);
        Some(job)
    }

    fn forget_unused(&mut self, source: &Name) {
        if self.sources.get(source).is_some_and(|places| places.running == 0 && places.parked.is_empty()) {
            self.sources.remove(source);
        }
    }
}
