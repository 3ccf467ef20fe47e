//! Who has a job: gives its items to the engine, waits for its results, leaves it in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ItemError;
use super::engine::{Engine, Handle};
use super::orders::{Failure, JobId, Offer};
use super::run::{ItemResult, News, Run};
use crate::clock::{Deadline, Tick};
use crate::name::Name;
use crate::pool::drop_caught;
use crate::wakers::Wake;

/// What became of an item that was given.
pub(super) enum Given<K, T, E> {
    Taken,
    /// There is no room; it comes back, and its owner is woken when there is.
    Full(K),
    Ended(ItemResult<T, E>),
}

pub(super) struct Owner<K, T, E>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    pub(super) engine: Arc<Engine>,
    pub(super) run: Arc<Run<K, T, E>>,
    id: JobId,
    is_stopped: bool,
    /// Items that found no thread.
    stranded: VecDeque<usize>,
}

impl<K, T, E> Owner<K, T, E>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    pub(super) fn new(engine: &Arc<Engine>, run: Run<K, T, E>) -> Self {
        let run = Arc::new(run);
        let waker: Arc<dyn Wake> = Arc::clone(&run) as Arc<dyn Wake>;
        run.cancel().wakes(Arc::downgrade(&waker));
        let id = engine.join(Arc::clone(&run) as Handle, run.deadline());
        Self { engine: Arc::clone(engine), run, id, is_stopped: false, stranded: VecDeque::new() }
    }

    /// Gives an item, which may start at `due`.
    pub(super) fn give(
        &self,
        index: usize,
        item: K,
        source: Option<Name>,
        due: Option<Tick>,
        rejects: bool,
    ) -> Given<K, T, E> {
        // Before a worker can come for it.
        self.run.lay(index, item);
        match self.engine.offer(self.id, (index, source), due, rejects) {
            Offer::Taken => Given::Taken,
            Offer::Full => match self.run.pick_up(index) {
                Some(item) => Given::Full(item),
                None => Given::Taken,
            },
            Offer::Rejected => self.take_back(index, ItemError::QueueFull),
            Offer::Failed(failure) => self.take_back(index, failure.into()),
        }
    }

    fn take_back(&self, index: usize, error: ItemError<E>) -> Given<K, T, E> {
        drop_caught(self.run.pick_up(index), "a batch item");
        Given::Ended(Err(error))
    }

    /// Items whose time has not come.
    pub(super) fn paced(&self) -> usize {
        self.engine.paced(self.id)
    }

    /// Why no item may be started any more; what waits has failed then.
    pub(super) fn stopped(&mut self) -> Option<Failure> {
        let failure = self.run.stopped(self.engine.clock.now())?;
        if !std::mem::replace(&mut self.is_stopped, true) {
            self.engine.fail_waiting(self.id, failure);
        }
        Some(failure)
    }

    /// Waits for a result until `until`; `None` also if there is something else to look at.
    pub(super) fn wait(&mut self, until: Deadline) -> Option<(usize, ItemResult<T, E>)> {
        if let Some(index) = self.stranded.pop_front() {
            return Some((index, self.run_inline(index)));
        }
        let until = if self.is_stopped { until } else { until.earlier(self.run.deadline()) };
        match self.run.wait(&self.engine, self.engine.wait_until(until)) {
            News::Finished(index, result) => Some((index, result)),
            News::Stranded => {
                self.stranded = self.engine.take_waiting(self.id).into();
                None
            }
            News::Nothing => {
                let _stops = self.stopped();
                self.engine.look();
                self.run.take_finished()
            }
        }
    }

    /// The system gives no thread at all: better slowly than not.
    fn run_inline(&self, index: usize) -> ItemResult<T, E> {
        let now = self.engine.clock.now();
        match (self.run.stopped(now), self.run.pick_up(index)) {
            (None, Some(item)) => self.run.call(&self.engine, index, &item, now),
            (stopped, _) => Err(stopped.unwrap_or(Failure::NotStarted).into()),
        }
    }
}

impl<K, T, E> Drop for Owner<K, T, E>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn drop(&mut self) {
        self.engine.leave(self.id);
        drop(self.run.clear());
    }
}
