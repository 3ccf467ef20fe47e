//! A thread that does something when a tick has come: one sleeper for all who have something to time.
//!
//! ```text
//! set(tick) -> sleeps until the earliest tick -> ring() -> the next tick, or none
//! ```
//! The thread starts with the first tick that is set, leaves when it has had none for a while, and ends with
//! the alarm. A tick that is set while it rings is kept.

use std::sync::Arc;
use std::thread::panicking;
use std::time::Duration;

use crate::clock::{Clock, Deadline, Tick};
use crate::sync::{Condvar, Mutex, thread};

/// Rings at a tick; [`close`](Self::close), or dropping it, ends its thread.
pub(crate) struct Alarm(Arc<Shared>);

/// Does what is due, and says when to ring next.
type Ring = Box<dyn Fn() -> Tick + Send + Sync>;

struct Shared {
    name: String,
    clock: Clock,
    idle_for: Duration,
    ring: Ring,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    at: Tick,
    /// The process in which the thread runs.
    thread_of: Option<u32>,
    is_closed: bool,
}

impl Alarm {
    /// `name` is the thread's; `idle_for` how long it stays without a tick.
    pub(crate) fn new(
        name: &str,
        clock: Clock,
        idle_for: Duration,
        ring: impl Fn() -> Tick + Send + Sync + 'static,
    ) -> Self {
        let state = State { at: Tick::MAX, thread_of: None, is_closed: false };
        Self(Arc::new(Shared {
            name: name.replace('\0', "?"),
            clock,
            idle_for,
            ring: Box::new(ring),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    /// Rings at this tick, or earlier if it was set so; `false` if there is no thread that could.
    pub(crate) fn set(&self, at: Tick) -> bool {
        let mut state = self.0.state.lock();
        if state.is_closed {
            return false;
        }
        // After a `fork` the child has none of its parent's threads.
        let pid = std::process::id();
        if state.thread_of != Some(pid) {
            let shared = Arc::clone(&self.0);
            match thread::Builder::new().name(self.0.name.clone()).spawn(move || shared.run()) {
                Ok(_detached) => state.thread_of = Some(pid),
                Err(error) => {
                    // A logger is the host's.
                    drop(state);
                    tracing::warn!(thread = %self.0.name, %error, "no thread for an alarm");
                    return false;
                }
            }
        }
        if at < state.at {
            state.at = at;
            drop(state);
            self.0.changed.notify_one();
        }
        true
    }

    pub(crate) fn close(&self) {
        self.0.state.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.close();
    }
}

/// A ring that panics takes its thread along; the next tick starts another.
struct Leaves<'a>(&'a Shared);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if panicking() {
            self.0.state.lock().thread_of = None;
        }
    }
}

impl Shared {
    fn run(&self) {
        let _leaves = Leaves(self);
        let mut state = self.state.lock();
        while !state.is_closed {
            if state.at == Tick::MAX {
                // Real time, also under a manual clock: it is about the thread.
                let is_over = self.changed.wait_for(&mut state, self.idle_for).timed_out();
                if is_over && state.at == Tick::MAX {
                    break;
                }
            } else if self.clock.now() < state.at {
                let until = Deadline::at(state.at);
                self.clock.wait(&self.changed, &mut state, until);
            } else {
                state.at = Tick::MAX;
                let next = crate::sync::MutexGuard::unlocked(&mut state, || (self.ring)());
                state.at = state.at.min(next);
            }
        }
        state.thread_of = None;
    }
}
