//! Watches calls whose fetch has left: one thread, while there are any, that gives them up in time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::{Clock, Deadline, Tick};
use crate::sync::{Condvar, Mutex, thread};

/// Something whose time can be over.
pub(super) trait Expire: Send + Sync {
    fn expire(&self);
}

/// Entries kept without a look whether they are gone.
const ROOM: usize = 64;

/// The watch; its thread starts with the first call and leaves when there has been none for a while.
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    name: String,
    clock: Clock,
    idle_for: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What has ended meanwhile is gone.
    waiting: BTreeMap<(Tick, u64), Weak<dyn Expire>>,
    /// So many are looked through for those that are gone.
    full_at: usize,
    added: u64,
    has_thread: bool,
    is_closed: bool,
}

impl Watch {
    pub(super) fn new(name: String, clock: Clock, idle_for: Duration) -> Self {
        Self(Arc::new(Shared { name, clock, idle_for, state: Mutex::new(State::default()), changed: Condvar::new() }))
    }

    /// Lets something expire at that time, if it has not ended by then.
    pub(super) fn add(&self, at: Deadline, what: Weak<dyn Expire>) {
        let shared = &self.0;
        let mut state = shared.state.lock();
        if state.is_closed {
            return;
        }
        if state.waiting.len() >= state.full_at {
            state.waiting.retain(|_, what| what.strong_count() > 0);
            state.full_at = 2 * state.waiting.len() + ROOM;
        }
        state.added += 1;
        let number = state.added;
        state.waiting.insert((at.tick(), number), what);
        let is_first = state.waiting.keys().next() == Some(&(at.tick(), number));
        if !state.has_thread {
            let inside = Arc::clone(shared);
            // Without a thread the next call tries again; until then the call is settled when it ends.
            state.has_thread = thread::Builder::new().name(shared.name.clone()).spawn(move || inside.work()).is_ok();
        }
        drop(state);
        if is_first {
            shared.changed.notify_all();
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.0.state.lock();
        state.is_closed = true;
        state.waiting.clear();
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        while !state.is_closed {
            let now = self.clock.now();
            match state.waiting.first_key_value().map(|(key, _)| *key) {
                Some((at, _)) if at <= now => {
                    if let Some((_, what)) = state.waiting.pop_first() {
                        drop(state);
                        if let Some(what) = what.upgrade() {
                            // One that panics must not leave the others unwatched.
                            let _is_done = catch_unwind(AssertUnwindSafe(|| what.expire())).is_ok();
                        }
                        state = self.state.lock();
                    }
                }
                Some((at, _)) => {
                    self.clock.wait(&self.changed, &mut state, Deadline::at(at));
                }
                None => {
                    // Real time, also under a manual clock: it is about the thread.
                    let is_over = self.changed.wait_for(&mut state, self.idle_for).timed_out();
                    if is_over && state.waiting.is_empty() {
                        break;
                    }
                }
            }
        }
        state.has_thread = false;
    }
}
