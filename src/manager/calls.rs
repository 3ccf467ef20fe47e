//! The engine for attempts: places calls on threads, gives them up in time, and tells who waits.
//!
//! ```text
//! AttemptSet::start -> thread: work.run() -> in time:  settle(answered), told to the set
//!                        |  past its deadline          settle(timed out), told to the set; the thread
//!                        |                             is replaced, what it brings later is told too
//!                        +- the set is gone            work.late(answer)
//! ```
//! A call is settled exactly once, by whoever comes first: its own thread, the fetch that waits for it,
//! or, when that fetch has left, the watch. Generic over the work, so that it is tested without a manager.
//! Locks: `claimed` and `queue`, one a call and one a set, held for bookkeeping only; no work runs under
//! them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::calls_config::{CallsConfig, Isolation};
use super::watch::{Expire, Watch};
use crate::clock::{Clock, Deadline};
use crate::pool::{PoolSnapshot, ShutdownReport, SubmitError, WaitingInside, WorkerJob, WorkerPool, panic_text};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};

/// A waiting set looks at least this often whether the pool was closed.
const LOOK: Duration = Duration::from_millis(100);
/// A call that has ended is told of within this time, unless the log of the host hangs.
const ENDING: Duration = Duration::from_secs(1);

/// One call.
pub(super) trait Work: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Makes the call: the host's code.
    fn run(&self) -> Self::Output;

    /// Books how it ended. Called exactly once, before anybody is told, under no lock.
    fn settle(&self, end: &End<Self::Output>);

    /// An answer that nobody waits for any more.
    fn late(&self, answer: Self::Output);

    /// The call has really ended, whatever was told before.
    fn ended(&self);
}

/// How a call ended.
pub(super) enum End<A> {
    Answered(A),
    TimedOut,
    Panicked(String),
    /// It never ran: the threads were shut down.
    Dropped,
}

/// A call was not started: the threads are shut down, or none is free.
#[derive(Debug)]
pub(super) struct NotStarted;

/// What a wait for the next end gave.
pub(super) enum Next<W: Work> {
    Ended(Arc<W>, End<W::Output>),
    /// The time is over.
    Due,
    Closed,
}

/// The threads of a manager's calls.
pub(super) struct CallPool {
    config: CallsConfig,
    clock: Clock,
    pool: Arc<WorkerPool>,
    watch: Watch,
    is_closed: AtomicBool,
}

impl CallPool {
    pub(super) fn new(name: &str, config: CallsConfig, clock: Clock) -> Self {
        let short: String = name.chars().take(8).collect();
        let idle_for = Some(config.idle_for);
        let pool = WorkerPool::with_idle(format!("{short}-c"), clock.clone(), config.max_threads, 0, idle_for);
        Self {
            watch: Watch::new(&format!("{short}-w"), clock.clone(), config.idle_for),
            config,
            clock,
            pool: Arc::new(pool),
            is_closed: AtomicBool::new(false),
        }
    }

    /// The calling thread is one of the pool's and waits for others of it, until the guard is dropped.
    pub(super) fn wait_inside(&self) -> WaitingInside {
        self.pool.wait_inside()
    }

    pub(super) fn snapshot(&self) -> PoolSnapshot {
        self.pool.snapshot()
    }

    /// Wakes who waits, starts nothing more, and ends the threads.
    pub(super) fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.is_closed.store(true, Ordering::Release);
        self.watch.close();
        self.pool.shutdown(within)
    }
}

/// A call under way.
struct Running<W: Work> {
    work: Arc<W>,
    deadline: Deadline,
    pool: Arc<WorkerPool>,
    max_abandoned: usize,
    claimed: Mutex<Claimed>,
    told: Arc<Told<W>>,
}

#[derive(Default)]
struct Claimed {
    job: Option<WorkerJob>,
    is_settled: bool,
}

/// Where a set hears of its calls.
struct Told<W: Work> {
    queue: Mutex<Queue<W>>,
    changed: Condvar,
}

struct Queue<W: Work> {
    ends: VecDeque<(Arc<W>, End<W::Output>)>,
    /// Nobody listens any more.
    is_over: bool,
}

impl<W: Work> Running<W> {
    /// Books an end, unless another one came first.
    fn settle(&self, end: &End<W::Output>) -> bool {
        let mut claimed = self.claimed.lock();
        let is_first = !std::mem::replace(&mut claimed.is_settled, true);
        drop(claimed);
        if is_first {
            // Logs and listeners of the host hear of it here: what they do must not keep the end from being
            // told. What was not booked when they panicked is given back by its guards.
            let _is_booked = catch_unwind(AssertUnwindSafe(|| self.work.settle(end))).is_ok();
        }
        is_first
    }

    /// The call has ended on its thread, or will never have one.
    fn finish(&self, end: End<W::Output>) {
        self.settle(&end);
        self.work.ended();
        self.tell(end);
    }

    fn tell(&self, end: End<W::Output>) {
        let mut queue = self.told.queue.lock();
        if queue.is_over {
            drop(queue);
            if let End::Answered(answer) = end {
                self.work.late(answer);
            }
            return;
        }
        queue.ends.push_back((Arc::clone(&self.work), end));
        drop(queue);
        self.told.changed.notify_all();
    }

    /// Gives the call up if its time is over; `true` if that is news.
    fn give_up(&self) -> bool {
        if !self.settle(&End::TimedOut) {
            return false;
        }
        let job = self.claimed.lock().job;
        if let Some(job) = job {
            self.pool.abandon(job, self.max_abandoned);
        }
        true
    }
}

impl<W: Work> Expire for Running<W> {
    fn expire(&self) {
        self.give_up();
    }
}

/// A call in the pool's queue; dropped unrun it tells so.
struct Queued<W: Work>(Option<Arc<Running<W>>>);

impl<W: Work> Queued<W> {
    fn run(mut self) {
        let Some(running) = self.0.take() else { return };
        let job = running.pool.current_job();
        let mut claimed = running.claimed.lock();
        claimed.job = job;
        let is_over = claimed.is_settled;
        drop(claimed);
        if is_over {
            // Given up before a thread came for it.
            running.work.ended();
            return;
        }
        let end = match catch_unwind(AssertUnwindSafe(|| running.work.run())) {
            Ok(answer) => End::Answered(answer),
            Err(payload) => End::Panicked(panic_text(payload.as_ref())),
        };
        running.finish(end);
    }
}

impl<W: Work> Drop for Queued<W> {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.finish(End::Dropped);
        }
    }
}

/// The calls of one fetch. Dropped, it leaves those under way to the watch.
pub(super) struct AttemptSet<'a, W: Work> {
    calls: &'a CallPool,
    told: Arc<Told<W>>,
    running: Vec<Awaited<W>>,
}

/// A call that a set waits for.
struct Awaited<W: Work> {
    running: Arc<Running<W>>,
    until: Deadline,
    /// It has ended, and its end is on its way.
    is_ending: bool,
}

impl<W: Work> Awaited<W> {
    fn new(running: Arc<Running<W>>) -> Self {
        Self { until: running.deadline, running, is_ending: false }
    }
}

impl<'a, W: Work> AttemptSet<'a, W> {
    pub(super) fn new(calls: &'a CallPool) -> Self {
        let queue = Mutex::new(Queue { ends: VecDeque::new(), is_over: false });
        Self { calls, told: Arc::new(Told { queue, changed: Condvar::new() }), running: Vec::new() }
    }

    /// Whether no call is under way in time.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts a call that is given up at `deadline`. `is_nested`: the caller is part of a call itself, and
    /// makes this one on its own thread where no other is to be had, so that calls within calls cannot wait
    /// for each other's threads.
    pub(super) fn start(&mut self, work: Arc<W>, deadline: Deadline, is_nested: bool) -> Result<(), NotStarted> {
        if self.calls.is_closed.load(Ordering::Acquire) {
            return Err(NotStarted);
        }
        let running = Arc::new(Running {
            work,
            deadline,
            pool: Arc::clone(&self.calls.pool),
            max_abandoned: self.calls.config.max_abandoned,
            claimed: Mutex::new(Claimed::default()),
            told: Arc::clone(&self.told),
        });
        if self.calls.config.isolation == Isolation::Caller {
            self.run_here(running);
            return Ok(());
        }
        let queued = Queued(Some(Arc::clone(&running)));
        // Before it can end: whoever hears of an end looks for it here.
        self.running.push(Awaited::new(Arc::clone(&running)));
        let (job, returned) = give_back_on_refusal(queued);
        match self.calls.pool.submit(job) {
            Ok(()) => Ok(()),
            Err((refusal, job)) => {
                drop(job);
                self.running.pop();
                let queued = returned.lock().take();
                let may_run_here = refusal == SubmitError::NoThread || self.is_run_here(is_nested);
                if refusal != SubmitError::Closed && may_run_here {
                    // Better on this thread than not at all.
                    queued.map(|mut queued| queued.0.take());
                    self.run_here(running);
                    return Ok(());
                }
                drop(queued);
                self.forget(&running.work);
                Err(NotStarted)
            }
        }
    }

    /// Whether a call without a thread is better made on its caller's: threads that wait inside their calls
    /// may wait for this very one.
    fn is_run_here(&self, is_nested: bool) -> bool {
        is_nested || self.calls.pool.has_waiters_inside()
    }

    /// The call was dropped unrun and has told so; it is as if it had not been asked for.
    fn forget(&self, work: &Arc<W>) {
        self.told.queue.lock().ends.retain(|(ended, _)| !Arc::ptr_eq(ended, work));
    }

    /// Whether a call would find a thread now.
    pub(super) fn has_room(&self, is_nested: bool) -> bool {
        self.is_run_here(is_nested) || self.calls.config.isolation == Isolation::Caller || self.calls.pool.has_room()
    }

    /// Makes the call on this thread; its panic is this thread's.
    fn run_here(&mut self, running: Arc<Running<W>>) {
        struct Unwinding<'a, W: Work>(Option<&'a Running<W>>);
        impl<W: Work> Drop for Unwinding<'_, W> {
            fn drop(&mut self) {
                if let Some(running) = self.0.take() {
                    running.settle(&End::Panicked("on the caller's thread".to_owned()));
                    running.work.ended();
                }
            }
        }
        let mut unwinding = Unwinding(Some(&running));
        let answer = running.work.run();
        unwinding.0 = None;
        drop(unwinding);
        running.finish(End::Answered(answer));
        self.running.push(Awaited::new(running));
    }

    /// The next end, also of a call given up before; waits for it until `until`, and gives up calls whose
    /// time is over.
    #[expect(clippy::significant_drop_tightening, reason = "a wait gives the lock away and takes it again")]
    pub(super) fn next(&mut self, until: Deadline) -> Next<W> {
        let told = Arc::clone(&self.told);
        let mut queue = told.queue.lock();
        loop {
            if let Some((work, end)) = queue.ends.pop_front() {
                drop(queue);
                self.running.retain(|awaited| !Arc::ptr_eq(&awaited.running.work, &work));
                return Next::Ended(work, end);
            }
            let now = self.calls.clock.now();
            if let Some(at) = self.running.iter().position(|awaited| awaited.until.has_passed(now)) {
                drop(queue);
                let awaited = self.running.swap_remove(at);
                if awaited.is_ending || awaited.running.give_up() {
                    return Next::Ended(Arc::clone(&awaited.running.work), End::TimedOut);
                }
                // It ended at this moment: its end is in the queue, or on its way there.
                self.running.push(Awaited { until: Deadline::at(now.after(ENDING)), is_ending: true, ..awaited });
                queue = told.queue.lock();
                continue;
            }
            if until.has_passed(now) {
                return Next::Due;
            }
            if self.calls.is_closed.load(Ordering::Acquire) {
                return Next::Closed;
            }
            let earliest = self.running.iter().fold(until, |earliest, awaited| earliest.earlier(awaited.until));
            self.calls.clock.wait(&told.changed, &mut queue, earliest.earlier(Deadline::at(now.after(LOOK))));
        }
    }
}

type Returned<W> = Arc<Mutex<Option<Queued<W>>>>;

/// A job that runs the call, and a place where the call is found again if the pool refuses the job.
fn give_back_on_refusal<W: Work>(queued: Queued<W>) -> (crate::pool::Job, Returned<W>) {
    let held: Returned<W> = Arc::new(Mutex::new(Some(queued)));
    let inside = Arc::clone(&held);
    let job = Box::new(move || {
        let queued = inside.lock().take();
        if let Some(queued) = queued {
            queued.run();
        }
    });
    (job, held)
}

impl<W: Work> Drop for AttemptSet<'_, W> {
    fn drop(&mut self) {
        let mut queue = self.told.queue.lock();
        queue.is_over = true;
        let unheard = std::mem::take(&mut queue.ends);
        drop(queue);
        for (work, end) in unheard {
            if let End::Answered(answer) = end {
                work.late(answer);
            }
        }
        for Awaited { running, .. } in self.running.drain(..) {
            let weak = Arc::downgrade(&running);
            self.calls.watch.add(running.deadline, weak);
        }
    }
}
