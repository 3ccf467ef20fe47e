//! A thread that does something when a tick has come: one sleeper for all who have something to time.
//!
//! ```text
//! set(tick) -> sleeps until the earliest tick -> ring() -> the next tick, or none
//! ```
//! The thread starts with the first tick that is set and ends with the alarm. A tick that is set while it
//! rings is kept.

use std::sync::Arc;

use crate::clock::{Clock, Deadline, Tick};
use crate::sync::{Condvar, Mutex, thread};

/// Rings at a tick; [`close`](Self::close), or dropping it, ends its thread.
pub(crate) struct Alarm(Arc<Shared>);

/// Does what is due, and says when to ring next.
type Ring = Box<dyn Fn() -> Tick + Send + Sync>;

struct Shared {
    name: String,
    clock: Clock,
    ring: Ring,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    at: Tick,
    has_thread: bool,
    is_closed: bool,
}

impl Alarm {
    pub(crate) fn new(name: &str, clock: Clock, ring: impl Fn() -> Tick + Send + Sync + 'static) -> Self {
        let state = State { at: Tick::MAX, has_thread: false, is_closed: false };
        Self(Arc::new(Shared {
            name: format!("{name:.9}-alarm").replace('\0', "?"),
            clock,
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
        if !state.has_thread {
            let shared = Arc::clone(&self.0);
            match thread::Builder::new().name(self.0.name.clone()).spawn(move || shared.run()) {
                Ok(_detached) => state.has_thread = true,
                Err(error) => {
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

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.is_closed {
            if state.at == Tick::MAX {
                self.changed.wait(&mut state);
            } else if self.clock.now() < state.at {
                let until = Deadline::at(state.at);
                self.clock.wait(&self.changed, &mut state, until);
            } else {
                state.at = Tick::MAX;
                let next = crate::sync::MutexGuard::unlocked(&mut state, || (self.ring)());
                state.at = state.at.min(next);
            }
        }
        drop(state);
    }
}
