//! Threads: a bounded pool of named workers, started lazily, that outlives hung jobs.
//!
//! ```text
//! submit -> queue (bounded) -> worker -> job.run()
//!                                 |  hangs past its time-out
//!                                 +--> abandoned: no longer counted, replaced, leaves by itself
//! ```
//! Locks: `state`, one for the pool; no job runs under it and no job is dropped under it.

mod alarm;
mod leased;
mod worker;

pub(crate) use alarm::Alarm;
pub(crate) use leased::LeasedPool;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::AtomicU32;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex};

/// A unit of work. Dropping it unrun must settle whatever waits for it.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Why a job was not taken; the job comes back with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubmitError {
    /// The queue is full.
    Full,
    /// The pool is shut down.
    Closed,
    /// No worker runs and none could be started.
    NoThread,
    /// Every worker is stuck in a job past its time-out.
    Saturated,
}

/// One run of one job on one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerJob {
    thread: ThreadId,
    number: u64,
}

#[cfg(test)]
impl WorkerJob {
    /// One of the calling thread, for tests of what only passes them on.
    pub(crate) fn numbered(number: u64) -> Self {
        Self { thread: thread::current().id(), number }
    }
}

/// What a shutdown left behind.
///
/// # Examples
/// ```
/// use feedguard::{BatchConfig, BatchProcessor};
/// use std::time::Duration;
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// let report = batch.shutdown(Duration::from_secs(5));
/// assert_eq!((report.cancelled, report.abandoned), (0, 0));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Calls that ended during the shutdown.
    pub done: usize,
    /// Queued jobs that were dropped unrun.
    pub cancelled: usize,
    /// Workers still inside a call of the host when the time was up; they end with that call.
    pub abandoned: usize,
}

impl ShutdownReport {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            cancelled: self.cancelled + other.cancelled,
            abandoned: self.abandoned + other.abandoned,
        }
    }
}

/// Counts of a pool at one moment.
///
/// # Examples
/// ```
/// use feedguard::{BatchConfig, BatchProcessor};
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// assert_eq!(batch.snapshot().busy, 0);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Workers that run a job.
    pub busy: usize,
    /// Workers that wait for one.
    pub idle: usize,
    /// Workers stuck in a job past its time-out.
    pub abandoned: usize,
    /// Jobs waiting.
    pub queued: usize,
}

pub(crate) struct WorkerPool {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    clock: Clock,
    max_workers: usize,
    max_queue: usize,
    /// How long a worker without a job stays; for ever without one.
    idle_for: Option<Duration>,
    /// The process whose threads are counted.
    pid: AtomicU32,
    state: Mutex<State>,
    work: Condvar,
    quiet: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    closed: bool,
    idle: usize,
    /// The number of the job each worker runs.
    busy: HashMap<ThreadId, u64>,
    /// Busy workers given up on without a replacement: the cap was reached.
    stuck: HashSet<ThreadId>,
    abandoned: HashSet<ThreadId>,
    jobs: u64,
    /// Calls that have ended.
    done: usize,
    started: u64,
    /// Workers that wait inside a job for other jobs of the pool; as many more may run beside them.
    waiting_inside: usize,
    /// Threads spawned that have not yet reported in.
    starting: usize,
}

impl State {
    fn workers(&self) -> usize {
        self.idle + self.busy.len() + self.starting
    }

    /// How many there may be now: those that wait for others make room for them, up to twice the number.
    fn limit(&self, max_workers: usize) -> usize {
        max_workers + self.waiting_inside.min(max_workers)
    }
}

impl Shared {
    /// Whether one more job may be queued.
    fn admit(&self, state: &State) -> Result<(), SubmitError> {
        if state.closed {
            return Err(SubmitError::Closed);
        }
        if state.stuck.len() >= self.max_workers {
            return Err(SubmitError::Saturated);
        }
        let possible = state.idle + state.starting + state.limit(self.max_workers).saturating_sub(state.workers());
        if state.queue.len() >= self.max_queue.saturating_add(possible) {
            return Err(SubmitError::Full);
        }
        Ok(())
    }
}

impl WorkerPool {
    pub(crate) fn new(name: impl Into<Arc<str>>, clock: Clock, max_workers: usize, max_queue: usize) -> Self {
        Self::with_idle(name, clock, max_workers, max_queue, None)
    }

    /// A pool whose workers leave after that time without a job.
    pub(crate) fn with_idle(
        name: impl Into<Arc<str>>,
        clock: Clock,
        max_workers: usize,
        max_queue: usize,
        idle_for: Option<Duration>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                clock,
                max_workers,
                max_queue,
                idle_for,
                pid: AtomicU32::new(std::process::id()),
                state: Mutex::new(State::default()),
                work: Condvar::new(),
                quiet: Condvar::new(),
            }),
        }
    }

    /// Queues a job and makes sure that a worker will come for it.
    pub(crate) fn submit(&self, job: Job) -> Result<(), (SubmitError, Job)> {
        self.shared.begin_anew_after_fork();
        let mut state = self.shared.state.lock();
        if let Err(refusal) = self.shared.admit(&state) {
            return Err((refusal, job));
        }
        state.queue.push_back(job);
        let short =
            state.queue.len() > state.idle + state.starting && state.workers() < state.limit(self.shared.max_workers);
        // Without a queue a job must not wait for a worker that may never be free.
        let is_stuck = |state: &State| state.workers() == 0 || self.shared.max_queue == 0;
        let start = if short { Shared::start(&self.shared, &mut state) } else { Some(Ok(())) };
        let (is_short, no_thread) = (start.is_none(), start.and_then(Result::err));
        let job = if (is_short || no_thread.is_some()) && is_stuck(&state) { state.queue.pop_back() } else { None };
        drop(state);
        if let Some(no_thread) = no_thread {
            no_thread.log(&self.shared.name);
        }
        if let Some(job) = job {
            return Err((SubmitError::NoThread, job));
        }
        self.shared.work.notify_one();
        Ok(())
    }

    /// Whether a job would be taken now.
    pub(crate) fn has_room(&self) -> bool {
        self.refusal().is_none()
    }

    /// Why a job would not be taken now, but for want of a thread.
    pub(crate) fn refusal(&self) -> Option<SubmitError> {
        // In the child of a `fork` there is room. To begin anew drops jobs, which the caller may have no leave for.
        if self.shared.is_forked() {
            return None;
        }
        self.shared.admit(&self.shared.state.lock()).err()
    }

    /// Gives up on a worker that still runs this job: it is counted abandoned and its place is
    /// free. `false` if it has gone on, or if `max_abandoned` are stuck already; when all workers
    /// are, what is queued is dropped, since nobody will come for it.
    pub(crate) fn abandon(&self, job: WorkerJob, max_abandoned: usize) -> bool {
        let mut state = self.shared.state.lock();
        if state.busy.get(&job.thread) != Some(&job.number) {
            return false;
        }
        if state.abandoned.len() >= max_abandoned {
            state.stuck.insert(job.thread);
            let is_hopeless = state.stuck.len() >= self.shared.max_workers;
            let unreachable = if is_hopeless { std::mem::take(&mut state.queue) } else { VecDeque::new() };
            drop(state);
            drop(unreachable);
            return false;
        }
        state.busy.remove(&job.thread);
        state.abandoned.insert(job.thread);
        // A failed start is made good by the next submit or the next free worker.
        let may_start = !state.queue.is_empty() && !state.closed;
        let start = if may_start { Shared::start(&self.shared, &mut state) } else { None };
        drop(state);
        if let Some(Err(no_thread)) = start {
            no_thread.log(&self.shared.name);
        }
        self.shared.quiet.notify_all();
        true
    }

    /// The calling thread waits for other jobs of the pool, until the guard is dropped.
    pub(crate) fn wait_inside(&self) -> WaitingInside {
        self.shared.state.lock().waiting_inside += 1;
        WaitingInside(Arc::clone(&self.shared))
    }

    /// Whether jobs wait for other jobs of the pool.
    pub(crate) fn has_waiters_inside(&self) -> bool {
        self.shared.state.lock().waiting_inside > 0
    }

    /// What the calling thread runs, if it is a worker of this pool.
    pub(crate) fn current_job(&self) -> Option<WorkerJob> {
        let thread = thread::current().id();
        let number = self.shared.state.lock().busy.get(&thread).copied()?;
        Some(WorkerJob { thread, number })
    }

    /// Whether the calling thread is a worker of this pool.
    pub(crate) fn is_worker(&self) -> bool {
        let me = thread::current().id();
        let state = self.shared.state.lock();
        state.busy.contains_key(&me) || state.abandoned.contains(&me)
    }

    pub(crate) fn snapshot(&self) -> PoolSnapshot {
        let state = self.shared.state.lock();
        PoolSnapshot {
            busy: state.busy.len() - state.stuck.len(),
            idle: state.idle,
            abandoned: state.abandoned.len() + state.stuck.len(),
            queued: state.queue.len(),
        }
    }

    /// Refuses new jobs, lets workers finish what is queued until `within` is over, then drops the
    /// rest. Never waits for the calling thread itself, nor for an abandoned worker.
    pub(crate) fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.shutdown_by(&self.shared.clock, within)
    }

    /// Drops what is queued and tells the workers to leave; waits for none of them.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        let rest = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.work.notify_all();
        drop(rest);
    }

    /// As [`shutdown`](Self::shutdown), by a clock of the caller's.
    pub(crate) fn shutdown_by(&self, clock: &Clock, within: Duration) -> ShutdownReport {
        self.shared.begin_anew_after_fork();
        let deadline = Deadline::after(clock, within);
        let me = thread::current().id();
        let mut state = self.shared.state.lock();
        state.closed = true;
        let done_before = state.done;
        self.shared.work.notify_all();
        loop {
            let own = usize::from(state.busy.contains_key(&me));
            if state.workers() <= own || (state.workers() == 0 && state.queue.is_empty()) {
                break;
            }
            if !clock.wait(&self.shared.quiet, &mut state, deadline) {
                break;
            }
        }
        let rest = std::mem::take(&mut state.queue);
        let own = usize::from(state.busy.contains_key(&me));
        let report = ShutdownReport {
            done: state.done - done_before,
            cancelled: rest.len(),
            abandoned: state.busy.len() - own + state.abandoned.len(),
        };
        drop(state);
        drop(rest);
        report
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Drops something of the host's; its panic is its own.
pub(crate) fn drop_caught<X>(of_host: X, what: &'static str) {
    if catch_unwind(AssertUnwindSafe(|| drop(of_host))).is_err() {
        tracing::error!("dropping {what} panicked");
    }
}

/// A job that waits for other jobs of its pool.
pub(crate) struct WaitingInside(Arc<Shared>);

impl Drop for WaitingInside {
    fn drop(&mut self) {
        self.0.state.lock().waiting_inside -= 1;
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
