//! The rate rule, pure: finds the rate a source accepts from its "too many" answers alone.
//!
//! Every fact used is one that a client has: which calls were accepted, which refused, and when they
//! had started. `docs/DESIGN.md` says what each mechanism is worth; in short:
//!
//! * *Unknown wall*: the rate doubles every [`DOUBLING`] until the first refusal.
//! * *Episodes*: only a refused call that started after the last cut cuts again: the answers still
//!   under way when a cut is made belong to it.
//! * *Known wall*: the rate at the refusal. The gap to it closes quickly, then growth is slow at first
//!   and faster the longer no refusal comes. Above the wall it grows with the distance: the wall has
//!   moved.
//! * *Budget*: the more refusals in the last minute, whatever the number of calls, the flatter the
//!   growth and the deeper the cuts: sources count refusals, and ban those who have too many.
//! * *Silence*: a source that has accepted nothing for a time bears less than one call in that time,
//!   so the next call waits as long again. A silence of some length is no rate limit but a spent
//!   window or a ban: the calls of one whole cycle give the rate afterwards; it is trusted for a
//!   cycle, and twice as long each time that it is confirmed.
//! * *Use*: a rate nobody draws on does not grow.

use std::time::Duration;

use super::{LimiterConfig, RateBound, RateControl};
use crate::clock::{Tick, seconds};

/// Beats in which the rate doubles while no wall is known.
const DOUBLING: f64 = 1.5;
/// What the first refusal of all leaves of the rate.
const FIRST_CUT: f64 = 0.6;
/// Where the wall is assumed then, in rates.
const FIRST_WALL: f64 = 0.8;
/// What a later one leaves of it, how much less for each other refusal of the last minute, and the
/// least.
const CUT: f64 = 0.9;
const DEEPER: f64 = 0.1;
const DEEPEST: f64 = 0.5;
/// Share of the wall to which the gap closes, and the beats it takes to close it by 63 %.
const NEAR: f64 = 0.95;
const GAP_BEATS: f64 = 1.0;
/// Growth near the wall, a beat, and the beats without refusal that double it.
const GROWTH: f64 = 0.015;
const GROWTH_BEATS: f64 = 4.0;
/// From this share of the wall on the distance grows by itself, by this much a beat.
const EDGE: f64 = 0.99;
const BEYOND: f64 = 1.6;
/// So far above the wall there is none.
const GONE: f64 = 1.3;
/// Refusals a minute that flatten growth.
const BUDGET: f64 = 3.0;
/// What flattening leaves of growth.
const FLATTEST: f64 = 0.08;
/// A silence of this length is no rate limit.
const BLACKOUT: Duration = Duration::from_secs(1);
/// The longest pause of a silence, in seconds.
const LONGEST_PAUSE: f64 = 8.0;
/// A longer cycle teaches nothing, and no cycle is trusted for longer.
const LONGEST_CYCLE: f64 = 600.0;
/// The rule of the design: weight of an error and of a success, and the marks between which the
/// rate rests.
const ERROR_STEP: f64 = 0.05;
const SUCCESS_STEP: f64 = 0.01;
const ERRORS_HIGH: f64 = 0.1;
const ERRORS_LOW: f64 = 0.01;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Controller {
    pub(super) rate: f64,
    control: RateControl,
    min: f64,
    max: f64,
    /// The rate at the last refusal that cut, while it is believed.
    wall: Option<f64>,
    cut_at: Tick,
    grown_at: Tick,
    use_: Use,
    budget: Budget,
    silence: Silence,
    /// Errors of the design's rule, 0 to 1.
    errors: f64,
}

impl Controller {
    pub(super) fn new(config: &LimiterConfig, now: Tick) -> Self {
        Self {
            rate: config.initial_rate_per_sec,
            control: config.control,
            min: config.min_rate_per_sec,
            max: config.max_rate_per_sec,
            wall: None,
            cut_at: Tick::default(),
            grown_at: now,
            use_: Use { since: now, calls: 0, rate: 0.0 },
            budget: Budget { refused: 0.0, at: now },
            silence: Silence {
                from: None,
                rate_before: 0.0,
                cycle_from: now,
                cycle_calls: 0,
                firm_until: Tick::default(),
                firm_cycles: 1.0,
            },
            errors: 0.0,
        }
    }

    pub(super) fn control(&self) -> RateControl {
        self.control
    }

    pub(super) fn set_control(&mut self, control: RateControl) {
        self.control = control;
    }

    /// Other bounds; the rate is moved between them.
    pub(super) fn set_bounds(&mut self, min: f64, max: f64) {
        (self.min, self.max) = (min, max);
        self.set(self.rate);
    }

    pub(super) fn bounds(&self) -> (f64, f64) {
        (self.min, self.max)
    }

    /// Forgets what was learned, and begins at this rate.
    pub(super) fn restart(&mut self, rate: f64, now: Tick) {
        let Self { control, min, max, .. } = *self;
        let config =
            LimiterConfig { control, min_rate_per_sec: min, max_rate_per_sec: max, ..LimiterConfig::default() };
        *self = Self::new(&config.initial_rate_per_sec(rate.clamp(min, max)), now);
    }

    /// Where the rate is, that was at `before`.
    pub(super) fn bound(&self, before: RateBound) -> RateBound {
        before.next(self.rate, self.min, self.max)
    }

    pub(super) fn is_at_bound(&self) -> bool {
        self.rate <= self.min || self.rate >= self.max
    }

    /// So many calls more were accepted, in the same moment as others.
    pub(super) fn count(&mut self, accepted: u32) {
        self.use_.calls = self.use_.calls.saturating_add(accepted);
        self.silence.cycle_calls = self.silence.cycle_calls.saturating_add(accepted);
    }

    /// A call that had started at `started` was accepted.
    pub(super) fn accepted(&mut self, started: Tick, now: Tick) {
        self.errors = (self.errors - SUCCESS_STEP).max(0.0);
        if self.control != RateControl::Adaptive {
            return;
        }
        let beat = self.ended(now);
        if let Some(found) = self.silence.accepted(started, self.cut_at, now) {
            self.wall = Some(found);
            self.set(found.max(self.rate));
        }
        let quiet = now.since(self.cut_at).as_secs_f64() / beat;
        let beats = (now.since(self.grown_at).as_secs_f64() / beat).min(1.0);
        self.grown_at = now;
        if 2.0 * self.use_.rate >= self.rate {
            self.grow(beats, quiet);
        }
    }

    fn grow(&mut self, beats: f64, quiet: f64) {
        let Some(wall) = self.wall.filter(|wall| self.rate <= wall * GONE) else {
            self.wall = None;
            self.set(self.rate * (beats / DOUBLING).exp2());
            return;
        };
        let gap = (wall * NEAR - self.rate).max(0.0) * (1.0 - (-beats / GAP_BEATS).exp());
        if self.grown_at < self.silence.firm_until {
            self.set((self.rate + gap) * (1.0 + GROWTH * FLATTEST * beats));
            return;
        }
        let beyond = (self.rate + gap - wall * EDGE).max(0.0) * BEYOND * beats;
        let growth = GROWTH * (1.0 + quiet / GROWTH_BEATS) * self.budget.left() * beats;
        self.set((self.rate + gap) * (1.0 + growth) + beyond);
    }

    /// A call was refused that had started at `started` beside `alongside` others; how long nobody
    /// should ask.
    pub(super) fn limited(
        &mut self,
        started: Tick,
        alongside: u64,
        retry_after: Option<Duration>,
        now: Tick,
    ) -> Duration {
        let pause = retry_after.unwrap_or_default();
        self.errors = (self.errors + ERROR_STEP).min(1.0);
        if self.control != RateControl::Adaptive {
            return pause;
        }
        self.ended(now);
        self.budget.refused += 1.0;
        if started <= self.cut_at {
            return pause;
        }
        let (cut, wall) =
            if self.wall.is_none() { (FIRST_CUT, self.rate * FIRST_WALL) } else { (self.budget.cut(), self.rate) };
        // A source that tells the time to wait needs no guess.
        let interval = match retry_after {
            None => self.silence.refused(started, alongside, self.rate),
            Some(_) => 0.0,
        };
        self.wall = Some(wall);
        (self.cut_at, self.grown_at) = (now, now);
        self.set((self.rate * cut).min(1.0 / interval));
        pause.max(seconds(interval.min(LONGEST_PAUSE)))
    }

    /// A call was refused for another reason than the rate: what refusals have taught is void.
    pub(super) fn explained(&mut self) {
        self.wall = None;
    }

    /// A call failed in another way: the adaptive rule learns nothing about the limit from it.
    pub(super) fn failed(&mut self) {
        self.errors = (self.errors + ERROR_STEP).min(1.0);
    }

    /// A call was granted: the design's rule moves the rate here, in whole numbers.
    pub(super) fn granted(&mut self) {
        if self.control == RateControl::ErrorRate {
            if self.errors > ERRORS_HIGH {
                self.set((self.rate * 0.9).floor());
            } else if self.errors < ERRORS_LOW {
                self.set((self.rate * 1.1).floor());
            }
        }
    }

    /// Counts an ended call; the beat of time in seconds, a second or four permits.
    fn ended(&mut self, now: Tick) -> f64 {
        let beat = (4.0 / self.rate).max(1.0);
        self.use_.count(beat, now);
        self.budget.fade(now);
        beat
    }

    fn set(&mut self, rate: f64) {
        self.rate = rate.clamp(self.min, self.max);
    }
}

/// How many calls a second are made.
#[derive(Debug, Clone, PartialEq)]
struct Use {
    since: Tick,
    calls: u32,
    rate: f64,
}

impl Use {
    fn count(&mut self, beat: f64, now: Tick) {
        self.calls = self.calls.saturating_add(1);
        let time = now.since(self.since).as_secs_f64();
        if time >= beat {
            self.rate = f64::from(self.calls) / time;
            (self.since, self.calls) = (now, 0);
        }
    }
}

/// Refusals of about the last minute.
#[derive(Debug, Clone, PartialEq)]
struct Budget {
    refused: f64,
    at: Tick,
}

impl Budget {
    fn fade(&mut self, now: Tick) {
        self.refused *= (-now.since(self.at).as_secs_f64() / 60.0).exp();
        self.at = now;
    }

    /// What refusals leave of growth.
    fn left(&self) -> f64 {
        (1.0 - self.refused / BUDGET).max(FLATTEST)
    }

    /// What the newest refusal leaves of the rate.
    fn cut(&self) -> f64 {
        (CUT - DEEPER * (self.refused - 1.0)).max(DEEPEST)
    }
}

/// A source that refuses everything for a while.
#[derive(Debug, Clone, PartialEq)]
struct Silence {
    /// When the first call started that was refused since the last acceptance.
    from: Option<Tick>,
    rate_before: f64,
    /// Since the end of the last blackout: the calls accepted.
    cycle_from: Tick,
    cycle_calls: u32,
    /// Until then the rate of the last cycle is trusted, and for how many cycles.
    firm_until: Tick,
    firm_cycles: f64,
}

impl Silence {
    /// An acceptance; the rate of the cycle that it ends, if it ends one.
    fn accepted(&mut self, started: Tick, refused_at: Tick, now: Tick) -> Option<f64> {
        self.cycle_calls = self.cycle_calls.saturating_add(1);
        let from = self.from.filter(|from| started > *from)?;
        self.from = None;
        if started.since(from) < BLACKOUT {
            return None;
        }
        // The cycle has ended at some time between the last refusal and now.
        let end = now.before(now.since(refused_at) / 2);
        let cycle = end.since(self.cycle_from).as_secs_f64();
        let rate = f64::from(self.cycle_calls - 1) / cycle.max(1.0);
        (self.cycle_from, self.cycle_calls) = (end, 1);
        if cycle > LONGEST_CYCLE {
            return Some(self.rate_before);
        }
        let was_firm = now < self.firm_until.after(seconds(cycle));
        self.firm_cycles = if was_firm { self.firm_cycles * 2.0 } else { 1.0 };
        self.firm_until = now.after(seconds((cycle * self.firm_cycles).min(LONGEST_CYCLE)));
        Some(rate.min(self.rate_before) * 1.03)
    }

    /// A refusal; the seconds that the source needs for a call at least, as far as can be seen: the
    /// calls in flight may be accepted yet.
    fn refused(&mut self, started: Tick, alongside: u64, rate: f64) -> f64 {
        if self.from.is_none() {
            self.rate_before = rate;
        }
        let lasts = started.since(*self.from.get_or_insert(started));
        lasts.as_secs_f64() / (alongside as f64 + 1.0)
    }
}
