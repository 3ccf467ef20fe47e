//! A flight: one load of one key, and all who wait for it.
//!
//! ```text
//! Queued --- pool worker or foreground caller starts it ---> Running ---> Done(outcome)
//!    \------ pool refuses or drops it ------------------------------------> Done(Dropped)
//! ```
//! A flight in the shard's table owns the right to publish; out of it, it only has waiters.

use std::sync::Arc;

use super::entry::Entry;
use crate::chain;
use crate::clock::{Clock, Deadline};
use crate::sync::{Condvar, Mutex};

pub(super) struct Flight<V, E> {
    /// Changes of its shard when it was put up.
    pub(super) changes: u64,
    state: Mutex<State<V, E>>,
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
}

impl<V, E> Flight<V, E> {
    /// A flight that the calling thread runs.
    pub(super) fn running(changes: u64) -> Arc<Self> {
        Arc::new(Self { changes, state: Mutex::new(State::Running), done: Condvar::new() })
    }

    /// A flight that waits for a refresh worker.
    pub(super) fn queued(changes: u64) -> Arc<Self> {
        Arc::new(Self { changes, state: Mutex::new(State::Queued), done: Condvar::new() })
    }

    /// What names it while it lives.
    pub(super) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Starts a queued flight on the calling thread; `false` if somebody else has.
    pub(super) fn start(&self) -> bool {
        let mut state = self.state.lock();
        let is_queued = matches!(*state, State::Queued);
        if is_queued {
            *state = State::Running;
        }
        is_queued
    }

    /// Takes a queued flight over, or waits for its end.
    pub(super) fn join(&self, clock: &Clock, deadline: Deadline) -> JoinResult<V, E> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                State::Queued => {
                    *state = State::Running;
                    return JoinResult::TakenOver;
                }
                State::Running if chain::contains(self.id()) => return JoinResult::Reentrant,
                State::Running => {}
                State::Done(outcome) => return JoinResult::Done(outcome.clone()),
            }
            let in_time = clock.wait(&self.done, &mut state, deadline);
            if !in_time && !matches!(*state, State::Done(_)) {
                return JoinResult::TimedOut;
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
