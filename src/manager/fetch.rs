//! THE HOT PATH, and the story of a fetch:
//!
//! ```text
//! fetch -> cache: fresh? -> done: one short lock
//!            | a miss, or a refresh in the background
//!            v
//! load  -> round: candidates -> start (guards, call thread) -> hear -> clean answer: done
//!            ^                     ^ next one, a hedge, a backup     | flawed: kept; failed, not here: next
//!            |                     +---------------------------------+
//!            +-- pause: until somebody can be called, within deadline, rounds and budget -> best flawed, error
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::caller::{Caller, FetchErrorOf, Plan, SourceCache, StoredOf};
use super::calls::{AttemptSet, Next};
use super::error::{FetchError, FetchErrorKind, RefusalReason};
use super::fetched::Fetched;
use super::options::FetchOptions;
use super::source::Source;
use super::source_call::{Guards, SourceCall};
use super::story::{LoadResult, Story};
use crate::cache::{LoadContext, LoadError, Loaded, LookupOptions};
use crate::chain::{self, Chain};
use crate::clock::{Deadline, Tick};
use crate::limiter::LimitReason;
use crate::router::{Candidate, Decision, EndpointIndex, Exclusion};
use crate::sync::Mutex;

type Context<'a, S> = LoadContext<'a, <S as Source>::Request, StoredOf<S>, FetchErrorOf<S>>;

/// A new or recovering endpoint that nobody can stand in for is waited for this long, then called all the same.
const RAMP_PATIENCE: Duration = Duration::from_secs(1);
/// A fetch that waits for the end of some call looks at least this often.
const LOOK: Duration = Duration::from_millis(50);

/// A fetch that waits for an endpoint looks at least this often: an operator may have reset its breaker.
const LOOK_AT_ENDPOINTS: Duration = Duration::from_secs(1);
/// Rankings that are out of date and made again within one round.
const MAX_RANKINGS: u32 = 8;

/// A wait shorter than this is none.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a call is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// No other is under way.
    First,
    /// The one under way takes longer than most.
    Hedge,
    /// The one under way has used half of the fetch's time.
    Backup,
}

/// The endpoints as one look saw them.
struct View {
    plan: Arc<Plan>,
    decision: Decision,
    /// Those still to be asked, best first.
    next: VecDeque<Candidate>,
    /// Those asked in this round, by name: a reload changes their places.
    tried: Vec<Arc<str>>,
    rankings: u32,
}

impl View {
    fn new((plan, decision): (Arc<Plan>, Decision)) -> Self {
        let callable = decision.explain().iter().filter(|candidate| candidate.exclusion.is_none());
        let next = callable.copied().collect();
        Self { plan, decision, next, tried: Vec::new(), rankings: 1 }
    }

    /// Another look, without those asked before.
    fn again(self, look: (Arc<Plan>, Decision)) -> Self {
        let mut view = Self::new(look);
        let plan = Arc::clone(&view.plan);
        let is_tried = |index: EndpointIndex| {
            plan.endpoints.get(index.0).is_some_and(|endpoint| self.tried.contains(endpoint.name()))
        };
        view.next.retain(|candidate| !is_tried(candidate.endpoint));
        Self { tried: self.tried, rankings: self.rankings + 1, ..view }
    }

    /// Of a candidate of this look.
    fn name(&self, candidate: &Candidate) -> &Arc<str> {
        self.plan.endpoints[candidate.endpoint.0].name()
    }

    /// Whether another ranking may be made at once instead of this refusal.
    const fn is_worth_another(&self, reason: &RefusalReason) -> bool {
        reason.is_over_already() && self.rankings < MAX_RANKINGS
    }
}

/// When a second call is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    hedge: Deadline,
    backup: Deadline,
}

impl Due {
    fn next(self) -> Deadline {
        self.hedge.earlier(self.backup)
    }

    /// Nobody could be asked now.
    fn later(self, now: Tick) -> Self {
        let again = Deadline::at(now.after(LOOK));
        Self { hedge: self.hedge, backup: if self.backup.has_passed(now) { again } else { self.backup } }
    }
}

impl Default for Due {
    fn default() -> Self {
        Self { hedge: Deadline::never(), backup: Deadline::never() }
    }
}

/// Second calls taken from their budgets; dropped before the call has started, they go back.
struct Spent<'a, S: Source> {
    caller: &'a Caller<S>,
    is_hedge: bool,
    is_retry: bool,
}

impl<S: Source> Spent<'_, S> {
    /// Takes a second call, if the call is one of a later round.
    fn retry(mut self, is_retry: bool) -> Result<Self, RefusalReason> {
        if is_retry && !self.caller.retry_budget.try_spend() {
            return Err(RefusalReason::NoRetryBudget);
        }
        self.is_retry = is_retry;
        Ok(self)
    }

    /// The call has started.
    fn keep(mut self) {
        if std::mem::take(&mut self.is_retry) {
            self.caller.retries.inc();
        }
        if std::mem::take(&mut self.is_hedge) {
            self.caller.hedging.started();
        }
    }
}

impl<S: Source> Drop for Spent<'_, S> {
    fn drop(&mut self) {
        if self.is_retry {
            self.caller.retry_budget.refund();
        }
        if self.is_hedge {
            self.caller.hedging.refund();
        }
    }
}

/// Everything but a fresh hit: a load, a joined load, a stale answer.
#[cold]
pub(super) fn fetch<S: Source>(
    cache: &SourceCache<S>,
    caller: &Arc<Caller<S>>,
    category: usize,
    request: &S::Request,
    options: &FetchOptions,
) -> Result<Fetched<S::Response>, FetchErrorOf<S>> {
    if caller.is_closed() {
        return Err(caller.refuse_closed(category));
    }
    // Within a call: its thread waits for others of the pool.
    let _room = (chain::depth() > 0).then(|| {
        let room = caller.calls.wait_inside();
        // There is room for one more now.
        caller.changes.tell();
        room
    });
    let deadline = options.deadline.unwrap_or_else(|| caller.default_deadline());
    let lookup = LookupOptions {
        deadline,
        max_age: options.max_age,
        no_load: options.no_source,
        refresh: options.refresh,
        ignores_failures: false,
    };
    let look = |lookup: LookupOptions| {
        let (caller, options) = (Arc::clone(caller), options.clone());
        cache.lookup(request, lookup, move |request: &S::Request, context: &Context<'_, S>| {
            // A refresh runs when this caller may be gone: it has its own time.
            let deadline = if context.is_background() { caller.default_deadline() } else { deadline };
            caller.load(request, category, &options, deadline, context)
        })
    };
    let mut result = look(lookup);
    let is_held = matches!(result, Err(LoadError::Held { .. }));
    if is_held && !options.no_source && caller.may_look(category) {
        result = look(LookupOptions { ignores_failures: true, ..lookup });
    }
    let result = result.map(Fetched).map_err(|error| {
        let mut error = FetchError::from_load(&error);
        if caller.is_closed() {
            error = FetchError::new(FetchErrorKind::ShuttingDown, error.reached_source(), None);
        }
        error.or_retry_after(|| caller.earliest(category, options))
    });
    caller.count_fetch(category, result.as_ref().map_or_else(|error| error.kind().as_str(), Fetched::as_str));
    result
}

impl<S: Source> Caller<S> {
    /// One load: rounds over the endpoints until one has a clean answer, or nothing more may be tried.
    pub(super) fn load(
        self: &Arc<Self>,
        request: &S::Request,
        category: usize,
        options: &FetchOptions,
        deadline: Deadline,
        context: &Context<'_, S>,
    ) -> LoadResult<S> {
        let key_hash = ahash::RandomState::with_seeds(5, 6, 7, 8).hash_one(request);
        let mut story = Story::new(request, (key_hash, category), options, deadline, self.clock.now());
        story.is_background = context.is_background();
        story.is_idempotent = self.source.is_idempotent(request);
        story.late = context.late_ticket();
        // This load is one of the chain, where loads are flights.
        story.is_nested = chain::depth() > usize::from(story.late.is_some());
        self.retry_budget.earn();
        let result = loop {
            if let Some(result) = self.round(&mut story).or_else(|| story.best_flawed()) {
                break result;
            }
            if story.is_nowhere() {
                break Ok(Loaded::Missing);
            }
            if story.is_not_here() {
                break Err(story.error(self, false));
            }
            if !self.pause(&mut story) {
                let is_over = deadline.has_passed(self.clock.now());
                break Err(story.error(self, is_over));
            }
        };
        self.count_refused(&story.refusals);
        let result = result.map_err(|error| error.with_attempts(story.all_attempts().into()));
        if self.listeners.has_any() {
            self.listeners.tell(&self.name, &story.record(self, &result, self.clock.now()));
        }
        result
    }

    /// One round over the endpoints, best first; `None` if it decided nothing.
    fn round(self: &Arc<Self>, story: &mut Story<'_, S>) -> Option<LoadResult<S>> {
        if self.is_closed() {
            return Some(Err(FetchError::new(FetchErrorKind::ShuttingDown, story.calls > 0, None)));
        }
        // Before the first look: what changes after it is waited for by nobody in vain.
        story.seen = self.changes.numbers();
        let mut view = View::new(self.route(story.category, story.options));
        let serving = view.plan.serving(&self.categories.get(story.category).name).count();
        story.begin_round(serving, Self::refusals_of(&view.plan, &view.decision));
        let mut attempts = AttemptSet::new(&self.calls);
        let mut due = Due::default();
        loop {
            while let Some(start) = self.next_start(&attempts, &mut due, story) {
                if view.next.is_empty() && start != Start::First {
                    // Somebody else may have become callable since.
                    view = view.again(self.route(story.category, story.options));
                }
                let Some(candidate) = view.next.pop_front() else {
                    if start == Start::Hedge {
                        self.hedging.refund();
                    }
                    due = due.later(self.clock.now());
                    break;
                };
                let is_last = view.next.is_empty() && attempts.is_empty() && !story.has_flawed();
                match self.start(story, &view, &candidate, is_last, start, &mut attempts) {
                    Ok(()) => due = self.due(story, &candidate),
                    Err(reason) if view.is_worth_another(&reason) => {
                        view = view.again(self.route(story.category, story.options));
                        story.look_again(&view.tried, Self::refusals_of(&view.plan, &view.decision));
                        continue;
                    }
                    Err(reason) => story.refused(view.name(&candidate), reason),
                }
                view.tried.push(Arc::clone(view.name(&candidate)));
            }
            if attempts.is_empty() {
                return None;
            }
            match attempts.next(due.next().earlier(story.deadline)) {
                Next::Ended(call, end) => {
                    if let Some(result) = story.hear(self, &call, end) {
                        if call.is_hedge && result.is_ok() {
                            self.hedging.won();
                        }
                        return Some(result);
                    }
                }
                Next::Due if story.deadline.has_passed(self.clock.now()) => {
                    return story.best_flawed().or_else(|| Some(Err(story.error(self, true))));
                }
                Next::Due => {}
                Next::Closed => return Some(Err(FetchError::new(FetchErrorKind::ShuttingDown, true, None))),
            }
        }
    }

    /// Whether another call is to be started now, and what for.
    fn next_start(
        &self,
        attempts: &AttemptSet<'_, SourceCall<S>>,
        due: &mut Due,
        story: &Story<'_, S>,
    ) -> Option<Start> {
        let now = self.clock.now();
        if story.deadline.has_passed(now) {
            return None;
        }
        if attempts.is_empty() {
            return Some(Start::First);
        }
        if due.backup.has_passed(now) {
            return Some(Start::Backup);
        }
        if due.hedge.has_passed(now) {
            due.hedge = Deadline::never();
            return self.hedging.try_spend().then_some(Start::Hedge);
        }
        None
    }

    /// Takes all guards for one call, and starts it: breaker and place looked at, limiter, breaker, place and
    /// router taken, in the order of what is dear to give back.
    fn start<'a>(
        self: &'a Arc<Self>,
        story: &mut Story<'_, S>,
        view: &View,
        candidate: &Candidate,
        is_last: bool,
        start: Start,
        attempts: &mut AttemptSet<'a, SourceCall<S>>,
    ) -> Result<(), RefusalReason> {
        let spent = Spent { caller: self, is_hedge: start == Start::Hedge, is_retry: false };
        let endpoint = view.plan.endpoints.get(candidate.endpoint.0).ok_or(Exclusion::Replaced)?;
        if let Some(open) = endpoint.breaker.peek() {
            return Err(open.into());
        }
        let saturated = || RefusalReason::Saturated { in_flight: endpoint.places_taken() };
        if !endpoint.has_place() {
            return Err(saturated());
        }
        self.check_ramp(story, candidate)?;
        // Before anything is taken, so that a crowd without threads costs no tokens.
        if !attempts.has_room(story.is_nested) {
            return Err(RefusalReason::NoThread);
        }
        let patience = if is_last {
            story.deadline
        } else if start != Start::First {
            Deadline::at(self.clock.now())
        } else {
            Deadline::after(&self.clock, view.plan.config.permit_timeout).earlier(story.deadline)
        };
        let token = endpoint.limiter.acquire_owned(1, patience).map_err(|limited| match limited.reason {
            // A reload has put another limiter in its place.
            LimitReason::Closed if !self.is_closed() => Exclusion::Replaced.into(),
            _ => RefusalReason::from(limited),
        })?;
        let permit = endpoint.breaker.try_acquire_owned()?;
        let place = endpoint.take_place().ok_or_else(saturated)?;
        let spent = spent.retry(story.round > 1 && story.calls > 0)?;
        let in_flight = self.router.try_begin_candidate(&view.decision, candidate)?;
        let deadline = Deadline::after(&self.clock, view.plan.config.call_timeout);
        let call = Arc::new(SourceCall {
            caller: Arc::clone(self),
            endpoint: Arc::clone(endpoint),
            category: story.category,
            request: story.request.clone(),
            key_hash: story.key_hash,
            deadline,
            number: story.calls + 1,
            is_background: story.is_background,
            is_hedge: spent.is_hedge,
            guards: Mutex::new(Some(Guards { in_flight, token, permit })),
            place: Mutex::new(Some(place)),
            chain: Chain::current(),
            span: tracing::Span::current(),
            late: story.late.clone(),
            record: std::sync::OnceLock::new(),
        });
        attempts.start(call, deadline, story.is_nested).map_err(|_not_started| RefusalReason::NoThread)?;
        spent.keep();
        story.calls += 1;
        story.called_in_round = true;
        if start == Start::First && self.hedging.config.enabled && story.is_idempotent {
            self.hedging.earn();
        }
        Ok(())
    }

    /// An endpoint that may have few calls at once, and that nobody can stand in for, is waited for a while.
    fn check_ramp(&self, story: &mut Story<'_, S>, candidate: &Candidate) -> Result<(), RefusalReason> {
        let Some(ramping @ Exclusion::Ramping { .. }) = candidate.readmitted else { return Ok(()) };
        // The calls under way that a nested one would wait for may wait for it.
        if self.retry.rounds == 0 || story.is_nested {
            return Ok(());
        }
        let now = self.clock.now();
        let since = *story.ramping_since.get_or_insert(now);
        if now.since(since) < RAMP_PATIENCE { Err(ramping.into()) } else { Ok(()) }
    }

    /// When a second call beside the one just started is due; never, where twice is wrong.
    fn due(&self, story: &Story<'_, S>, candidate: &Candidate) -> Due {
        if !story.is_idempotent {
            return Due::default();
        }
        let now = self.clock.now();
        let left = story.deadline.remaining(now);
        let backup = left.map_or(Deadline::never(), |left| Deadline::at(now.after(left / 2)));
        let quantile = self.hedging.config.after_quantile;
        let usual = self.router.quantile_in(story.category, candidate.endpoint, quantile);
        let hedge = usual.filter(|_| self.hedging.config.enabled).map(|usual| Deadline::at(now.after(usual)));
        Due { hedge: hedge.unwrap_or(Deadline::never()), backup }
    }

    /// Waits until another round makes sense; `false` if none does before the deadline.
    fn pause(&self, story: &mut Story<'_, S>) -> bool {
        story.rounds_with_calls += u32::from(story.called_in_round);
        let is_out_of_date = story.refusals.iter().any(|refusal| refusal.reason.is_over_already())
            // Without patience health is a preference only: the next look readmits whom nobody can stand in for.
            || (self.retry.rounds == 0
                && !story.refusals.is_empty()
                && story.refusals.iter().all(|refusal| refusal.reason.is_about_health()));
        let is_out_of_date = is_out_of_date && !story.called_in_round;
        if is_out_of_date && !self.is_closed() && !story.deadline.has_passed(self.clock.now()) {
            return true;
        }
        let may = self.retry.rounds > 0
            && story.rounds_with_calls <= self.retry.rounds
            && (story.calls == 0 || story.is_idempotent)
            && story.may_pass()
            && story.refusals.iter().all(|refusal| refusal.reason != RefusalReason::NoRetryBudget);
        if !may || (story.refusals.is_empty() && !story.called_in_round) {
            return false;
        }
        let dice = self.dice.lock().f64();
        let back_off = self.retry.pause(story.rounds_with_calls.max(1), dice);
        let waits_for_calls = story.refusals.iter().any(|refusal| refusal.reason.waits_for_calls());
        let earliest = story.refusals.iter().filter_map(|refusal| refusal.reason.retry_after()).min();
        let wait = match earliest {
            // Somebody was called and failed; all may be called again.
            _ if story.called_in_round => back_off,
            _ if waits_for_calls => earliest.map_or(LOOK, |earliest| earliest.clamp(SHORTEST, LOOK)),
            Some(earliest) => earliest.max(self.retry.pause(1, dice)),
            None => return false,
        };
        let now = self.clock.now();
        if story.deadline.has_passed(now.after(wait)) || self.is_closed() {
            return false;
        }
        let until = Deadline::at(now.after(wait));
        if story.called_in_round {
            // A back-off is waited for to its end.
            while !self.is_closed() && !until.has_passed(self.clock.now()) {
                self.changes.wait_for_endpoints(&self.clock, self.changes.numbers(), until);
            }
        } else if waits_for_calls {
            self.changes.wait(&self.clock, story.seen, until);
        } else {
            let until = until.earlier(Deadline::at(now.after(LOOK_AT_ENDPOINTS)));
            self.changes.wait_for_endpoints(&self.clock, story.seen, until);
        }
        !self.is_closed()
    }
}
