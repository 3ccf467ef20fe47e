//! One run: its items, who works on them, and the watch over their clocks.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::ItemError;
use crate::clock::{Clock, Deadline, Tick};
use crate::pool::{Refusal, WorkerJob, WorkerPool};
use crate::sync::{Condvar, Mutex};

type ItemResult<T, E> = Result<T, ItemError<E>>;

pub(super) struct Run<K, T, E, F> {
    pub(super) items: Vec<K>,
    pub(super) call: F,
    pub(super) clock: Clock,
    pub(super) deadline: Deadline,
    pub(super) item_timeout: Duration,
    progress: Mutex<Progress<T, E>>,
    changed: Condvar,
}

struct Progress<T, E> {
    results: Vec<Option<ItemResult<T, E>>>,
    /// The first item nobody has started.
    next: usize,
    done: usize,
    running: HashMap<usize, (Option<WorkerJob>, Tick)>,
    /// Drainers queued or at work; a hung one no longer counts.
    drainers: usize,
}

/// What one turn of a drainer did.
enum Turn {
    /// There may be more to do.
    Again,
    /// All items are started, or this worker was given up on.
    Over,
}

/// A drainer in the pool's queue; dropped unrun it takes itself off the count.
struct Drainer<K, T, E, F>(Option<Arc<Run<K, T, E, F>>>);

impl<K, T, E, F> Drop for Drainer<K, T, E, F> {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run.progress.lock().drainers -= 1;
            run.changed.notify_all();
        }
    }
}

impl<K, T, E, F> Run<K, T, E, F>
where
    K: Send + Sync + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, Deadline) -> Result<T, E> + Send + Sync + 'static,
{
    pub(super) fn new(items: Vec<K>, call: F, clock: Clock, deadline: Deadline, item_timeout: Duration) -> Arc<Self> {
        let results = items.iter().map(|_| None).collect();
        Arc::new(Self {
            items,
            call,
            clock,
            deadline,
            item_timeout,
            progress: Mutex::new(Progress { results, next: 0, done: 0, running: HashMap::new(), drainers: 0 }),
            changed: Condvar::new(),
        })
    }

    /// Puts one more drainer into the queue.
    pub(super) fn add_drainer(self: &Arc<Self>, pool: &Arc<WorkerPool>) -> Result<(), Refusal> {
        self.progress.lock().drainers += 1;
        Self::enqueue(pool, Drainer(Some(Arc::clone(self))))
    }

    fn enqueue(pool: &Arc<WorkerPool>, mut drainer: Drainer<K, T, E, F>) -> Result<(), Refusal> {
        // Weak: a queued job must not keep alive the pool that would have to drop it.
        let weak = Arc::downgrade(pool);
        let job = Box::new(move || {
            let Some(run) = drainer.0.take() else { return };
            let job = weak.upgrade().and_then(|pool| pool.current_job());
            match (run.turn(job), weak.upgrade()) {
                // At the back of the queue, so that other runs get their turn.
                (Turn::Again, Some(pool)) => drop(Self::enqueue(&pool, Drainer(Some(run)))),
                (Turn::Again, None) => drop(Drainer(Some(run))),
                (Turn::Over, _) => {}
            }
        });
        pool.submit(job).map_err(|(refusal, job)| {
            drop(job);
            refusal
        })
    }

    /// Runs the next item on this worker.
    fn turn(&self, job: Option<WorkerJob>) -> Turn {
        let now = self.clock.now();
        let mut progress = self.progress.lock();
        let index = progress.next;
        if index >= self.items.len() || self.deadline.has_passed(now) {
            progress.drainers -= 1;
            drop(progress);
            self.changed.notify_all();
            return Turn::Over;
        }
        progress.next += 1;
        progress.running.insert(index, (job, now));
        drop(progress);
        // The waiter may have to shorten its sleep to this item's time-out.
        self.changed.notify_all();
        let result = self.call_item(index, now);
        let mut progress = self.progress.lock();
        if progress.running.remove(&index).is_none() {
            // Timed out meanwhile; drop the late result outside the lock.
            drop(progress);
            drop(result);
            return Turn::Over;
        }
        progress.results[index] = Some(result);
        progress.done += 1;
        drop(progress);
        self.changed.notify_all();
        Turn::Again
    }

    fn call_item(&self, index: usize, started: Tick) -> ItemResult<T, E> {
        let deadline = Deadline::at(started.after(self.item_timeout)).earlier(self.deadline);
        match catch_unwind(AssertUnwindSafe(|| (self.call)(&self.items[index], deadline))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ItemError::Failed(error)),
            Err(_panic) => {
                tracing::error!(item = index, "a batch call panicked");
                Err(ItemError::Panicked)
            }
        }
    }

    /// The old way: one item after the other on this thread.
    pub(super) fn run_here(&self, is_closed: impl Fn() -> bool, mut progress: impl FnMut(usize)) {
        for index in 0..self.items.len() {
            let now = self.clock.now();
            let result = if is_closed() {
                Err(ItemError::ShuttingDown)
            } else if self.deadline.has_passed(now) {
                Err(ItemError::NotStarted)
            } else {
                self.call_item(index, now)
            };
            let mut state = self.progress.lock();
            state.results[index] = Some(result);
            state.done += 1;
            drop(state);
            progress(index + 1);
        }
    }

    /// Waits for the end, times items out, and has their workers replaced. `rest` says what items
    /// get that no drainer is left for.
    pub(super) fn watch(
        self: &Arc<Self>,
        pool: &Arc<WorkerPool>,
        max_abandoned: usize,
        rest: impl Fn() -> ItemError<E>,
        mut report: impl FnMut(usize),
    ) {
        let mut reported = 0;
        loop {
            let mut progress = self.progress.lock();
            let now = self.clock.now();
            let expired = progress.expire(now, self.item_timeout, self.deadline);
            if expired.is_empty() && progress.done == reported && !progress.is_over(self.items.len()) {
                let wake = progress.next_expiry(self.item_timeout).earlier(self.deadline);
                self.clock.wait(&self.changed, &mut progress, wake);
            }
            if self.deadline.has_passed(self.clock.now()) {
                progress.fill_rest(|| ItemError::NotStarted);
            } else if progress.drainers == 0 && progress.running.is_empty() && expired.is_empty() {
                progress.fill_rest(&rest);
            }
            let (done, is_over) = (progress.done, progress.is_over(self.items.len()));
            let has_more = progress.next < self.items.len();
            drop(progress);
            for job in expired {
                if job.is_some_and(|job| pool.abandon(job, max_abandoned)) && has_more {
                    // Refused only at shutdown; then the rest is filled above.
                    let _refused = self.add_drainer(pool);
                }
            }
            if done != reported {
                reported = done;
                report(done);
            }
            if is_over {
                return;
            }
        }
    }

    /// The results so far; what is missing was not started.
    pub(super) fn take_results(&self) -> Vec<ItemResult<T, E>> {
        let results = std::mem::take(&mut self.progress.lock().results);
        results.into_iter().map(|result| result.unwrap_or(Err(ItemError::NotStarted))).collect()
    }
}

impl<T, E> Progress<T, E> {
    fn is_over(&self, items: usize) -> bool {
        self.done == items
    }

    fn next_expiry(&self, item_timeout: Duration) -> Deadline {
        self.running
            .values()
            .map(|(_, started)| started.after(item_timeout))
            .min()
            .map_or(Deadline::never(), Deadline::at)
    }

    /// Times out what has run too long; returns the workers it ran on.
    fn expire(&mut self, now: Tick, item_timeout: Duration, deadline: Deadline) -> Vec<Option<WorkerJob>> {
        let is_late = |started: Tick| now >= started.after(item_timeout) || deadline.has_passed(now);
        let late: Vec<usize> =
            self.running.iter().filter(|(_, (_, started))| is_late(*started)).map(|(i, _)| *i).collect();
        late.into_iter()
            .filter_map(|index| {
                let (job, started) = self.running.remove(&index)?;
                self.results[index] = Some(Err(ItemError::TimedOut { after: now.since(started) }));
                self.done += 1;
                self.drainers -= 1;
                Some(job)
            })
            .collect()
    }

    fn fill_rest(&mut self, error: impl Fn() -> ItemError<E>) {
        for result in &mut self.results[self.next..] {
            if result.is_none() {
                *result = Some(Err(error()));
                self.done += 1;
            }
        }
        self.next = self.results.len();
    }
}
