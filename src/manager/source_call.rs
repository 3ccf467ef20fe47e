//! One call of a source with its guards: what runs on the call's thread, and how its end is booked.

use std::sync::{Arc, OnceLock};

use super::answer::{Grade, grade};
use super::call::Call;
use super::caller::{Caller, FetchErrorOf, StoredOf};
use super::calls::{End, Work};
use super::fetched::Stored;
use super::guarded::{Guarded, Place};
use super::record::{AttemptOutcome, AttemptRecord, one_line};
use super::source::Source;
use super::verdict::Verdict;
use crate::breaker::OwnedCallPermit;
use crate::cache::{LateTicket, Loaded};
use crate::chain::{self, Chain};
use crate::clock::Deadline;
use crate::limiter::OwnedRatePermit;
use crate::outcome::Outcome;
use crate::quality::QualityReport;
use crate::router::OwnedInFlight;
use crate::sync::Mutex;

/// What a call holds until its end is known.
pub(super) struct Guards {
    pub(super) in_flight: OwnedInFlight,
    pub(super) token: OwnedRatePermit,
    pub(super) permit: OwnedCallPermit,
}

/// What a call gave, judged.
pub(super) struct Answered<S: Source> {
    pub(super) result: Result<S::Response, S::Error>,
    pub(super) verdict: Verdict,
    /// For a good answer that is a series.
    pub(super) quality: Option<(QualityReport, Grade)>,
    /// The host's error in words, which are the host's code.
    detail: Option<Arc<str>>,
}

/// One call of a source.
pub(super) struct SourceCall<S: Source> {
    pub(super) caller: Arc<Caller<S>>,
    pub(super) endpoint: Arc<Guarded>,
    pub(super) category: usize,
    pub(super) request: S::Request,
    pub(super) key_hash: u64,
    pub(super) deadline: Deadline,
    pub(super) number: u32,
    pub(super) is_background: bool,
    pub(super) is_hedge: bool,
    pub(super) guards: Mutex<Option<Guards>>,
    pub(super) place: Mutex<Option<Place>>,
    pub(super) chain: Chain,
    pub(super) span: tracing::Span,
    pub(super) late: Option<LateTicket<S::Request, StoredOf<S>, FetchErrorOf<S>>>,
    /// Written once, when the call is settled.
    pub(super) record: OnceLock<AttemptRecord>,
}

impl<S: Source> Work for SourceCall<S> {
    type Output = Answered<S>;

    fn run(&self) -> Answered<S> {
        let _in_chain = self.chain.clone().enter();
        // Whatever is fetched from here is nested in this call.
        let _in_call = chain::enter([std::ptr::from_ref(self).addr()]);
        let _in_span = self.span.enter();
        let source = &self.caller.source;
        let call = Call {
            endpoint: &self.endpoint.config.spec,
            category: &self.caller.categories.get(self.category).name,
            deadline: self.deadline,
            clock: &self.caller.clock,
            attempt: self.number,
            is_background: self.is_background,
            is_hedge: self.is_hedge,
        };
        let result = source.call(&call, &self.request);
        let verdict = source.judge(&self.request, result.as_ref());
        let quality = match (&result, verdict) {
            (Ok(response), Verdict::Good | Verdict::GoodFor(_)) => self.check(response),
            _ => None,
        };
        let detail = result.as_ref().err().map(|error| one_line(&error.to_string()));
        Answered { result, verdict, quality, detail }
    }

    fn settle(&self, end: &End<Answered<S>>) {
        let Some(guards) = self.guards.lock().take() else { return };
        let Some((status, mut outcome)) = meaning(end) else {
            // No call was made: whatever was taken for it goes back.
            drop(guards);
            return;
        };
        let is_overdue = || self.deadline.has_passed(self.caller.clock.now());
        if status == AttemptOutcome::Failed && is_overdue() {
            // The source has kept the deadline it was given, by giving up.
            outcome = Outcome::TimedOut;
        }
        let settled = guards.in_flight.finish(outcome);
        guards.token.finish(outcome);
        guards.permit.finish(outcome);
        self.endpoint.metrics.record(self.category, status, settled.latency, settled.charged);
        self.remember(outcome, end);
        let record = AttemptRecord {
            endpoint: Arc::clone(self.endpoint.name()),
            outcome: status,
            detail: detail(end),
            latency: settled.latency,
            cost: settled.charged,
            quality: quality_of(end).map(|(report, _)| report.score),
            is_hedge: self.is_hedge,
        };
        // The first end stays: `settle` is called once.
        let _is_first = self.record.set(record).is_ok();
        self.caller.changes.tell();
    }

    fn late(&self, answer: Answered<S>) {
        let Some(ticket) = &self.late else { return };
        let is_clean = answer.quality.as_ref().is_none_or(|(_, grade)| *grade == Grade::Clean);
        if let (true, Ok(loaded)) = (is_clean, self.loaded(answer, &[])) {
            ticket.offer(loaded);
        }
    }

    fn ended(&self) {
        let place = self.place.lock().take();
        drop(place);
        self.caller.changes.tell();
    }
}

impl<S: Source> SourceCall<S> {
    fn check(&self, response: &S::Response) -> Option<(QualityReport, Grade)> {
        let config = &self.caller.quality;
        if !config.rules.enabled {
            return None;
        }
        let series = self.caller.source.series(&self.request, response)?;
        let report = self.caller.validator.validate_for(&series, &self.endpoint.metrics.quality);
        let grade = grade(&report, &series, self.caller.source.expects_rows(&self.request), config);
        Some((report, grade))
    }

    /// What the manager keeps in mind of this end.
    fn remember(&self, outcome: Outcome, end: &End<Answered<S>>) {
        let memory = &self.endpoint.memory;
        if outcome.is_failure() {
            memory.failed();
        } else if outcome == Outcome::Success && memory.succeeded() {
            self.caller.recovered(&self.endpoint);
        }
        if let Some((report, grade)) = quality_of(end) {
            // Distinct requests count: a symbol that everybody asks for is one symbol.
            if *grade == Grade::Clean || memory.is_new_flaw(self.category, self.key_hash) {
                self.caller.router.record_quality(self.endpoint.name(), self.category, grade.badness(report));
            }
        }
    }

    /// A good answer as the caches keep it; anything else comes back.
    #[expect(clippy::result_large_err, reason = "it goes straight back to whoever had it")]
    pub(super) fn loaded(
        &self,
        answer: Answered<S>,
        attempts: &[AttemptRecord],
    ) -> Result<Loaded<StoredOf<S>>, Answered<S>> {
        let ttl = match answer.verdict {
            Verdict::Good => None,
            Verdict::GoodFor(ttl) => Some(ttl),
            _ => return Err(answer),
        };
        let Answered { result, verdict, quality, detail } = answer;
        let response = match result {
            Ok(response) => response,
            Err(error) => return Err(Answered { result: Err(error), verdict, quality, detail }),
        };
        let is_flawed = quality.as_ref().is_some_and(|(_, grade)| *grade != Grade::Clean);
        let quality = quality.map(|(report, _)| Arc::new(report));
        let endpoint = Arc::clone(self.endpoint.name());
        let stored = Stored { response, endpoint, quality, is_flawed, attempts: attempts.into() };
        Ok(match ttl {
            None => Loaded::Value(stored),
            Some(ttl) => Loaded::ValueFor(stored, ttl),
        })
    }
}

fn quality_of<S: Source>(end: &End<Answered<S>>) -> Option<&(QualityReport, Grade)> {
    if let End::Answered(answer) = end { answer.quality.as_ref() } else { None }
}

/// What an end is called, and what it means to the guards; none if no call was made. Flawed and unusable data are no outage: they
/// neither open a breaker nor eject.
fn meaning<S: Source>(end: &End<Answered<S>>) -> Option<(AttemptOutcome, Outcome)> {
    let answer = match end {
        End::Answered(answer) => answer,
        End::TimedOut => return Some((AttemptOutcome::TimedOut, Outcome::TimedOut)),
        End::Panicked(_) => return Some((AttemptOutcome::Panicked, Outcome::Failure)),
        End::Dropped => return None,
    };
    Some(match answer.verdict {
        Verdict::Good | Verdict::GoodFor(_) if answer.result.is_err() => (AttemptOutcome::Failed, Outcome::Failure),
        Verdict::Good | Verdict::GoodFor(_) => match answer.quality.as_ref().map(|(_, grade)| *grade) {
            Some(Grade::Unusable) => (AttemptOutcome::Unusable, Outcome::Success),
            Some(Grade::Flawed) => (AttemptOutcome::Flawed, Outcome::Success),
            Some(Grade::Clean) | None => (AttemptOutcome::Ok, Outcome::Success),
        },
        Verdict::Missing => (AttemptOutcome::Missing, Outcome::Success),
        Verdict::NotHere => (AttemptOutcome::NotHere, Outcome::Success),
        Verdict::Bad => (AttemptOutcome::Failed, Outcome::Failure),
        Verdict::BadFor(time) => (AttemptOutcome::Failed, Outcome::FailureFor(time)),
        Verdict::Limited { retry_after } => (AttemptOutcome::Limited, Outcome::Limited { retry_after }),
        Verdict::Ignore => (AttemptOutcome::Ignored, Outcome::Ignored),
    })
}

/// What a record says beside the outcome.
fn detail<S: Source>(end: &End<Answered<S>>) -> Option<Arc<str>> {
    match end {
        End::Answered(Answered { result: Err(_), detail, .. }) => detail.clone(),
        End::Answered(Answered { quality: Some((report, grade)), .. }) if *grade != Grade::Clean => {
            Some(one_line(&report.to_string()))
        }
        End::Panicked(text) => Some(one_line(text)),
        End::Answered(_) | End::TimedOut | End::Dropped => None,
    }
}
