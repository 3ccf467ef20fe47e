//! The shell around the [`Board`]: its lock, the threads that take turns, the alarm that watches clocks.
//!
//! Locks: `board`, held for one step; then, under no lock, what its [`Effects`] say. No host code runs
//! under it, and no lock of a job is taken under it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::board::Board;
use super::metrics::BatchMetrics;
use super::orders::{Arrival, CallId, Effects, Failure, ItemTurn, JobId, Limits, Offer};
use super::stand_in;
use crate::clock::{Clock, Deadline, Tick};
use crate::metrics::{Histogram, Scrape, TimedMutex};
use crate::name::Name;
use crate::pool::{Alarm, PoolSnapshot, ShutdownReport, SubmitError, WorkerJob, WorkerPool, drop_caught};
use crate::sync::Condvar;
use crate::wakers::Wake;

impl Scrape for Engine {
    fn scrape(&self) {
        let queue_age = self.board.lock().queue_age(self.clock.now());
        self.metrics.set(self.snapshot(), queue_age);
    }
}

/// A job as the engine knows it. Nothing but `run` calls the host.
pub(super) trait Job: Wake {
    /// Runs one item on this worker; the worker's next turn.
    fn run(&self, engine: &Arc<Engine>, turn: &HeldTurn, worker: WorkerJob) -> Option<HeldTurn>;

    /// An item has ended without a result of its own.
    fn settle(&self, index: usize, failure: Failure);

    /// No thread is to be had for the job's items: its owner has to run them.
    fn strand(&self);
}

pub(super) type Handle = Arc<dyn Job>;
pub(super) type HeldTurn = ItemTurn<Handle>;

pub(super) struct Engine {
    pub(super) clock: Clock,
    pub(super) item_timeout: Duration,
    max_abandoned: usize,
    board: TimedMutex<Board<Handle>>,
    /// Nothing waits and nothing runs any more.
    quiet: Condvar,
    pool: WorkerPool,
    alarm: Alarm,
    metrics: BatchMetrics,
}

/// How long the alarm's thread stays without a call under way.
const ALARM_IDLE: Duration = Duration::from_secs(10);

/// Drops a job whose owner may have left: then the host's call ends here.
fn let_go(job: Handle) {
    drop_caught(job, "a job");
}

/// A worker that was sent for; dropped before it came, refused or later, it takes itself off the count.
struct Sent(Option<Arc<Engine>>);

impl Drop for Sent {
    fn drop(&mut self) {
        let Some(engine) = self.0.take() else { return };
        if engine.step(|board, _| board.never_came()) {
            engine.nobody_comes();
        }
    }
}

impl Engine {
    pub(super) fn new(
        name: &Name,
        limits: Limits,
        max_abandoned: usize,
        clock: Clock,
        metrics: BatchMetrics,
        lock_wait: Histogram,
    ) -> Arc<Self> {
        Arc::new_cyclic(|engine: &Weak<Self>| {
            let engine = Weak::clone(engine);
            let ring = move || engine.upgrade().map_or(Tick::MAX, |engine| engine.tick());
            Self {
                pool: WorkerPool::new(Arc::from(name.as_str()), clock.clone(), limits.workers, usize::MAX),
                alarm: Alarm::new(&format!("{name:.9}-alarm"), clock.clone(), ALARM_IDLE, ring),
                item_timeout: limits.item_timeout,
                max_abandoned,
                board: TimedMutex::new(Board::new(limits), lock_wait),
                quiet: Condvar::new(),
                metrics,
                clock,
            }
        })
    }

    /// One step of the board, and what follows from it.
    fn step<R>(self: &Arc<Self>, step: impl FnOnce(&mut Board<Handle>, &mut Effects<Handle>) -> R) -> R {
        let mut effects = Effects::default();
        let mut board = self.board.lock();
        let result = step(&mut board, &mut effects);
        let (is_drained, running) = (board.is_closed() && board.queued() == 0, board.running());
        drop(board);
        if is_drained {
            self.quiet.notify_all();
        }
        self.follow(effects);
        if is_drained && running == 0 {
            // Not with the shutdown: who waits for a call that outlives it is told of its time-out.
            self.alarm.close();
        }
        result
    }

    fn follow(self: &Arc<Self>, effects: Effects<Handle>) {
        if let Some(at) = effects.alarm {
            // Without a thread for it, those who wait for results look at the clock.
            let _is_set = self.alarm.set(at);
        }
        // First: each of them makes room in the pool for another, and who is told of a time-out finds it
        // counted.
        for worker in effects.given_up {
            let _is_replaced = self.pool.abandon(worker, self.max_abandoned);
        }
        for (job, index, failure) in effects.settled {
            job.settle(index, failure);
            let_go(job);
        }
        for job in effects.woken {
            job.wake();
            let_go(job);
        }
        for _ in 0..effects.start {
            self.send_worker();
        }
    }

    fn send_worker(self: &Arc<Self>) {
        let mut sent = Sent(Some(Arc::clone(self)));
        let job = Box::new(move || {
            if let Some(engine) = sent.0.take() {
                engine.work();
            }
        });
        // One that is refused takes itself off the count when it is dropped.
        drop(self.pool.submit(job));
    }

    /// No worker is there and none can be had.
    fn nobody_comes(self: &Arc<Self>) {
        match self.pool.refusal() {
            None | Some(SubmitError::NoThread) => {
                let jobs = self.step(|board, _| board.jobs_that_wait());
                for job in jobs {
                    job.strand();
                }
            }
            Some(SubmitError::Saturated) => {
                let abandoned = self.pool.snapshot().abandoned;
                self.step(|board, effects| board.fail_all(Failure::Saturated { abandoned }, effects));
            }
            Some(SubmitError::Closed | SubmitError::Full) => {
                self.step(|board, effects| board.fail_all(Failure::ShuttingDown, effects));
            }
        }
    }

    /// A worker's stay: turns, until there is none.
    fn work(self: &Arc<Self>) {
        // Only ever called on a thread of the pool, in a job.
        let Some(worker) = self.pool.current_job() else { return };
        let mut turn = self.step(|board, effects| board.arrive(Arrival { worker, now: self.clock.now() }, effects));
        while let Some(now) = turn {
            turn = now.job.run(self, &now, worker);
            let_go(now.job);
        }
    }

    fn tick(self: &Arc<Self>) -> Tick {
        self.step(|board, effects| board.tick(self.clock.now(), effects))
    }

    // ===== what jobs ask for =====

    pub(super) fn join(self: &Arc<Self>, job: Handle, deadline: Deadline) -> JobId {
        self.step(|board, _| board.join(job, deadline, self.clock.now()))
    }

    pub(super) fn leave(self: &Arc<Self>, job: JobId) {
        self.step(|board, effects| board.leave(job, effects));
    }

    pub(super) fn offer(
        self: &Arc<Self>,
        job: JobId,
        item: (usize, Option<Name>),
        due: Option<Tick>,
        rejects: bool,
    ) -> Offer {
        self.step(|board, effects| board.offer(job, item, due, rejects, effects))
    }

    pub(super) fn fail_waiting(self: &Arc<Self>, job: JobId, failure: Failure) {
        self.step(|board, effects| board.fail_waiting(job, failure, effects));
    }

    /// Takes all items of the job that wait: its owner runs them.
    pub(super) fn take_waiting(self: &Arc<Self>, job: JobId) -> Vec<usize> {
        self.step(|board, effects| board.take_waiting(job, effects))
    }

    pub(super) fn paced(&self, job: JobId) -> usize {
        self.board.lock().paced(job)
    }

    /// A call has ended: whether it was given up on before, and the worker's next turn.
    pub(super) fn end(self: &Arc<Self>, call: CallId, worker: WorkerJob) -> (bool, Option<HeldTurn>) {
        self.step(|board, effects| board.end(call, Arrival { worker, now: self.clock.now() }, effects))
    }

    /// How long somebody who waits for a result may sleep. The alarm wakes him in time, unless there is
    /// no thread for it.
    pub(super) fn wait_until(self: &Arc<Self>, deadline: Deadline) -> Deadline {
        let next = self.board.lock().next_event();
        if next == Tick::MAX || self.alarm.set(next) { deadline } else { deadline.earlier(Deadline::at(next)) }
    }

    /// Looks at the clock for an alarm without a thread.
    pub(super) fn look(self: &Arc<Self>) {
        if self.board.lock().next_event() <= self.clock.now() {
            self.tick();
        }
    }

    // ===== what the processor asks for =====

    /// Whether the calling thread is a worker, or stands in for one.
    pub(super) fn is_worker(&self) -> bool {
        self.pool.is_worker() || stand_in::is_one(self.number())
    }

    /// A number that no other engine has while this one lives.
    pub(super) fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.board.lock().is_closed()
    }

    pub(super) fn queued(&self) -> usize {
        self.board.lock().queued()
    }

    pub(super) fn snapshot(&self) -> PoolSnapshot {
        let queued = self.queued();
        PoolSnapshot { queued, ..self.pool.snapshot() }
    }

    pub(super) fn shutdown(self: &Arc<Self>, within: Duration) -> ShutdownReport {
        let deadline = Deadline::after(&self.clock, within);
        let own = usize::from(self.is_worker());
        let ended_before = self.step(|board, effects| {
            board.close(effects);
            board.ended()
        });
        let mut board = self.board.lock();
        while board.queued() > 0 || board.running() > own {
            if !self.clock.wait(&self.quiet, &mut board, deadline) {
                break;
            }
        }
        drop(board);
        let cancelled = self.step(|board, effects| board.fail_all(Failure::ShuttingDown, effects));
        let left = deadline.remaining(self.clock.now()).unwrap_or(Duration::MAX);
        let pool = self.pool.shutdown(left);
        let done = self.board.lock().ended() - ended_before;
        ShutdownReport { done, cancelled, ..pool }
    }

    /// The end without a shutdown: waits for nobody.
    pub(super) fn close(self: &Arc<Self>) {
        self.step(|board, effects| {
            board.close(effects);
            board.fail_all(Failure::ShuttingDown, effects)
        });
        self.pool.close();
    }
}
