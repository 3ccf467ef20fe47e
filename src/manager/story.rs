//! What one fetch has seen so far, and what it comes to.

use std::sync::Arc;

use super::answer::Grade;
use super::caller::{Caller, FetchErrorOf, StoredOf};
use super::calls::End;
use super::changes::Numbers;
use super::error::{FetchError, FetchErrorKind, Refusal, RefusalReason};
use super::options::FetchOptions;
use super::record::{AttemptOutcome, AttemptRecord, FetchRecord, one_line};
use super::source::Source;
use super::source_call::{Answered, SourceCall};
use super::verdict::Verdict;
use crate::cache::{CacheStatus, LateTicket, Loaded};
use crate::clock::{Deadline, Tick};

pub(super) type LoadResult<S> = Result<Loaded<StoredOf<S>>, FetchErrorOf<S>>;

/// One fetch that went to its sources.
#[expect(clippy::struct_excessive_bools, reason = "facts of one fetch, no state machine")]
pub(super) struct Story<'a, S: Source> {
    pub(super) request: &'a S::Request,
    pub(super) key_hash: u64,
    pub(super) category: usize,
    pub(super) options: &'a FetchOptions,
    pub(super) deadline: Deadline,
    pub(super) is_background: bool,
    pub(super) is_nested: bool,
    pub(super) is_idempotent: bool,
    pub(super) late: Option<LateTicket<S::Request, StoredOf<S>, FetchErrorOf<S>>>,
    pub(super) started: Tick,
    pub(super) round: u32,
    /// The changes before this round's look at the endpoints.
    pub(super) seen: Numbers,
    /// Rounds in which a source was called.
    pub(super) rounds_with_calls: u32,
    /// Calls made.
    pub(super) calls: u32,
    /// A source was called in this round.
    pub(super) called_in_round: bool,
    /// Of this round: who was not called, and why.
    pub(super) refusals: Vec<Refusal>,
    pub(super) attempts: Vec<AttemptRecord>,
    /// Calls whose end was heard, by number; one given up may still bring an answer.
    heard: Vec<u32>,
    /// The best flawed answer so far.
    flawed: Option<(Arc<SourceCall<S>>, Answered<S>)>,
    /// Endpoints heard since the first flawed answer.
    opinions: u32,
    /// Endpoints of this round that do not have it.
    not_here: usize,
    /// Endpoints that serve the category, those included that this fetch may not ask.
    serving: usize,
    failure: Option<FetchErrorKind<S::Error, S::Response>>,
    /// A call of this round failed in a way that may be over the next time; bad data stays bad.
    failed_for_now: bool,
    /// When the ramp of an endpoint was first waited for.
    pub(super) ramping_since: Option<Tick>,
}

impl<'a, S: Source> Story<'a, S> {
    pub(super) fn new(
        request: &'a S::Request,
        (key_hash, category): (u64, usize),
        options: &'a FetchOptions,
        deadline: Deadline,
        started: Tick,
    ) -> Self {
        Self {
            request,
            key_hash,
            category,
            options,
            deadline,
            is_background: false,
            is_nested: false,
            is_idempotent: true,
            late: None,
            started,
            round: 0,
            seen: Numbers::default(),
            rounds_with_calls: 0,
            calls: 0,
            called_in_round: false,
            refusals: Vec::new(),
            attempts: Vec::new(),
            heard: Vec::new(),
            flawed: None,
            opinions: 0,
            not_here: 0,
            serving: 0,
            failure: None,
            failed_for_now: false,
            ramping_since: None,
        }
    }

    pub(super) fn begin_round(&mut self, serving: usize, refusals: Vec<Refusal>) {
        self.serving = serving;
        self.failed_for_now = false;
        self.round += 1;
        self.called_in_round = false;
        self.refusals = refusals;
        self.not_here = 0;
    }

    /// Another ranking in the same round; those that had their turn in it keep their refusals.
    pub(super) fn look_again(&mut self, tried: &[Arc<str>], refusals: Vec<Refusal>) {
        self.refusals.retain(|refusal| tried.contains(&refusal.endpoint));
        self.refusals.extend(refusals.into_iter().filter(|refusal| !tried.contains(&refusal.endpoint)));
    }

    pub(super) fn refused(&mut self, endpoint: &Arc<str>, reason: RefusalReason) {
        self.refusals.push(Refusal { endpoint: Arc::clone(endpoint), reason });
    }

    /// Takes note of an end; the result of the fetch, if it decides it.
    pub(super) fn hear(
        &mut self,
        caller: &Caller<S>,
        call: &Arc<SourceCall<S>>,
        end: End<Answered<S>>,
    ) -> Option<LoadResult<S>> {
        let is_late = self.heard.contains(&call.number);
        self.opinions += u32::from(self.has_flawed() && !is_late);
        let result = self.hear_end(caller, call, end, is_late);
        match &result {
            Some(Ok(Loaded::Value(_) | Loaded::ValueFor(..))) => result,
            // A usable answer is in hand: it is never given up for an error, nor for nothing.
            Some(_) => self.best_flawed().or(result),
            None if self.opinions >= caller.quality.second_opinions => self.best_flawed(),
            None => None,
        }
    }

    fn hear_end(
        &mut self,
        caller: &Caller<S>,
        call: &Arc<SourceCall<S>>,
        end: End<Answered<S>>,
        is_late: bool,
    ) -> Option<LoadResult<S>> {
        if !is_late && self.attempts.len() < MAX_ATTEMPTS {
            self.heard.push(call.number);
            self.attempts.extend(call.record.get().cloned());
        }
        let endpoint = Arc::clone(call.endpoint.name());
        let answer = match end {
            End::Answered(answer) => answer,
            End::TimedOut => {
                self.failed_for_now = true;
                self.failure = Some(FetchErrorKind::TimedOut);
                return None;
            }
            End::Panicked(_) => {
                self.failed_for_now = true;
                self.failure = Some(FetchErrorKind::Panicked);
                return None;
            }
            End::Dropped if caller.is_closed() => {
                return Some(Err(FetchError::new(FetchErrorKind::ShuttingDown, false, None)));
            }
            End::Dropped => {
                self.refused(&endpoint, RefusalReason::NoThread);
                return None;
            }
        };
        if is_late && !matches!(answer.verdict, Verdict::Good | Verdict::GoodFor(_)) {
            return None;
        }
        match (answer.verdict, &answer.result) {
            (Verdict::Good | Verdict::GoodFor(_), Ok(_)) => return self.weigh(call, answer),
            (Verdict::Missing, _) => return Some(Ok(Loaded::Missing)),
            (Verdict::NotHere, _) => self.not_here += 1,
            (Verdict::Ignore, Err(_)) => return Some(Err(Self::source_error(endpoint, answer.result))),
            (_, Err(_)) => {
                self.failed_for_now = true;
                self.failure =
                    answer.result.err().map(|error| FetchErrorKind::Source { endpoint, error: Arc::new(error) });
            }
            // The host calls its own answer unusable.
            (_, Ok(_)) => {
                self.failed_for_now = true;
                self.failure = Some(FetchErrorKind::Unusable { endpoint });
            }
        }
        None
    }

    fn source_error(endpoint: Arc<str>, result: Result<S::Response, S::Error>) -> FetchErrorOf<S> {
        let kind = result.err().map_or(FetchErrorKind::Unusable { endpoint: Arc::clone(&endpoint) }, |error| {
            FetchErrorKind::Source { endpoint, error: Arc::new(error) }
        });
        FetchError::new(kind, true, None)
    }

    /// A usable answer: a clean one is taken, a flawed one is kept while others are asked, an unusable one is
    /// an error that carries it.
    fn weigh(&mut self, call: &Arc<SourceCall<S>>, answer: Answered<S>) -> Option<LoadResult<S>> {
        match answer.quality.as_ref().map_or(Grade::Clean, |(_, grade)| *grade) {
            Grade::Clean => return Some(self.deliver(call, answer)),
            Grade::Flawed => {
                let score = |answer: &Answered<S>| answer.quality.as_ref().map_or(0.0, |(report, _)| report.score);
                if self.flawed.as_ref().is_none_or(|(_, best)| score(best) < score(&answer)) {
                    self.flawed = Some((Arc::clone(call), answer));
                }
            }
            Grade::Unusable => {
                let endpoint = Arc::clone(call.endpoint.name());
                if let (Some((report, _)), Ok(response)) = (answer.quality, answer.result) {
                    let (report, response) = (Arc::new(report), Arc::new(response));
                    self.failure = Some(FetchErrorKind::BadData { endpoint, report, response });
                }
            }
        }
        None
    }

    /// The best flawed answer, marked.
    pub(super) fn best_flawed(&mut self) -> Option<LoadResult<S>> {
        let (call, answer) = self.flawed.take()?;
        Some(self.deliver(&call, answer))
    }

    /// Whether the calls of this round may be made again: somebody failed for now, or was not asked.
    pub(super) fn may_pass(&self) -> bool {
        !self.called_in_round || self.failed_for_now || !self.refusals.is_empty()
    }

    pub(super) fn has_flawed(&self) -> bool {
        self.flawed.is_some()
    }

    fn deliver(&self, call: &Arc<SourceCall<S>>, answer: Answered<S>) -> LoadResult<S> {
        let endpoint = Arc::clone(call.endpoint.name());
        call.loaded(answer, &self.all_attempts()).map_err(|answer| Self::source_error(endpoint, answer.result))
    }

    /// Those called, then those refused in the last round.
    pub(super) fn all_attempts(&self) -> Vec<AttemptRecord> {
        let refused = self.refusals.iter().map(|refusal| AttemptRecord {
            endpoint: Arc::clone(&refusal.endpoint),
            outcome: AttemptOutcome::Refused,
            detail: Some(one_line(&refusal.reason.to_string())),
            latency: std::time::Duration::ZERO,
            cost: 0.0,
            quality: None,
            is_hedge: false,
        });
        self.attempts.iter().cloned().chain(refused).take(MAX_ATTEMPTS).collect()
    }

    /// Whether every endpoint that this fetch may ask said that it does not have it.
    pub(super) fn is_not_here(&self) -> bool {
        self.not_here > 0 && self.failure.is_none() && self.refusals.is_empty()
    }

    /// Whether every endpoint that could have it, for whomever, said that it does not.
    pub(super) fn is_nowhere(&self) -> bool {
        self.is_not_here() && self.not_here >= self.serving
    }

    /// The error of a fetch that found nothing.
    pub(super) fn error(&mut self, caller: &Caller<S>, is_over: bool) -> FetchErrorOf<S> {
        // Of a caller without patience, or with wishes of its own, nobody else learns anything.
        let is_callers = self.options.is_narrow() || (is_over && self.failure.is_none());
        if !is_over && self.is_not_here() {
            return FetchError::new(FetchErrorKind::Missing, true, None).callers_own();
        }
        let kind = match self.failure.take() {
            Some(failure) => failure,
            None if self.refusals.is_empty() && self.calls == 0 && !is_over => {
                FetchErrorKind::Unserved { category: Arc::clone(&caller.categories.get(self.category).name) }
            }
            None if is_over => FetchErrorKind::TimedOut,
            None => FetchErrorKind::NoEndpoint { refusals: self.refusals.as_slice().into() },
        };
        let retry_after = match kind {
            FetchErrorKind::Unserved { .. } => None,
            _ => caller.earliest(self.category, self.options),
        };
        let error = FetchError::new(kind, self.calls > 0, retry_after);
        if is_callers { error.callers_own() } else { error }
    }

    /// The record for listeners.
    pub(super) fn record(&self, caller: &Caller<S>, result: &LoadResult<S>, now: Tick) -> FetchRecord {
        let (endpoint, error) = match result {
            Ok(Loaded::Value(stored) | Loaded::ValueFor(stored, _)) => (Some(Arc::clone(&stored.endpoint)), None),
            Ok(_) => (None, None),
            Err(error) => (None, Some(error.kind().as_str())),
        };
        FetchRecord {
            category: Arc::clone(&caller.categories.get(self.category).name),
            key_hash: self.key_hash,
            status: endpoint.is_some().then_some(CacheStatus::Loaded),
            age: endpoint.is_some().then(|| now.since(self.started)),
            endpoint,
            error,
            attempts: self.all_attempts().into(),
            rounds: self.round,
            is_background: self.is_background,
            elapsed: now.since(self.started),
        }
    }
}

/// Turns a record keeps; a fetch with more says so by its rounds.
const MAX_ATTEMPTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::Call;

    struct Nothing;

    impl Source for Nothing {
        type Request = u32;
        type Response = u32;
        type Error = std::io::Error;

        fn call(&self, _call: &Call<'_>, request: &u32) -> Result<u32, std::io::Error> {
            Ok(*request)
        }
    }

    #[test]
    fn another_ranking_keeps_what_was_refused_before_it() {
        let options = FetchOptions::new();
        let mut story = Story::<Nothing>::new(&1, (0, 0), &options, Deadline::never(), Tick(1));
        let [a, b, c] = ["a", "b", "c"].map(Arc::<str>::from);
        let by_ranking =
            |endpoint: &Arc<str>| Refusal { endpoint: Arc::clone(endpoint), reason: RefusalReason::NoThread };
        story.begin_round(3, vec![by_ranking(&c)]);
        story.refused(&a, RefusalReason::Saturated { in_flight: 1 });
        story.look_again(&[Arc::clone(&a)], vec![by_ranking(&a), by_ranking(&b)]);
        let left: Vec<(&str, bool)> =
            story.refusals.iter().map(|of| (&*of.endpoint, of.reason == RefusalReason::NoThread)).collect();
        assert_eq!(left, [("a", false), ("b", true)], "a had its turn, c may be asked now");
    }
}
