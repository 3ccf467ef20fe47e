//! The life of one worker: start, take jobs, survive their panics, leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Job, Shared, State};
use crate::sync::atomic::Ordering;
use crate::sync::{MutexGuard, thread};

/// The system gave no thread.
pub(super) struct NoThread(std::io::Error);

impl NoThread {
    pub(super) fn log(&self, pool: &str) {
        tracing::warn!(pool, error = %self.0, "no thread for a worker");
    }
}

impl Shared {
    /// Starts one more worker; `None` if there may be none. The error is the caller's to log, once it has let
    /// the lock go: a logger is the host's.
    pub(super) fn start(this: &Arc<Self>, state: &mut State) -> Option<Result<(), NoThread>> {
        if state.workers() >= state.limit(this.max_workers) {
            return None;
        }
        state.started += 1;
        state.starting += 1;
        let shared = Arc::clone(this);
        // Linux cuts thread names at 15 bytes; the number must survive.
        let name = format!("{:.10}-{}", this.name, state.started).replace('\0', "?");
        let spawned = thread::Builder::new().name(name).spawn(move || shared.work());
        Some(spawned.map(drop).map_err(|error| {
            state.starting -= 1;
            NoThread(error)
        }))
    }

    pub(super) fn is_forked(&self) -> bool {
        self.pid.load(Ordering::Relaxed) != std::process::id()
    }

    /// After a `fork` the child has the parent's counts and none of its threads: it begins anew.
    pub(super) fn begin_anew_after_fork(&self) {
        if !self.is_forked() {
            return;
        }
        let pid = std::process::id();
        let mut state = self.state.lock();
        let lost = if self.pid.swap(pid, Ordering::Relaxed) == pid {
            State::default()
        } else {
            let (closed, number) = (state.closed, (state.jobs, state.started));
            let fresh = State { closed, jobs: number.0, started: number.1, ..State::default() };
            std::mem::replace(&mut *state, fresh)
        };
        drop(state);
        // Its jobs, unrun, settle what waits for them.
        drop(lost);
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
            // A logger that panics too must not take the worker with it.
            let log = || tracing::error!(pool = %self.name, "a job panicked outside its own guard");
            drop(catch_unwind(AssertUnwindSafe(log)));
        }
    }
}
