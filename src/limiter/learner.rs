//! Learning from ended calls: moves the rate of the line and the cap of calls in flight, and says when an
//! operator should know.

use std::time::Duration;

use super::controller::Controller;
use super::in_flight::InFlightGuard;
use super::in_flight_cap::InFlightCap;
use super::metrics::LimiterMetrics;
use super::wait_queue::WaitQueue;
use super::{LimiterConfig, LimiterEventKind, RateBound, RateControl};
use crate::clock::Tick;
use crate::outcome::Outcome;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A rate changed by less than this share is not worth reopening the lane.
const NOTABLE: f64 = 0.002;
/// Of one kind, operators are told at most once in this time.
const QUIET: Duration = Duration::from_secs(60);
/// Acceptances this soon after one that was looked at are only counted: they say nothing that it has not.
const MOMENT: Duration = Duration::from_millis(1);

pub(super) struct Learner {
    state: Mutex<State>,
    /// As in the state, for those who only read it.
    control: AtomicU8,
    /// When an acceptance was looked at last, and those since that were only counted.
    looked_at: AtomicU64,
    uncounted: AtomicU64,
}

/// What an ended call says about itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedCall {
    pub(super) started: Tick,
    /// Calls that were in flight already when it started, if it was counted.
    pub(super) alongside: Option<u64>,
}

/// What changes in the line, and what to tell.
#[derive(Default)]
pub(super) struct Lesson {
    pub(super) pause: Option<Duration>,
    pub(super) told: Vec<Told>,
}

/// Something to tell, with its number.
pub(super) struct Told {
    pub(super) sequence: u64,
    pub(super) what: LimiterEventKind,
}

pub(super) struct State {
    pub(super) controller: Controller,
    guard: InFlightGuard,
    /// The rate the line has.
    shown: f64,
    told: RateBound,
    bound_told_at: Option<Tick>,
    cap_told_at: Option<Tick>,
    sequence: u64,
}

impl Learner {
    pub(super) fn new(config: &LimiterConfig, now: Tick) -> Self {
        let control = AtomicU8::new(code(config.control));
        let (looked_at, uncounted) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { state: Mutex::new(State::new(config, now)), control, looked_at, uncounted }
    }

    /// Whether an acceptance needs no look; it is counted then.
    #[inline]
    pub(super) fn only_counts(&self, now: Tick) -> bool {
        let is_soon = now.since(Tick(self.looked_at.load(Ordering::Relaxed))) < MOMENT;
        let only_counts = is_soon && self.control() == RateControl::Adaptive;
        if only_counts {
            self.uncounted.fetch_add(1, Ordering::Relaxed);
        }
        only_counts
    }

    /// An acceptance is looked at; those that were only counted before.
    pub(super) fn look(&self, now: Tick) -> u32 {
        self.looked_at.store(now.0, Ordering::Relaxed);
        u32::try_from(self.uncounted.swap(0, Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(super) fn control(&self) -> RateControl {
        match self.control.load(Ordering::Relaxed) {
            0 => RateControl::Adaptive,
            1 => RateControl::ErrorRate,
            _ => RateControl::Fixed,
        }
    }

    /// The rate the line has, and where it is between its bounds.
    pub(super) fn rate(&self) -> (f64, RateBound) {
        let state = self.state.lock();
        (state.shown, state.controller.bound(state.told))
    }

    /// Changes what is known, and gives the line the new rate; in one step, so that an older one never comes
    /// last.
    pub(super) fn teach(
        &self,
        queue: &WaitQueue,
        metrics: &LimiterMetrics,
        now: Tick,
        change: impl FnOnce(&mut State) -> Lesson,
    ) -> Vec<Told> {
        let mut state = self.state.lock();
        let mut lesson = change(&mut state);
        self.control.store(code(state.controller.control()), Ordering::Relaxed);
        if state.show(queue, lesson.pause, now) {
            let bound = state.controller.bound(state.told);
            metrics.show(state.shown, bound);
        }
        lesson.told.extend(state.bound_alarm(now));
        drop(state);
        lesson.told
    }
}

impl State {
    fn new(config: &LimiterConfig, now: Tick) -> Self {
        let controller = Controller::new(config, now);
        let shown = controller.rate;
        let told = controller.bound(RateBound::Between);
        let guard = InFlightGuard::new(now);
        Self { controller, guard, shown, told, bound_told_at: None, cap_told_at: None, sequence: 0 }
    }

    /// Forgets what was learned.
    pub(super) fn reset(&mut self, initial: f64, now: Tick) {
        self.controller.restart(initial, now);
        self.guard = InFlightGuard::new(now);
    }

    /// A call has ended.
    pub(super) fn learn(
        &mut self,
        call: EndedCall,
        outcome: Outcome,
        max_pause: Duration,
        places: &InFlightCap,
        now: Tick,
    ) -> Lesson {
        let mut lesson = Lesson::default();
        match outcome {
            Outcome::Success => self.controller.accepted(call.started, now),
            Outcome::Limited { retry_after } => {
                let kept = retry_after.map(|asked| asked.min(max_pause));
                if let Some(asked) = retry_after.filter(|asked| *asked > max_pause) {
                    lesson.told.extend(self.cap_alarm(asked, max_pause, now));
                }
                lesson.pause = Some(self.refused(call, kept, now));
            }
            Outcome::TimedOut | Outcome::Failure | Outcome::FailureFor(_) => self.controller.failed(),
            Outcome::Ignored => {}
        }
        if let Some(alongside) = call.alongside {
            match outcome {
                Outcome::Success => self.guard.answered(call.started, alongside, places.was_bound(), now),
                Outcome::TimedOut => self.guard.timed_out(call.started, now),
                _ => {}
            }
            let cap = self.guard.cap();
            places.learn((cap < u64::MAX).then_some(cap));
        }
        lesson
    }

    /// Acceptances that were only counted.
    pub(super) fn count(&mut self, accepted: u32) {
        self.controller.count(accepted);
        self.guard.count(accepted);
    }

    /// A call was refused: too many at once, or too many in time; the pause to make.
    fn refused(&mut self, call: EndedCall, retry_after: Option<Duration>, now: Tick) -> Duration {
        let EndedCall { started, alongside } = call;
        if alongside.is_some_and(|alongside| self.guard.refused(started, alongside, now)) {
            self.controller.explained();
            return retry_after.unwrap_or_default();
        }
        self.controller.limited(started, alongside.unwrap_or_default(), retry_after, now)
    }

    /// Gives the line the rate and a pause, if there is anything new.
    fn show(&mut self, queue: &WaitQueue, pause: Option<Duration>, now: Tick) -> bool {
        let rate = self.controller.rate;
        let is_at_bound = self.controller.is_at_bound() && rate.to_bits() != self.shown.to_bits();
        let is_notable = is_at_bound || (rate - self.shown).abs() > NOTABLE * self.shown;
        if !is_notable && pause.is_none() {
            return false;
        }
        self.shown = rate;
        queue.set_rate(rate, pause, now);
        true
    }

    /// A bound was reached or left, and the last of these was more than a minute ago.
    fn bound_alarm(&mut self, now: Tick) -> Option<Told> {
        let (from, to) = (self.told, self.controller.bound(self.told));
        if from == to || self.bound_told_at.is_some_and(|at| now.since(at) < QUIET) {
            return None;
        }
        (self.told, self.bound_told_at) = (to, Some(now));
        Some(self.tell(LimiterEventKind::Bound { from, to, rate_per_sec: self.controller.rate }))
    }

    fn cap_alarm(&mut self, asked: Duration, kept: Duration, now: Tick) -> Option<Told> {
        if self.cap_told_at.is_some_and(|at| now.since(at) < QUIET) {
            return None;
        }
        self.cap_told_at = Some(now);
        Some(self.tell(LimiterEventKind::PauseCapped { asked, kept }))
    }

    fn tell(&mut self, what: LimiterEventKind) -> Told {
        self.sequence += 1;
        Told { sequence: self.sequence, what }
    }
}

fn code(control: RateControl) -> u8 {
    match control {
        RateControl::Adaptive => 0,
        RateControl::ErrorRate => 1,
        RateControl::Fixed => 2,
    }
}
