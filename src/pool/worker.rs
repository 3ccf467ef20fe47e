//! The life of one worker: start, take jobs, survive their panics, leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Job, Shared, State};
use crate::sync::{MutexGuard, thread};

impl Shared {
    /// Starts one more worker; `false` if the system gives no thread.
    pub(super) fn start(this: &Arc<Self>, state: &mut State) -> bool {
        if state.workers() >= state.limit(this.max_workers) {
            return false;
        }
        state.started += 1;
        state.starting += 1;
        let shared = Arc::clone(this);
        // Linux cuts thread names at 15 bytes; the number must survive.
        let name = format!("{:.10}-{}", this.name, state.started).replace('\0', "?");
        match thread::Builder::new().name(name).spawn(move || shared.work()) {
            Ok(_detached) => true,
            Err(error) => {
                state.starting -= 1;
                tracing::warn!(pool = %this.name, %error, "no thread for a worker");
                false
            }
        }
    }

    fn work(&self) {
        let me = thread::current().id();
        let mut state = self.state.lock();
        state.starting -= 1;
        loop {
            let Some(job) = self.next(&mut state) else { break };
            state.jobs += 1;
            let number = state.jobs;
            state.busy.insert(me, number);
            MutexGuard::unlocked(&mut state, || self.run(job));
            state.stuck.remove(&me);
            state.done += 1;
            if state.busy.remove(&me).is_none() {
                // Given up on meanwhile: another worker has the place.
                state.abandoned.remove(&me);
                break;
            }
        }
        drop(state);
        self.quiet.notify_all();
    }

    /// Waits for a job; `None` when the pool is closed and drained.
    fn next(&self, state: &mut MutexGuard<'_, State>) -> Option<Job> {
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            // Real time, also under a manual clock: it is about threads, not about sources.
            let is_over = if let Some(idle_for) = self.idle_for {
                self.work.wait_for(state, idle_for).timed_out()
            } else {
                self.work.wait(state);
                false
            };
            state.idle -= 1;
            // A job may have come in the last moment, and counted on this worker.
            if is_over && state.queue.is_empty() {
                return None;
            }
        }
    }

    fn run(&self, job: Job) {
        // Jobs catch the host's panics themselves; this is the net under them.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(pool = %self.name, "a job panicked outside its own guard");
        }
    }
}
