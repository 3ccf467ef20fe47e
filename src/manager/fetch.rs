//! THE HOT PATH: a fetch, and the call of a source, nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::ManagerConfig;
use super::error::{FetchError, FetchErrorKind, Refusal, RefusalReason};
use super::fetched::{Fetched, Stored};
use super::hedge::{Hedging, RaceEnd};
use super::metrics::{CallMetrics, CallStatus, CountPanic};
use super::source::{Category, Source, Verdict};
use crate::breaker::CircuitBreaker;
use crate::cache::{Loaded, SmartCache};
use crate::clock::{Clock, Deadline};
use crate::limiter::{AdaptiveRateLimiter, CalendarQuota};
use crate::outcome::Outcome;
use crate::quality::{DataQualityValidator, QualityReport};
use crate::router::{Availability, Decision, EndpointIndex, EndpointSpec, SmartRouter};

pub(super) type SourceCache<S> =
    SmartCache<<S as Source>::Request, Stored<<S as Source>::Response>, FetchError<<S as Source>::Error>>;

/// An endpoint with its guards.
pub(super) struct Guarded {
    pub(super) spec: EndpointSpec,
    pub(super) breaker: CircuitBreaker,
    pub(super) limiter: AdaptiveRateLimiter,
    pub(super) metrics: CallMetrics,
}

/// All rooms but the caches: what a source call needs. Background refreshes hold it.
pub(super) struct Caller<S: Source> {
    pub(super) source: S,
    pub(super) config: ManagerConfig,
    pub(super) clock: Clock,
    pub(super) router: SmartRouter,
    pub(super) endpoints: Vec<Guarded>,
    pub(super) validator: DataQualityValidator,
    pub(super) hedging: Hedging,
    pub(super) quota_groups: Vec<Arc<CalendarQuota>>,
    pub(super) is_closed: AtomicBool,
}

/// What one endpoint's turn gave.
pub(super) enum Attempt<S: Source> {
    Answer(Loaded<Stored<S::Response>>),
    Refused(RefusalReason),
    /// It failed; the next endpoint may do better.
    Failed(FetchErrorKind<S::Error>),
    /// It failed, and so would every other endpoint.
    Final(FetchErrorKind<S::Error>),
}

type LoadResult<S> = Result<Loaded<Stored<<S as Source>::Response>>, FetchError<<S as Source>::Error>>;

pub(super) fn fetch<S: Source>(
    cache: &SourceCache<S>,
    caller: &Arc<Caller<S>>,
    request: &S::Request,
    deadline: Deadline,
) -> Result<Fetched<S::Response>, FetchError<S::Error>> {
    if caller.is_closed.load(Ordering::Acquire) {
        return Err(FetchError::new(FetchErrorKind::ShuttingDown, false, None));
    }
    let (loader, me) = (Arc::clone(caller), thread::current().id());
    let load = move |request: &S::Request| {
        // A refresh runs on another thread, when this caller may be gone: it has its own time.
        let is_foreground = thread::current().id() == me;
        let deadline = if is_foreground { deadline } else { loader.default_deadline() };
        loader.call_source(request, deadline)
    };
    let cached = cache.get_or_load_by(request, deadline, None, load);
    cached.map(Fetched).map_err(|error| FetchError::from_load(&error))
}

impl<S: Source> Caller<S> {
    pub(super) fn default_deadline(&self) -> Deadline {
        Deadline::after(&self.clock, self.config.fetch_timeout)
    }

    /// Tries the endpoints in the router's order until one answers or the deadline passes.
    pub(super) fn call_source(self: &Arc<Self>, request: &S::Request, deadline: Deadline) -> LoadResult<S> {
        let decision = self.route();
        let mut refusals = refusals_of(&decision, &self.endpoints);
        let (mut last, mut reached_source) = (None, false);
        let mut candidates = decision.candidates().peekable();
        while let Some(index) = candidates.next() {
            if deadline.has_passed(self.clock.now()) {
                last.get_or_insert(FetchErrorKind::TimedOut);
                break;
            }
            for (index, turn) in self.turns(index, candidates.peek().copied(), request, deadline) {
                // The second of a race has had its turn.
                let _hedge = candidates.next_if_eq(&index);
                match turn {
                    Attempt::Answer(loaded) => return Ok(loaded),
                    Attempt::Refused(reason) => {
                        refusals.push(Refusal { endpoint: Arc::clone(&self.endpoints[index.0].spec.name), reason });
                    }
                    Attempt::Failed(error) => (last, reached_source) = (Some(error), true),
                    Attempt::Final(error) => return Err(FetchError::new(error, true, None)),
                }
            }
        }
        let retry_after = refusals.iter().filter_map(|refusal| refusal.reason.retry_after()).min();
        let kind = last.unwrap_or_else(|| FetchErrorKind::NoEndpoint { refusals: refusals.into() });
        Err(FetchError::new(kind, reached_source, retry_after))
    }

    /// One endpoint's turn, or two where the call may be hedged.
    fn turns(
        self: &Arc<Self>,
        index: EndpointIndex,
        next: Option<EndpointIndex>,
        request: &S::Request,
        deadline: Deadline,
    ) -> Vec<(EndpointIndex, Attempt<S>)> {
        let may_hedge = self.hedging.config.enabled && self.source.is_idempotent(request);
        if let Some(next) = next.filter(|_| may_hedge) {
            match self.race(index, next, request, deadline) {
                RaceEnd::Ended(turns) => {
                    let failed = || Attempt::Failed(FetchErrorKind::Panicked);
                    return turns.into_iter().map(|(at, turn)| (at, turn.unwrap_or_else(failed))).collect();
                }
                RaceEnd::TimedOut => return vec![(index, Attempt::Failed(FetchErrorKind::TimedOut))],
                RaceEnd::NotStarted => {}
            }
        }
        vec![(index, self.turn(index, request, deadline))]
    }

    /// One endpoint's turn: breaker, limiter, call, judgement, booking.
    pub(super) fn turn(&self, index: EndpointIndex, request: &S::Request, deadline: Deadline) -> Attempt<S> {
        let endpoint = &self.endpoints[index.0];
        // An open circuit must not cost a token; the permit itself is taken last, since from then on
        // the breaker watches the time.
        if let Some(open) = endpoint.breaker.peek() {
            return Attempt::Refused(open.into());
        }
        let patience = Deadline::after(&self.clock, self.config.permit_timeout).earlier(deadline);
        let token = match endpoint.limiter.acquire(1, patience) {
            Ok(token) => token,
            Err(limited) => return Attempt::Refused(limited.into()),
        };
        let permit = match endpoint.breaker.try_acquire() {
            Ok(permit) => permit,
            Err(open) => return Attempt::Refused(open.into()),
        };
        let category = self.source.category(request);
        let count = CountPanic { metrics: &endpoint.metrics, category };
        let in_flight = self.router.begin(index);
        let call_deadline = Deadline::after(&self.clock, self.config.call_timeout).earlier(deadline);
        let result = self.source.call(&endpoint.spec, request, call_deadline);
        let (verdict, report) = self.judge(request, &result);
        drop(count);
        let (status, mut outcome) = meaning(verdict, report.is_some());
        if matches!(status, CallStatus::Failed) && call_deadline.has_passed(self.clock.now()) {
            outcome = Outcome::TimedOut;
        }
        let settled = in_flight.finish(outcome);
        token.finish(outcome);
        permit.finish(outcome);
        endpoint.metrics.record(category, status, settled.latency, settled.charged);
        answer(endpoint, verdict, result, report)
    }

    /// The host's judgement, then the validator's: data with errors is a failure of the endpoint.
    fn judge(&self, request: &S::Request, result: &Result<S::Response, S::Error>) -> (Verdict, Option<QualityReport>) {
        let verdict = self.source.judge(request, result.as_ref());
        if let (Verdict::Good | Verdict::GoodFor(_), Ok(response)) = (verdict, result) {
            let series = self.source.series(response);
            let report = series.map(|series| self.validator.validate(&series)).filter(|report| !report.valid);
            if report.is_some() {
                return (Verdict::Bad, report);
            }
        }
        (verdict, None)
    }

    /// Time until some endpoint has a permit.
    pub(super) fn permit_in(&self) -> Duration {
        self.endpoints.iter().map(|endpoint| endpoint.limiter.peek()).min().unwrap_or_default()
    }

    pub(super) fn route(&self) -> Decision {
        let availability: Vec<Availability> = self
            .endpoints
            .iter()
            .map(|endpoint| {
                Availability::new(endpoint.breaker.peek().map(|open| open.retry_after), endpoint.limiter.peek())
            })
            .collect();
        self.router.route(&availability)
    }
}

/// What a verdict means to the metrics, and to the guards.
fn meaning(verdict: Verdict, is_bad_data: bool) -> (CallStatus, Outcome) {
    match verdict {
        Verdict::Good | Verdict::GoodFor(_) => (CallStatus::Ok, Outcome::Success),
        Verdict::Missing => (CallStatus::Missing, Outcome::Success),
        Verdict::Bad if is_bad_data => (CallStatus::BadData, Outcome::Failure),
        Verdict::Bad => (CallStatus::Failed, Outcome::Failure),
        Verdict::BadFor(time) => (CallStatus::Failed, Outcome::FailureFor(time)),
        Verdict::Limited { retry_after } => (CallStatus::Limited, Outcome::Limited { retry_after }),
        Verdict::Ignore => (CallStatus::Ignored, Outcome::Ignored),
    }
}

fn answer<S: Source>(
    endpoint: &Guarded,
    verdict: Verdict,
    result: Result<S::Response, S::Error>,
    report: Option<QualityReport>,
) -> Attempt<S> {
    let name = Arc::clone(&endpoint.spec.name);
    if let Some(report) = report {
        return Attempt::Failed(FetchErrorKind::BadData { endpoint: name, report: Arc::new(report) });
    }
    match (verdict, result) {
        (Verdict::Missing, _) => Attempt::Answer(Loaded::Missing),
        (Verdict::GoodFor(ttl), Ok(response)) => {
            Attempt::Answer(Loaded::ValueFor(Stored { response, endpoint: name }, ttl))
        }
        (Verdict::Good, Ok(response)) => Attempt::Answer(Loaded::Value(Stored { response, endpoint: name })),
        (Verdict::Ignore, Err(error)) => {
            Attempt::Final(FetchErrorKind::Source { endpoint: name, error: Arc::new(error) })
        }
        (_, Err(error)) => Attempt::Failed(FetchErrorKind::Source { endpoint: name, error: Arc::new(error) }),
        // The host calls its own answer unusable.
        (_, Ok(_response)) => Attempt::Failed(FetchErrorKind::Unusable { endpoint: name }),
    }
}

fn refusals_of(decision: &Decision, endpoints: &[Guarded]) -> Vec<Refusal> {
    let set_aside = decision.explain().iter().filter_map(|candidate| Some((candidate.endpoint, candidate.exclusion?)));
    set_aside
        .map(|(index, exclusion)| {
            let endpoint = &endpoints[index.0];
            let ejected = RefusalReason::Ejected { retry_after: exclusion.retry_after() };
            let reason = endpoint.breaker.peek().map_or(ejected, RefusalReason::Breaker);
            Refusal { endpoint: Arc::clone(&endpoint.spec.name), reason }
        })
        .collect()
}

/// Which cache a category has.
pub(super) fn cache_of<S: Source>(caches: &[SourceCache<S>], category: Category) -> &SourceCache<S> {
    &caches[category as usize]
}
