//! One job at work: its waiting items, who works on them, and the watch over their clocks.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::cancel::CancelToken;
use super::slots::Slots;
use super::wakers::Wake;
use super::{CallScope, ItemError};
use crate::clock::{Clock, Deadline, Tick};
use crate::name::Name;
use crate::pool::{SubmitError, WorkerJob, WorkerPool};
use crate::sync::{Condvar, Mutex};

pub(super) type ItemResult<T, E> = Result<T, ItemError<E>>;

/// What a job works with.
pub(super) struct RunContext {
    pub(super) clock: Clock,
    pub(super) deadline: Deadline,
    pub(super) item_timeout: Duration,
    pub(super) workers: usize,
    pub(super) max_abandoned: usize,
    pub(super) cancel: CancelToken,
    pub(super) slots: Arc<Slots>,
    pub(super) pool: Weak<WorkerPool>,
}

impl RunContext {
    /// Why no item may be started any more, if so.
    pub(super) fn stopped<E>(&self, is_closed: bool, now: Tick) -> Option<ItemError<E>> {
        if is_closed {
            Some(ItemError::ShuttingDown)
        } else if self.cancel.is_cancelled() {
            Some(ItemError::Cancelled)
        } else {
            self.deadline.has_passed(now).then_some(ItemError::NotStarted)
        }
    }
}

pub(super) struct Run<K, T, E, F> {
    call: F,
    pub(super) context: RunContext,
    progress: Mutex<Progress<K, T, E>>,
    changed: Condvar,
}

struct Progress<K, T, E> {
    /// Items that wait, by source; the first lane has none.
    lanes: Vec<Lane<K>>,
    by_source: HashMap<Name, usize>,
    /// The lane to look at first.
    next_lane: usize,
    pending: usize,
    finished: VecDeque<(usize, ItemResult<T, E>)>,
    running: HashMap<usize, Running>,
    /// Drainers queued or at work; a hung one no longer counts.
    at_work: usize,
    /// Something has changed that the watch has not looked at yet.
    is_woken: bool,
}

struct Lane<K> {
    source: Option<Name>,
    items: VecDeque<(usize, K)>,
}

struct Running {
    job: Option<WorkerJob>,
    started: Tick,
    source: Option<Name>,
}

/// What one step of a batch worker did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WorkerStep {
    /// There may be more to do.
    Again,
    /// Nothing can be started, or this worker was given up on.
    Over,
}

/// A batch worker in the pool's queue; dropped unrun it takes itself off the count.
struct BatchWorker<K, T, E, F>(Option<Arc<Run<K, T, E, F>>>);

impl<K, T, E, F> Drop for BatchWorker<K, T, E, F> {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            let mut progress = run.progress.lock();
            progress.at_work -= 1;
            progress.is_woken = true;
            drop(progress);
            run.changed.notify_all();
        }
    }
}

impl<K: Send, T: Send, E: Send, F: Send + Sync> Wake for Run<K, T, E, F> {
    fn wake(&self) {
        self.progress.lock().is_woken = true;
        self.changed.notify_all();
    }
}

impl<K, T, E, F> Run<K, T, E, F>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
{
    pub(super) fn new(call: F, context: RunContext) -> Arc<Self> {
        let progress = Progress {
            lanes: vec![Lane { source: None, items: VecDeque::new() }],
            by_source: HashMap::new(),
            next_lane: 0,
            pending: 0,
            finished: VecDeque::new(),
            running: HashMap::new(),
            at_work: 0,
            is_woken: false,
        };
        let run = Arc::new(Self { call, context, progress: Mutex::new(progress), changed: Condvar::new() });
        let waker: Arc<dyn Wake> = Arc::clone(&run) as Arc<dyn Wake>;
        run.context.slots.wakes(Arc::downgrade(&waker));
        run.context.cancel.wakes(Arc::downgrade(&waker));
        run
    }

    /// Adds an item that waits for a worker; its room in the queue is taken.
    pub(super) fn push(&self, index: usize, item: K, source: Option<Name>) {
        let mut progress = self.progress.lock();
        let lane = progress.lane(source);
        progress.lanes[lane].items.push_back((index, item));
        progress.pending += 1;
    }

    /// Items that wait, run, or have ended and were not fetched.
    pub(super) fn unfetched(&self) -> usize {
        let progress = self.progress.lock();
        progress.pending + progress.running.len() + progress.finished.len()
    }

    /// Items that wait.
    pub(super) fn pending(&self) -> usize {
        self.progress.lock().pending
    }

    /// The next item that waits, for a caller that has to run it itself.
    pub(super) fn take_waiting(&self) -> Option<(usize, K)> {
        let mut progress = self.progress.lock();
        let lane = progress.lanes.iter_mut().find(|lane| !lane.items.is_empty())?;
        let waiting = lane.items.pop_front();
        progress.pending -= 1;
        drop(progress);
        self.context.slots.unqueue(1);
        waiting
    }

    /// Queues batch workers for what waits.
    ///
    /// # Errors
    /// The pool's refusal, if nobody is at work.
    pub(super) fn ensure_workers(self: &Arc<Self>) -> Result<(), SubmitError> {
        let Some(pool) = self.context.pool.upgrade() else { return Err(SubmitError::Closed) };
        loop {
            let mut progress = self.progress.lock();
            let startable = progress.startable(&self.context.slots);
            let wanted = (startable + progress.running.len()).min(self.context.workers);
            if progress.at_work >= wanted {
                return Ok(());
            }
            let is_first = progress.at_work == 0;
            progress.at_work += 1;
            drop(progress);
            if let Err(refusal) = Self::enqueue(&pool, BatchWorker(Some(Arc::clone(self)))) {
                return if is_first { Err(refusal) } else { Ok(()) };
            }
        }
    }

    fn enqueue(pool: &Arc<WorkerPool>, mut worker: BatchWorker<K, T, E, F>) -> Result<(), SubmitError> {
        // Weak: a queued job must not keep alive the pool that would have to drop it.
        let weak = Arc::downgrade(pool);
        let job = Box::new(move || {
            let Some(run) = worker.0.take() else { return };
            let job = weak.upgrade().and_then(|pool| pool.current_job());
            while run.run_next(job) == WorkerStep::Again {
                let Some(pool) = weak.upgrade() else { return drop(BatchWorker(Some(run))) };
                if !pool.is_closed() {
                    // At the back of the queue, so that other jobs get their turn. Counted twice for a
                    // moment: a refused one takes itself off, and this one continues.
                    run.progress.lock().at_work += 1;
                    if Self::enqueue(&pool, BatchWorker(Some(Arc::clone(&run)))).is_ok() {
                        run.progress.lock().at_work -= 1;
                        return;
                    }
                }
                // After a shutdown there is no queue; what waits is run out while there is time.
                if !pool.runs_out() {
                    return drop(BatchWorker(Some(run)));
                }
                pool.count_done();
            }
        });
        pool.submit(job).map_err(|(refusal, job)| {
            drop(job);
            refusal
        })
    }

    /// Runs the next item on this worker.
    fn run_next(&self, job: Option<WorkerJob>) -> WorkerStep {
        let now = self.context.clock.now();
        let mut progress = self.progress.lock();
        let is_stopped = self.context.deadline.has_passed(now) || self.context.cancel.is_cancelled();
        let next = if is_stopped { None } else { progress.next(&self.context.slots) };
        let Some((index, item, source)) = next else {
            progress.at_work -= 1;
            progress.is_woken = true;
            drop(progress);
            self.changed.notify_all();
            return WorkerStep::Over;
        };
        progress.running.insert(index, Running { job, started: now, source: source.clone() });
        drop(progress);
        self.context.slots.unqueue(1);
        // The watch may have to shorten its sleep to this item's time-out.
        self.changed.notify_all();
        let result = self.call(index, &item, now);
        // The host's, and so is its panic.
        if catch_unwind(AssertUnwindSafe(|| drop(item))).is_err() {
            tracing::error!(item = index, "dropping a batch item panicked");
        }
        let mut progress = self.progress.lock();
        let is_late = progress.running.remove(&index).is_none();
        if is_late {
            // Timed out meanwhile; the late result is dropped outside the lock.
            drop(progress);
            drop(result);
        } else {
            progress.finished.push_back((index, result));
            drop(progress);
            self.changed.notify_all();
        }
        if let Some(source) = source {
            self.context.slots.release(&source, is_late);
        }
        if is_late { WorkerStep::Over } else { WorkerStep::Again }
    }

    /// Calls for one item; a panic is an error of that item.
    pub(super) fn call(&self, index: usize, item: &K, started: Tick) -> ItemResult<T, E> {
        let deadline = Deadline::at(started.after(self.context.item_timeout)).earlier(self.context.deadline);
        let scope = CallScope { deadline, cancel: self.context.cancel.clone() };
        match catch_unwind(AssertUnwindSafe(|| (self.call)(item, &scope))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ItemError::Failed(error)),
            Err(_panic) => {
                tracing::error!(item = index, "a batch call panicked");
                Err(ItemError::Panicked)
            }
        }
    }

    /// The next result, if there is one by `wake`; waits for it, times items out, and has their
    /// workers replaced. `None` also when somebody has to look at what waits.
    pub(super) fn next(self: &Arc<Self>, wake: Deadline) -> Option<(usize, ItemResult<T, E>)> {
        let context = &self.context;
        let mut progress = self.progress.lock();
        if let Some(finished) = progress.finished.pop_front() {
            return Some(finished);
        }
        let mut expired = progress.expire(context);
        if expired.is_empty() && !std::mem::take(&mut progress.is_woken) {
            let until = progress.next_expiry(context.item_timeout).earlier(context.deadline).earlier(wake);
            context.clock.wait(&self.changed, &mut progress, until);
            expired = progress.expire(context);
        }
        let finished = progress.finished.pop_front();
        drop(progress);
        self.give_up(expired);
        finished
    }

    /// Gives up on workers that hang, and has them replaced for what waits.
    fn give_up(self: &Arc<Self>, expired: Vec<Running>) {
        // Others that wait for the same source may have to give up.
        if expired.iter().any(|running| running.source.is_some()) {
            self.context.slots.wake_all();
        }
        for Running { job, .. } in expired {
            if let (Some(job), Some(pool)) = (job, self.context.pool.upgrade()) {
                pool.abandon(job, self.context.max_abandoned);
            }
        }
    }

    /// Fails what waits and cannot be started any more.
    pub(super) fn fail_hopeless(&self, refusal: Option<SubmitError>) {
        let context = &self.context;
        let pool = context.pool.upgrade();
        let is_closed = pool.as_ref().is_none_or(|pool| pool.is_closed());
        let mut progress = self.progress.lock();
        let nobody_works = progress.at_work == 0 && progress.running.is_empty();
        let (mut failed, mut is_shutdown) = (Vec::new(), false);
        if context.cancel.is_cancelled() {
            failed = progress.fail_all(|| ItemError::Cancelled);
        } else if context.deadline.has_passed(context.clock.now()) {
            failed = progress.fail_all(|| ItemError::NotStarted);
        } else if progress.at_work == 0 && is_closed {
            is_shutdown = true;
            failed = progress.fail_all(|| ItemError::ShuttingDown);
        } else if nobody_works && refusal == Some(SubmitError::Saturated) {
            let abandoned = pool.map_or(0, |pool| pool.snapshot().abandoned);
            failed = progress.fail_all(|| ItemError::Saturated { abandoned });
        } else {
            for lane in 0..progress.lanes.len() {
                let stuck = progress.lanes[lane].source.as_ref().and_then(|source| context.slots.saturated(source));
                if let Some(abandoned) = stuck.filter(|_| !progress.lanes[lane].items.is_empty()) {
                    failed.extend(progress.fail_lane(lane, || ItemError::Saturated { abandoned }));
                }
            }
        }
        drop(progress);
        if is_shutdown {
            context.slots.cancel(failed.len());
        } else {
            context.slots.unqueue(failed.len());
        }
        // The host's items, dropped outside the lock.
        drop(failed);
    }

    /// Drops what waits, at the end of a stream that nobody reads any more.
    pub(super) fn forget_rest(self: &Arc<Self>) {
        let mut progress = self.progress.lock();
        let rest = progress.fail_all(|| ItemError::Cancelled);
        let unread = std::mem::take(&mut progress.finished);
        // Nobody will watch their clocks: they are given up on now, and counted until they end.
        let running: Vec<Running> = progress.running.drain().map(|(_, running)| running).collect();
        progress.at_work -= running.len();
        for source in running.iter().filter_map(|running| running.source.as_ref()) {
            self.context.slots.hangs(source);
        }
        drop(progress);
        self.context.slots.unqueue(rest.len());
        self.give_up(running);
        drop((rest, unread));
    }
}

impl<K, T, E> Progress<K, T, E> {
    fn lane(&mut self, source: Option<Name>) -> usize {
        let Some(source) = source else { return 0 };
        if let Some(lane) = self.by_source.get(&source) {
            return *lane;
        }
        self.lanes.push(Lane { source: Some(source.clone()), items: VecDeque::new() });
        self.by_source.insert(source, self.lanes.len() - 1);
        self.lanes.len() - 1
    }

    /// The next item whose source has a place, the sources in turn.
    fn next(&mut self, slots: &Slots) -> Option<(usize, K, Option<Name>)> {
        let count = self.lanes.len();
        for step in 0..count {
            let at = (self.next_lane + step) % count;
            let lane = &mut self.lanes[at];
            if lane.items.is_empty() || lane.source.as_ref().is_some_and(|source| !slots.try_take(source)) {
                continue;
            }
            let source = lane.source.clone();
            let (index, item) = lane.items.pop_front()?;
            self.next_lane = at + 1;
            self.pending -= 1;
            return Some((index, item, source));
        }
        None
    }

    /// Items that wait and whose source has a place: a batch worker for others would come in vain.
    fn startable(&self, slots: &Slots) -> usize {
        let of = |lane: &Lane<K>| {
            let places = lane.source.as_ref().map_or(usize::MAX, |source| slots.free(source));
            lane.items.len().min(places)
        };
        self.lanes.iter().filter(|lane| !lane.items.is_empty()).map(of).sum()
    }

    fn next_expiry(&self, item_timeout: Duration) -> Deadline {
        let starts = self.running.values().map(|running| running.started.after(item_timeout));
        starts.min().map_or(Deadline::never(), Deadline::at)
    }

    /// Times out what has run too long; what it ran on.
    fn expire(&mut self, context: &RunContext) -> Vec<Running> {
        let now = context.clock.now();
        let is_late = |started: Tick| now >= started.after(context.item_timeout) || context.deadline.has_passed(now);
        let late = self.running.iter().filter(|(_, running)| is_late(running.started)).map(|(index, _)| *index);
        let late: Vec<usize> = late.collect();
        late.into_iter()
            .filter_map(|index| {
                let running = self.running.remove(&index)?;
                self.finished.push_back((index, Err(ItemError::TimedOut { after: now.since(running.started) })));
                self.at_work -= 1;
                if let Some(source) = &running.source {
                    // Before its late end can release the place.
                    context.slots.hangs(source);
                }
                Some(running)
            })
            .collect()
    }

    fn fail_all(&mut self, error: impl Fn() -> ItemError<E>) -> Vec<K> {
        (0..self.lanes.len()).flat_map(|lane| self.fail_lane(lane, &error)).collect()
    }

    fn fail_lane(&mut self, lane: usize, error: impl Fn() -> ItemError<E>) -> Vec<K> {
        let items = std::mem::take(&mut self.lanes[lane].items);
        self.pending -= items.len();
        let fail = |(index, item)| {
            self.finished.push_back((index, Err(error())));
            item
        };
        items.into_iter().map(fail).collect()
    }
}
