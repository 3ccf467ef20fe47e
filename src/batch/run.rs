//! One job at work: its items, its results, and the call for each. What runs when is the board's.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ahash::AHashMap;

use super::engine::{Engine, HeldTurn, Job};
use super::orders::Failure;
use super::{CallScope, ItemError};
use crate::cancel::CancelToken;
use crate::clock::{Deadline, Tick};
use crate::pool::{WorkerJob, drop_caught, panic_text};
use crate::sync::{Condvar, Mutex};
use crate::wakers::Wake;

pub(super) type ItemResult<T, E> = Result<T, ItemError<E>>;

/// What is called for an item.
pub(super) type Call<K, T, E> = Box<dyn Fn(&K, &CallScope) -> Result<T, E> + Send + Sync>;

pub(super) struct Run<K, T, E> {
    call: Call<K, T, E>,
    deadline: Deadline,
    cancel: CancelToken,
    desk: Mutex<Desk<K, T, E>>,
    changed: Condvar,
}

/// What waits and what has ended. Never locked together with the board.
struct Desk<K, T, E> {
    items: AHashMap<usize, K>,
    finished: VecDeque<(usize, ItemResult<T, E>)>,
    /// Something has changed that the owner has not looked at yet.
    is_woken: bool,
    is_stranded: bool,
    /// Nobody will read what ends from now on.
    is_left: bool,
}

/// What the owner of a job hears when it waits.
pub(super) enum News<T, E> {
    Finished(usize, ItemResult<T, E>),
    /// Its items find no thread.
    Stranded,
    /// It was woken, or its time is over: look again.
    Nothing,
}

impl<K, T, E> Run<K, T, E> {
    pub(super) fn new(call: Call<K, T, E>, deadline: Deadline, cancel: CancelToken) -> Self {
        let desk = Desk {
            items: AHashMap::new(),
            finished: VecDeque::new(),
            is_woken: false,
            is_stranded: false,
            is_left: false,
        };
        Self { call, deadline, cancel, desk: Mutex::new(desk), changed: Condvar::new() }
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(super) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Why no item may be started any more, if so.
    pub(super) fn stopped(&self, now: Tick) -> Option<Failure> {
        if self.cancel.is_cancelled() {
            Some(Failure::Cancelled)
        } else {
            self.deadline.has_passed(now).then_some(Failure::NotStarted)
        }
    }

    /// Lays an item down for its turn.
    pub(super) fn lay(&self, index: usize, item: K) {
        let _none = self.desk.lock().items.insert(index, item);
    }

    pub(super) fn pick_up(&self, index: usize) -> Option<K> {
        self.desk.lock().items.remove(&index)
    }

    pub(super) fn take_finished(&self) -> Option<(usize, ItemResult<T, E>)> {
        self.desk.lock().finished.pop_front()
    }

    /// Waits for a result, or to be woken.
    pub(super) fn wait(&self, engine: &Arc<Engine>, until: Deadline) -> News<T, E> {
        let mut desk = self.desk.lock();
        if desk.finished.is_empty() && !desk.is_woken && !desk.is_stranded {
            engine.clock.wait(&self.changed, &mut desk, until);
        }
        desk.is_woken = false;
        if let Some((index, result)) = desk.finished.pop_front() {
            return News::Finished(index, result);
        }
        if std::mem::take(&mut desk.is_stranded) { News::Stranded } else { News::Nothing }
    }

    /// Takes everything away, to be dropped by the caller: the owner has gone.
    pub(super) fn clear(&self) -> impl Sized + use<K, T, E> {
        let mut desk = self.desk.lock();
        desk.is_left = true;
        (std::mem::take(&mut desk.items), std::mem::take(&mut desk.finished))
    }

    fn finish(&self, index: usize, result: ItemResult<T, E>) {
        let mut desk = self.desk.lock();
        if desk.is_left {
            drop(desk);
            return drop_caught(result, "a result that nobody waits for");
        }
        desk.finished.push_back((index, result));
        drop(desk);
        self.changed.notify_all();
    }

    /// Calls for one item.
    pub(super) fn call(&self, engine: &Engine, index: usize, item: &K, started: Tick) -> ItemResult<T, E> {
        if self.cancel.is_cancelled() {
            return Err(ItemError::Cancelled);
        }
        let deadline = Deadline::at(started.after(engine.item_timeout)).earlier(self.deadline);
        let scope = CallScope { deadline, cancel: self.cancel.clone() };
        caught(index, || (self.call)(item, &scope))
    }
}

/// Makes a call for an item; a panic is an error of that item.
pub(super) fn caught<T, E>(index: usize, call: impl FnOnce() -> Result<T, E>) -> ItemResult<T, E> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(ItemError::Failed),
        Err(payload) => {
            let message = panic_text(payload.as_ref());
            tracing::error!(item = index, message = message.escape_debug().to_string(), "a batch call panicked");
            drop_caught(payload, "a panic's payload");
            Err(ItemError::Panicked { message: message.into() })
        }
    }
}

impl<E> From<Failure> for ItemError<E> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut { after } => Self::TimedOut { after },
            Failure::NotStarted => Self::NotStarted,
            Failure::Saturated { abandoned } => Self::Saturated { abandoned },
            Failure::Cancelled => Self::Cancelled,
            Failure::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl<K: Send, T: Send, E: Send> Wake for Run<K, T, E> {
    fn wake(&self) {
        self.desk.lock().is_woken = true;
        self.changed.notify_all();
    }
}

impl<K: Send, T: Send, E: Send> Job for Run<K, T, E> {
    fn run(&self, engine: &Arc<Engine>, turn: &HeldTurn, worker: WorkerJob) -> Option<HeldTurn> {
        // Gone: it was given up on, or its owner has left, before it came so far.
        let Some(item) = self.pick_up(turn.index) else { return engine.end(turn.call, worker).1 };
        let result = self.call(engine, turn.index, &item, turn.started);
        drop_caught(item, "a batch item");
        let (is_late, next) = engine.end(turn.call, worker);
        if is_late {
            // Its place is free already, whatever this drop does.
            drop_caught(result, "a late result");
        } else {
            self.finish(turn.index, result);
        }
        next
    }

    fn settle(&self, index: usize, failure: Failure) {
        let mut desk = self.desk.lock();
        let item = desk.items.remove(&index);
        desk.finished.push_back((index, Err(failure.into())));
        drop(desk);
        self.changed.notify_all();
        drop_caught(item, "a batch item");
    }

    fn strand(&self) {
        self.desk.lock().is_stranded = true;
        self.changed.notify_all();
    }
}
