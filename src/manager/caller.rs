//! What a source call needs of all rooms, and what is known of the endpoints at this moment.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::ManagerConfig;
use super::answer_config::AnswerQualityConfig;
use super::calls::CallPool;
use super::categories::Categories;
use super::changes::Changes;
use super::error::{FetchError, FetchErrorKind, Refusal, RefusalReason};
use super::fetched::Stored;
use super::guarded::Guarded;
use super::hedging::Hedging;
use super::metrics::ManagerMetrics;
use super::options::FetchOptions;
use super::record::{AttemptOutcome, FetchRecord};
use super::source::Source;
use crate::cache::SmartCache;
use crate::clock::{Clock, Deadline};
use crate::limiter::CalendarQuota;
use crate::listeners::Listeners;
use crate::metrics::{Counter, Scrape};
use crate::quality::DataQualityValidator;
use crate::retry::{CallBudget, RetryConfig};
use crate::router::{Availability, Decision, Exclusion, SmartRouter};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

pub(super) type StoredOf<S> = Stored<<S as Source>::Response>;
pub(super) type FetchErrorOf<S> = FetchError<<S as Source>::Error, <S as Source>::Response>;
pub(super) type SourceCache<S> = SmartCache<<S as Source>::Request, StoredOf<S>, FetchErrorOf<S>>;

/// All rooms but the caches. Calls under way and background refreshes hold it.
pub(super) struct Caller<S: Source> {
    pub(super) name: Arc<str>,
    pub(super) source: Arc<S>,
    pub(super) clock: Clock,
    pub(super) router: Arc<SmartRouter>,
    pub(super) validator: DataQualityValidator,
    pub(super) quality: AnswerQualityConfig,
    pub(super) categories: Categories,
    pub(super) calls: CallPool,
    pub(super) hedging: Hedging,
    pub(super) retry: RetryConfig,
    pub(super) retry_budget: CallBudget,
    pub(super) retries: Counter,
    pub(super) metrics: ManagerMetrics,
    pub(super) dice: Mutex<fastrand::Rng>,
    pub(super) changes: Changes,
    pub(super) listeners: Listeners<FetchRecord>,
    pub(super) is_closed: AtomicBool,
    pub(super) plan: Mutex<Arc<Plan>>,
    /// Written once, at the end of the build.
    pub(super) caches: OnceLock<Weak<[SourceCache<S>]>>,
}

/// The endpoints and the settings in force; a reload puts another one in its place.
pub(super) struct Plan {
    pub(super) config: ManagerConfig,
    /// In the order of the router's list.
    pub(super) endpoints: Vec<Arc<Guarded>>,
    pub(super) quota_groups: Vec<Arc<CalendarQuota>>,
}

impl Plan {
    pub(super) fn endpoint(&self, name: &str) -> Option<&Arc<Guarded>> {
        self.endpoints.iter().find(|endpoint| **endpoint.name() == *name)
    }

    /// Those that serve a category, also the drained ones.
    pub(super) fn serving<'a>(&'a self, category: &'a str) -> impl Iterator<Item = &'a Arc<Guarded>> {
        self.endpoints.iter().filter(move |endpoint| endpoint.config.spec.serves(category))
    }

    pub(super) fn quota_group(&self, name: &str) -> Option<&Arc<CalendarQuota>> {
        self.quota_groups.iter().find(|group| **group.name() == *name)
    }
}

/// The least time after which coming back can make a difference.
const SOONEST: Duration = Duration::from_millis(1);

impl<S: Source> Caller<S> {
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The number of a request's category.
    #[inline]
    pub(super) fn category_of(&self, request: &S::Request) -> usize {
        self.categories.number(self.source.category(request))
    }

    pub(super) fn default_deadline(&self) -> Deadline {
        Deadline::after(&self.clock, self.plan().config.fetch_timeout)
    }

    /// What breakers and limiters say of each endpoint; those that do not serve the category, are drained,
    /// or not allowed by the options, are left out.
    pub(super) fn availability(&self, plan: &Plan, category: usize, options: &FetchOptions) -> Vec<Availability> {
        let category = &self.categories.get(category).name;
        let of = |endpoint: &Arc<Guarded>| {
            let is_drained = endpoint.memory.is_drained.load(Ordering::Acquire);
            let is_asked = endpoint.config.spec.serves(category) && options.allows(endpoint.name());
            if is_drained || !is_asked {
                return Availability::excluded();
            }
            let open = endpoint.breaker.peek().map(|open| open.retry_after.unwrap_or(Duration::MAX));
            Availability::new(open, endpoint.limiter.peek())
        };
        plan.endpoints.iter().map(of).collect()
    }

    /// Ranks the endpoints for one round.
    pub(super) fn route(&self, category: usize, options: &FetchOptions) -> (Arc<Plan>, Decision) {
        self.decide(category, options, |availability| self.router.route_in(category, availability))
    }

    /// What [`route`](Self::route) would give, without a trace.
    pub(super) fn explain(&self, category: usize, options: &FetchOptions) -> (Arc<Plan>, Decision) {
        self.decide(category, options, |availability| self.router.explain(category, availability))
    }

    /// A decision and the plan it is about: a reload replaces list and plan under the plan's lock.
    fn decide(
        &self,
        category: usize,
        options: &FetchOptions,
        decide: impl Fn(&[Availability]) -> Decision,
    ) -> (Arc<Plan>, Decision) {
        loop {
            let plan = self.plan();
            let decision = decide(&self.availability(&plan, category, options));
            if Arc::ptr_eq(&plan, &self.plan()) {
                return (plan, decision);
            }
        }
    }

    /// Those left out by the ranking, with the reason of the guard itself where it has one.
    pub(super) fn refusals_of(plan: &Plan, decision: &Decision) -> Vec<Refusal> {
        let left_out =
            decision.explain().iter().filter_map(|candidate| Some((candidate.endpoint, candidate.exclusion?)));
        left_out
            .filter_map(|(index, exclusion)| {
                let endpoint = plan.endpoints.get(index.0)?;
                let breaker = endpoint.breaker.peek().filter(|_| matches!(exclusion, Exclusion::BreakerOpen { .. }));
                let reason = breaker.map_or(RefusalReason::Router(exclusion), RefusalReason::Breaker);
                Some(Refusal { endpoint: Arc::clone(endpoint.name()), reason })
            })
            .collect()
    }

    /// The end of a fetch that came after the shutdown.
    pub(super) fn refuse_closed(&self, category: usize) -> FetchErrorOf<S> {
        let error = FetchError::new(FetchErrorKind::ShuttingDown, false, None);
        self.count_fetch(category, error.kind().as_str());
        error
    }

    /// A fetch has ended, and not by a look into the cache alone.
    pub(super) fn count_fetch(&self, category: usize, result: &'static str) {
        self.metrics.fetched(category, result, self.categories.shares_cache(category));
    }

    pub(super) fn count_refused(&self, refusals: &[Refusal]) {
        let plan = self.plan();
        for refused in refusals.iter().filter_map(|refusal| plan.endpoint(&refusal.endpoint)) {
            refused.metrics.attempt(AttemptOutcome::Refused);
        }
    }

    /// The earliest moment at which a call could be made, by all guards; `None` if no waiting helps.
    pub(super) fn earliest(&self, category: usize, options: &FetchOptions) -> Option<Duration> {
        let (plan, decision) = self.explain(category, options);
        let of = |candidate: &crate::router::Candidate| {
            let endpoint = plan.endpoints.get(candidate.endpoint.0)?;
            let router = match candidate.exclusion {
                Some(exclusion @ (Exclusion::OverBudget { .. } | Exclusion::RateLimited { .. })) => {
                    exclusion.retry_after()?
                }
                Some(Exclusion::Ejected { retry_after }) => retry_after,
                _ => Duration::ZERO,
            };
            let breaker = match endpoint.breaker.peek() {
                Some(open) => RefusalReason::Breaker(open).retry_after()?,
                None => Duration::ZERO,
            };
            let limiter = Some(endpoint.limiter.peek()).filter(|wait| *wait < Duration::MAX)?;
            Some(router.max(breaker).max(limiter))
        };
        decision.explain().iter().filter_map(of).min().map(|wait| wait.max(SOONEST))
    }

    /// Whether a fetch whose key is held may look now whether an endpoint of its category is back.
    pub(super) fn may_look(&self, category: usize) -> bool {
        let (plan, now) = (self.plan(), self.clock.now());
        plan.serving(&self.categories.get(category).name)
            .any(|endpoint| endpoint.breaker.peek().is_none() && endpoint.memory.may_look(now))
    }

    /// An endpoint is back: what its categories hold because of failures is over.
    pub(super) fn recovered(&self, endpoint: &Guarded) {
        tracing::info!(manager = %self.name, endpoint = %endpoint.name(), "endpoint recovered");
        self.changes.tell_endpoints();
        let Some(caches) = self.caches.get().and_then(Weak::upgrade) else { return };
        for number in 0..self.categories.len() {
            let category = self.categories.get(number);
            if endpoint.config.spec.serves(&category.name) {
                caches[category.cache].end_failure_holds();
            }
        }
    }
}

impl<S: Source> Scrape for Caller<S> {
    fn scrape(&self) {
        self.metrics.show(self.calls.snapshot());
        let Some(caches) = self.caches.get().and_then(Weak::upgrade) else { return };
        for number in 0..self.categories.len() {
            let counted = || if self.categories.shares_cache(number) { 0 } else { caches[number].snapshot().fresh };
            self.metrics.pass_fresh_on(number, counted);
        }
    }
}
