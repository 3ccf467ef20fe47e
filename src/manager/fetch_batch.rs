//! Many fetches at once: what is cached is answered here, repeats are one fetch, the rest runs on the batch
//! threads, in lanes by endpoint, so that those who wait for one endpoint's permits hold up nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use super::caller::FetchErrorOf;
use super::data_source_manager::DataSourceManager;
use super::fetch::fetch;
use super::fetched::Fetched;
use super::options::FetchOptions;
use super::source::Source;
use crate::batch::{BatchReport, CallScope, ItemError};
use crate::clock::Deadline;
use crate::name::Name;

/// Result of [`DataSourceManager::fetch_batch`].
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, FetchReport, source_fn};
/// # use feedguard::{DataSourceManager, Deadline, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Source};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let endpoint = EndpointConfig::new(EndpointSpec::named("sina")).limiter(LimiterConfig::default().burst(10));
/// # let manager = DataSourceManager::new("quotes", ManagerConfig::default().endpoints(vec![endpoint]), source)?;
/// fn fetch_all<S: Source>(manager: &DataSourceManager<S>, requests: Vec<S::Request>) -> FetchReport<S> {
///     manager.fetch_batch(requests, Deadline::never())
/// }
/// assert_eq!(fetch_all(&manager, (0..10).collect()).failed(), 0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub type FetchReport<S> = BatchReport<Fetched<<S as Source>::Response>, FetchErrorOf<S>>;

type Slot<S> = Option<Result<Fetched<<S as Source>::Response>, ItemError<FetchErrorOf<S>>>>;

impl<S: Source> DataSourceManager<S> {
    /// Fetches many answers at once on the batch threads; one result a request, in their order. Requests
    /// that are equal are one fetch.
    pub fn fetch_batch(&self, requests: Vec<S::Request>, deadline: Deadline) -> FetchReport<S> {
        self.fetch_batch_with_progress(requests, deadline, |_done, _total| {})
    }

    /// As [`fetch_batch`](Self::fetch_batch); `progress` is called on this thread with the number of
    /// requests done and their total.
    pub fn fetch_batch_with_progress(
        &self,
        requests: Vec<S::Request>,
        deadline: Deadline,
        mut progress: impl FnMut(usize, usize),
    ) -> FetchReport<S> {
        let (started, total) = (self.caller.clock.now(), requests.len());
        let mut slots: Vec<Slot<S>> = (0..total).map(|_| None).collect();
        let mut cold: Vec<(usize, S::Request)> = Vec::new();
        // Where each repeat finds its answer.
        let mut first: HashMap<S::Request, usize> = HashMap::with_capacity(total);
        let mut repeats: Vec<(usize, usize)> = Vec::new();
        let mut done = 0;
        for (at, request) in requests.into_iter().enumerate() {
            if let Some(fetched) = self.cached(&request) {
                slots[at] = Some(fetched);
                done += 1;
                progress(done, total);
            } else if let Some(first) = first.get(&request) {
                repeats.push((at, *first));
            } else {
                first.insert(request.clone(), at);
                cold.push((at, request));
            }
        }
        drop(first);
        let mut same: HashMap<usize, usize> = HashMap::new();
        for (_, first) in &repeats {
            *same.entry(*first).or_default() += 1;
        }
        let (places, cold): (Vec<usize>, Vec<S::Request>) = cold.into_iter().unzip();
        let (caches, caller) = (Arc::clone(&self.caches), Arc::clone(&self.caller));
        let job = self.batch.job(move |request: &S::Request, scope: &CallScope| {
            let category = caller.category_of(request);
            let cache = &caches[caller.categories.get(category).cache];
            let options = FetchOptions::new().deadline(scope.deadline());
            fetch(cache, &caller, category, request, &options)
        });
        for (index, result) in job.deadline(deadline).source(|request| self.lane(request)).stream(cold) {
            let at = places[index];
            slots[at] = Some(result);
            for _ in 0..=same.get(&at).copied().unwrap_or_default() {
                done += 1;
                progress(done, total);
            }
        }
        for (at, first) in repeats {
            let answer = slots[first].clone();
            slots[at] = answer;
        }
        let results = slots.into_iter().map(|slot| slot.unwrap_or(Err(ItemError::NotStarted))).collect();
        BatchReport { results, elapsed: self.caller.clock.now().since(started) }
    }

    /// The answer of a request that needs no call.
    fn cached(&self, request: &S::Request) -> Slot<S> {
        let category = self.caller.category_of(request);
        if self.caller.is_closed() {
            return Some(Err(ItemError::Failed(self.caller.refuse_closed(category))));
        }
        self.fresh(category, request).map(Ok)
    }

    /// The vendor whose endpoint would be asked first: its items share a lane, and its limits.
    fn lane(&self, request: &S::Request) -> Name {
        let category = self.caller.category_of(request);
        let (plan, decision) = self.caller.explain(category, &FetchOptions::default());
        let best = decision.candidates().next().or_else(|| decision.explain().first().map(|first| first.endpoint));
        let endpoint = best.and_then(|index| plan.endpoints.get(index.0));
        endpoint.map_or_else(|| Name::from("none"), |endpoint| Name::from(endpoint.config.spec.vendor()))
    }
}
