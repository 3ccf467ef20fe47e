//! Calls that borrow: a job of numbers on the processor's workers, each of which hands its number to a
//! thread of a scope and waits for its end.
//!
//! The job is an ordinary one, so that queue, places, turns, time-outs and shutdown are the board's, and a
//! call that hangs is a worker's call that hangs. The scope's threads borrow the items and the call.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::run::{ItemResult, caught};
use super::{CallScope, ItemError, stand_in};
use crate::pool::drop_caught;
use crate::sync::{Condvar, Mutex, thread};

/// Numbers on their way from workers to the threads of a scope: handed over by one worker, taken and
/// finished by one thread.
pub(super) struct Exchange {
    state: Mutex<State>,
    /// A number waits, or there will be none any more.
    offered: Condvar,
    finished: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(usize, CallScope)>,
    done: AHashSet<usize>,
    /// Threads in the scope, and those of them that look for a number.
    threads: usize,
    idle: usize,
    is_over: bool,
}

impl Exchange {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()), offered: Condvar::new(), finished: Condvar::new() })
    }

    /// A worker's side: hands a number over, and waits until its call has ended.
    pub(super) fn hand_over(&self, number: usize, scope: &CallScope) {
        let mut state = self.state.lock();
        state.waiting.push_back((number, scope.clone()));
        self.offered.notify_one();
        while !state.done.remove(&number) {
            self.finished.wait(&mut state);
        }
    }

    /// A thread's side: the next number, and whether another thread is wanted for those behind it; `None`
    /// when the job is over.
    fn take(&self, most: usize) -> Option<(usize, CallScope, bool)> {
        let mut state = self.state.lock();
        state.idle += 1;
        while state.waiting.is_empty() && !state.is_over {
            self.offered.wait(&mut state);
        }
        state.idle -= 1;
        let (number, scope) = state.waiting.pop_front()?;
        // Always one that looks, as long as there may be: the next number finds it.
        let is_wanted = state.idle == 0 && state.threads < most;
        state.threads += usize::from(is_wanted);
        drop(state);
        Some((number, scope, is_wanted))
    }

    fn finish(&self, number: usize) {
        self.state.lock().done.insert(number);
        self.finished.notify_all();
    }

    fn close(&self) {
        self.state.lock().is_over = true;
        self.offered.notify_all();
    }
}

/// Closes the exchange also when a panic of the host's passes by: the scope waits for its threads.
struct Closes<'a>(&'a Exchange);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The threads of a scope.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    /// At most so many.
    pub(super) most: usize,
    /// The number of the engine for whose workers they stand in.
    pub(super) engine: usize,
}

/// What the threads of a scope borrow.
struct Shared<'a, K, T, E, F> {
    exchange: &'a Exchange,
    items: &'a [K],
    call: &'a F,
    results: Mutex<AHashMap<usize, ItemResult<T, E>>>,
    threads: Threads,
}

impl<K, T, E, F> Shared<'_, K, T, E, F>
where
    K: Sync,
    T: Send,
    E: Send,
    F: Fn(&K, &CallScope) -> Result<T, E> + Sync,
{
    /// A thread's stay: numbers, until the job is over.
    fn work<'scope>(&'scope self, scope: &'scope thread::Scope<'scope, '_>) {
        stand_in::enter(self.threads.engine);
        while let Some((number, call, is_wanted)) = self.exchange.take(self.threads.most) {
            if is_wanted && !self.spawn(scope) {
                self.exchange.state.lock().threads -= 1;
            }
            let result = self.call(number, &call);
            // Before its worker hears of it.
            self.results.lock().insert(number, result);
            self.exchange.finish(number);
        }
    }

    fn call(&self, number: usize, scope: &CallScope) -> ItemResult<T, E> {
        caught(number, || (self.call)(&self.items[number], scope))
    }

    /// `false`: the system gives no thread.
    fn spawn<'scope>(&'scope self, scope: &'scope thread::Scope<'scope, '_>) -> bool {
        #[cfg(not(feedguard_shuttle))]
        let is_there = thread::Builder::new().spawn_scoped(scope, || self.work(scope)).is_ok();
        #[cfg(feedguard_shuttle)]
        let is_there = {
            scope.spawn(|| self.work(scope));
            true
        };
        is_there
    }
}

/// Runs the calls of a scope beside the job of their numbers; one result an item, in their order. Without
/// any thread, `inline` says for each item whether its call may begin here and now.
pub(super) fn run<K, T, E, F>(
    exchange: &Exchange,
    (items, call): (&[K], &F),
    threads: Threads,
    numbers: impl FnOnce() -> Vec<(usize, ItemResult<(), Infallible>)>,
    inline: impl Fn() -> Result<CallScope, ItemError<E>>,
) -> Vec<Option<ItemResult<T, E>>>
where
    K: Sync,
    T: Send,
    E: Send,
    F: Fn(&K, &CallScope) -> Result<T, E> + Sync,
{
    let shared = Shared { exchange, items, call, results: Mutex::new(AHashMap::new()), threads };
    let ended = thread::scope(|scope| {
        let _closes = Closes(exchange);
        exchange.state.lock().threads += 1;
        shared.spawn(scope).then(numbers)
    });
    let Some(ended) = ended else {
        // Better slowly than not.
        let one = |number| Some(inline().and_then(|scope| shared.call(number, &scope)));
        return (0..items.len()).map(one).collect();
    };
    let mut results = std::mem::take(&mut *shared.results.lock());
    let mut merged: Vec<Option<ItemResult<T, E>>> = Vec::new();
    merged.resize_with(items.len(), || None);
    for (number, result) in ended {
        merged[number] = match result {
            Ok(()) => results.remove(&number),
            Err(error) => Some(Err(error.map(|never| match never {}))),
        };
    }
    drop_caught(results, "late results");
    merged
}
