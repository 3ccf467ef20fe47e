//! A flight: one load of one key, and all who wait for it.
//!
//! ```text
//! Queued --- pool worker or foreground caller starts it ---> Running ---> Done(outcome)
//!    |                                                          |
//!    |                                                          \-- older than the load time-out: overdue,
//!    |                                                              the next caller puts up a new one
//!    \------ pool refuses or drops it, its key changes --------------------> Done(Dropped)
//! ```
//! A flight in the shard's table owns the right to publish; out of it, it only has waiters. One that takes over
//! from an overdue one belongs to the same line: whoever of the line has a value first may publish it.

use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use crate::chain;
use crate::clock::{Clock, Deadline, Tick};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};

pub(super) struct Flight<V, E> {
    /// Changes of its shard when it was put up.
    pub(super) changes: u64,
    /// The line it belongs to.
    pub(super) line: u64,
    /// When it is overdue; never while it is queued.
    overdue_at: AtomicU64,
    /// Somebody with an old value at hand has waited for it in vain.
    is_slow: AtomicBool,
    state: Mutex<State<V, E>>,
    /// How often those who wait were sent to look again; it changes under the lock of the state.
    nudges: AtomicU64,
    done: Condvar,
}

enum State<V, E> {
    Queued,
    Running,
    Done(FlightResult<V, E>),
}

/// How a flight ended.
pub(super) enum FlightResult<V, E> {
    Value(Arc<Entry<V>>),
    Failed(Arc<E>),
    Missing,
    Panicked,
    /// It never ran; whoever waits asks again.
    Dropped,
}

impl<V, E> Clone for FlightResult<V, E> {
    fn clone(&self) -> Self {
        match self {
            Self::Value(entry) => Self::Value(Arc::clone(entry)),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Missing => Self::Missing,
            Self::Panicked => Self::Panicked,
            Self::Dropped => Self::Dropped,
        }
    }
}

/// What a foreground caller finds when it comes to a flight.
pub(super) enum JoinResult<V, E> {
    /// It was queued and not started: the caller runs it now.
    TakenOver,
    /// It ended.
    Done(FlightResult<V, E>),
    /// The caller is part of it: its own loader asks.
    Reentrant,
    TimedOut,
    /// It runs for longer than a load may, or an older one has brought a value; the caller looks again.
    LookAgain,
}

impl<V, E> Flight<V, E> {
    /// A flight that the calling thread runs.
    pub(super) fn running(changes: u64, line: u64, overdue_at: Tick) -> Arc<Self> {
        Self::new(changes, line, overdue_at, State::Running)
    }

    /// A flight that waits for a worker.
    pub(super) fn queued(changes: u64, line: u64) -> Arc<Self> {
        Self::new(changes, line, Tick::MAX, State::Queued)
    }

    fn new(changes: u64, line: u64, overdue_at: Tick, state: State<V, E>) -> Arc<Self> {
        Arc::new(Self {
            changes,
            line,
            overdue_at: AtomicU64::new(overdue_at.0),
            is_slow: AtomicBool::new(false),
            state: Mutex::new(state),
            nudges: AtomicU64::new(0),
            done: Condvar::new(),
        })
    }

    /// What names it while it lives.
    pub(super) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Starts a queued flight on the calling thread; `false` if somebody else has, or if it was cancelled.
    pub(super) fn start(&self, now: Tick, load_timeout: Duration) -> bool {
        let mut state = self.state.lock();
        let is_queued = matches!(*state, State::Queued);
        if is_queued {
            self.run_now(&mut state, now, load_timeout);
        }
        drop(state);
        is_queued
    }

    fn run_now(&self, state: &mut State<V, E>, now: Tick, load_timeout: Duration) {
        *state = State::Running;
        self.overdue_at.store(now.after(load_timeout).0, Ordering::Release);
    }

    /// Whether it runs for longer than a load may.
    pub(super) fn is_overdue(&self, now: Tick) -> bool {
        now.0 >= self.overdue_at.load(Ordering::Acquire)
    }

    /// Whether somebody with an old value at hand has waited for it in vain.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Acquire)
    }

    pub(super) fn mark_slow(&self) {
        self.is_slow.store(true, Ordering::Release);
    }

    /// Ends a flight that was not started: its key was written or is gone, and nobody may pay for it any more.
    /// `false` if it was.
    pub(super) fn cancel(&self) -> bool {
        let mut state = self.state.lock();
        let is_queued = matches!(*state, State::Queued);
        if is_queued {
            *state = State::Done(FlightResult::Dropped);
        }
        drop(state);
        if is_queued {
            self.done.notify_all();
        }
        is_queued
    }

    /// Sends those who wait to look again: an older load of the line has brought a value meanwhile.
    pub(super) fn nudge(&self) {
        let state = self.state.lock();
        self.nudges.fetch_add(1, Ordering::Relaxed);
        drop(state);
        self.done.notify_all();
    }

    /// Takes a queued flight over, or waits for its end.
    pub(super) fn join(&self, clock: &Clock, deadline: Deadline, load_timeout: Duration) -> JoinResult<V, E> {
        let mut state = self.state.lock();
        let nudges = self.nudges.load(Ordering::Relaxed);
        loop {
            match &*state {
                State::Queued if deadline.has_passed(clock.now()) => return JoinResult::TimedOut,
                State::Queued => {
                    self.run_now(&mut state, clock.now(), load_timeout);
                    return JoinResult::TakenOver;
                }
                State::Running if chain::contains(self.id()) => return JoinResult::Reentrant,
                State::Running => {}
                State::Done(outcome) => return JoinResult::Done(outcome.clone()),
            }
            let overdue = Deadline::at(Tick(self.overdue_at.load(Ordering::Acquire)));
            let in_time = clock.wait(&self.done, &mut state, deadline.earlier(overdue));
            if !in_time && !matches!(*state, State::Done(_)) {
                return if deadline.has_passed(clock.now()) { JoinResult::TimedOut } else { JoinResult::LookAgain };
            }
            if self.nudges.load(Ordering::Relaxed) != nudges && !matches!(*state, State::Done(_)) {
                return JoinResult::LookAgain;
            }
        }
    }

    /// Ends the flight and wakes all who wait; the first outcome stays.
    pub(super) fn finish(&self, outcome: FlightResult<V, E>) {
        let mut state = self.state.lock();
        let unused = if matches!(*state, State::Done(_)) {
            Some(outcome)
        } else {
            *state = State::Done(outcome);
            None
        };
        drop(state);
        self.done.notify_all();
        drop(unused);
    }
}
