//! A job being put together, and its results as they come.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelToken;
use super::run::{ItemResult, Run};
use super::{BatchProcessor, BatchReport, CallScope, ItemError, WhenFull};
use crate::clock::{Deadline, Tick};
use crate::name::Name;
use crate::pool::SubmitError;

type SourceOf<'b, K> = Box<dyn Fn(&K) -> Name + 'b>;
type PaceOf<'b, K> = Box<dyn Fn(&K) -> Duration + 'b>;

/// A job being put together: what to call, and how.
///
/// # Examples
/// ```
/// use feedguard::{BatchProcessor, Clock, Deadline};
/// use feedguard::batch::CallScope;
/// use std::time::Duration;
/// let batch = BatchProcessor::new("batch", Default::default())?;
/// let fetch = |symbol: &String, scope: &CallScope| {
///     // An HTTP call with a time-out of `scope.deadline()`.
///     Ok::<_, std::io::Error>(symbol.len())
/// };
/// let symbols = (600_000..600_100).map(|n| n.to_string());
/// let job = batch.job(fetch).deadline(Deadline::after(&Clock::system(), Duration::from_secs(60)));
/// let mut ok = 0;
/// for (_index, result) in job.source(|_| "sina".into()).stream(symbols) {
///     ok += usize::from(result.is_ok());
/// }
/// assert_eq!(ok, 100);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct BatchJob<'b, K, F> {
    processor: &'b BatchProcessor,
    call: F,
    deadline: Deadline,
    cancel: CancelToken,
    source: Option<SourceOf<'b, K>>,
    pace: Option<PaceOf<'b, K>>,
}

impl<'b, K, F> BatchJob<'b, K, F> {
    pub(super) fn new(processor: &'b BatchProcessor, call: F) -> Self {
        let (deadline, cancel) = (Deadline::never(), CancelToken::new());
        Self { processor, call, deadline, cancel, source: None, pace: None }
    }

    /// When the whole job has to end: items not started by then never are, calls under way are given
    /// up.
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// Stops with this token.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Which source an item goes to: no more calls than
    /// [`per_source`](super::BatchConfig::per_source) are made to one at once, and the others wait
    /// without a worker. Runs on this thread.
    pub fn source(mut self, source: impl Fn(&K) -> Name + 'b) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// How long the next item has to wait before it is given to a worker, a limiter's
    /// [`peek`](crate::AdaptiveRateLimiter::peek) for instance. Runs on this thread; the items behind
    /// it wait too.
    pub fn pace(mut self, pace: impl Fn(&K) -> Duration + 'b) -> Self {
        self.pace = Some(Box::new(pace));
        self
    }
}

impl<'b, K, T, E, F> BatchJob<'b, K, F>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
{
    /// Runs it; one result an item, in the order of the items.
    pub fn run<I: IntoIterator<Item = K>>(self, items: I) -> BatchReport<T, E> {
        self.run_with_progress(items, |_done, _total| {})
    }

    /// As [`run`](Self::run); `progress` is called on this thread with the number of items done and
    /// the number known so far.
    ///
    /// # Panics
    /// A panic of `progress`, or of the iterator, propagates; what has not started is dropped.
    pub fn run_with_progress<I: IntoIterator<Item = K>>(
        self,
        items: I,
        mut progress: impl FnMut(usize, usize),
    ) -> BatchReport<T, E> {
        let (clock, started) = (self.processor.clock().clone(), self.processor.clock().now());
        let items = items.into_iter();
        let expected = items.size_hint().0;
        let mut results: Vec<Option<ItemResult<T, E>>> = Vec::with_capacity(expected);
        let mut done = 0;
        let mut stream = self.stream(items);
        while let Some((index, result)) = stream.next() {
            if results.len() <= index {
                results.resize_with(index + 1, || None);
            }
            results[index] = Some(result);
            done += 1;
            progress(done, stream.pulled.max(expected));
        }
        drop(stream);
        let results = results.into_iter().map(|result| result.unwrap_or(Err(ItemError::NotStarted)));
        BatchReport { results: results.collect(), elapsed: clock.now().since(started) }
    }

    /// As [`run`](Self::run), but items that are equal are called for once and share the result.
    pub fn run_coalesced(self, items: impl IntoIterator<Item = K>) -> BatchReport<T, E>
    where
        K: Hash + Eq + Clone,
        T: Clone,
        E: Clone,
    {
        let mut known: HashMap<K, usize> = HashMap::new();
        let mut distinct = Vec::new();
        let mut place = |item: K| {
            *known.entry(item).or_insert_with_key(|item| {
                distinct.push(item.clone());
                distinct.len() - 1
            })
        };
        let places: Vec<usize> = items.into_iter().map(&mut place).collect();
        drop(known);
        let report = self.run(distinct);
        let results = places.into_iter().map(|place| report.results[place].clone()).collect();
        BatchReport { results, elapsed: report.elapsed }
    }

    /// Runs it; results as they come, with the position of their item. Items are pulled from the
    /// iterator, on this thread, only as far as the queue has room: a job of a million items takes
    /// the memory of [`max_queued`](super::BatchConfig::max_queued). Dropped, it starts nothing more.
    pub fn stream<I: IntoIterator<Item = K>>(self, items: I) -> BatchStream<'b, K, T, E, F, I::IntoIter> {
        let context = self.processor.context(self.deadline, self.cancel);
        BatchStream {
            processor: self.processor,
            run: Run::new(self.call, context),
            items: Some(items.into_iter()),
            source: self.source,
            pace: self.pace,
            next: None,
            paced_until: Tick::default(),
            pulled: 0,
            fetched: 0,
            is_inline: self.processor.is_inline(),
        }
    }
}

impl<K, F> fmt::Debug for BatchJob<'_, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchJob").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// The results of a job as they come: position of the item, and its result. Item time-outs are watched
/// while it is read; dropped, it gives up on calls under way.
///
/// # Examples
/// ```
/// use feedguard::batch::CallScope;
/// use feedguard::{BatchConfig, BatchProcessor};
/// let batch = BatchProcessor::new("nightly", BatchConfig::default())?;
/// let stream = batch.job(|n: &u32, _: &CallScope| if *n == 3 { Err("no such") } else { Ok(*n) }).stream(0..10);
/// let failed: Vec<usize> = stream.filter(|(_, result)| result.is_err()).map(|(index, _)| index).collect();
/// assert_eq!(failed, [3]);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use = "a stream that is dropped starts nothing more"]
pub struct BatchStream<'b, K, T, E, F, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
{
    processor: &'b BatchProcessor,
    run: Arc<Run<K, T, E, F>>,
    items: Option<I>,
    source: Option<SourceOf<'b, K>>,
    pace: Option<PaceOf<'b, K>>,
    /// Pulled, but the queue had no room or its time has not come.
    next: Option<K>,
    paced_until: Tick,
    pub(super) pulled: usize,
    fetched: usize,
    /// The old way, or on one of the processor's own workers: one after the other on this thread.
    is_inline: bool,
}

impl<K, T, E, F, I> Iterator for BatchStream<'_, K, T, E, F, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
    I: Iterator<Item = K>,
{
    type Item = (usize, ItemResult<T, E>);

    fn next(&mut self) -> Option<Self::Item> {
        let found = if self.is_inline { self.next_inline() } else { self.next_pooled() };
        self.fetched += usize::from(found.is_some());
        found
    }
}

impl<K, T, E, F, I> BatchStream<'_, K, T, E, F, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
    I: Iterator<Item = K>,
{
    fn next_pooled(&mut self) -> Option<(usize, ItemResult<T, E>)> {
        loop {
            if let Some(refused) = self.feed() {
                return Some(refused);
            }
            let refusal = self.run.ensure_workers().err();
            if refusal == Some(SubmitError::NoThread) {
                // The system gives no thread at all: better slowly than not.
                self.is_inline = true;
                return self.next_inline();
            }
            self.run.fail_hopeless(refusal);
            if self.items.is_none() && self.next.is_none() && self.fetched == self.pulled {
                self.processor.show();
                return None;
            }
            let wake = if self.next.is_some() { Deadline::at(self.paced_until) } else { Deadline::never() };
            let wake = if wake.has_passed(self.processor.clock().now()) { Deadline::never() } else { wake };
            if let Some(found) = self.run.next(wake) {
                return Some(found);
            }
        }
    }

    /// Pulls items for which there is room, and gives them to the run; an item that finds none and is
    /// not to wait comes back.
    fn feed(&mut self) -> Option<(usize, ItemResult<T, E>)> {
        let is_closed = self.processor.is_closed();
        while self.run.unfetched() < self.processor.window() {
            let item = self.next.take().or_else(|| self.pull())?;
            let context = &self.run.context;
            let now = context.clock.now();
            let stopped = context.stopped(is_closed, now);
            if let Some(error) = stopped {
                return Some((self.pulled - 1, Err(error)));
            }
            let wait = self.pace.as_ref().map_or(Duration::ZERO, |pace| pace(&item));
            if !wait.is_zero() {
                self.paced_until = now.after(wait);
                self.next = Some(item);
                return None;
            }
            let source = self.source.as_ref().map(|source| source(&item));
            if !context.slots.try_queue() {
                if self.processor.when_full() == WhenFull::Reject && self.run.pending() == 0 {
                    return Some((self.pulled - 1, Err(ItemError::QueueFull)));
                }
                self.paced_until = Tick::MAX;
                self.next = Some(item);
                return None;
            }
            self.run.push(self.pulled - 1, item, source);
        }
        None
    }

    fn pull(&mut self) -> Option<K> {
        let item = self.items.as_mut()?.next();
        match item {
            Some(_) => self.pulled += 1,
            None => self.items = None,
        }
        item
    }

    fn next_inline(&mut self) -> Option<(usize, ItemResult<T, E>)> {
        // What waits first: the system gave no thread for it.
        let waiting = self.run.take_waiting();
        let (index, item) = if let Some(waiting) = waiting {
            waiting
        } else {
            let item = self.next.take().or_else(|| self.pull())?;
            (self.pulled - 1, item)
        };
        let context = &self.run.context;
        let now = context.clock.now();
        let stopped = context.stopped(self.processor.is_closed(), now);
        let result = stopped.map_or_else(|| self.run.call(index, &item, now), Err);
        Some((index, result))
    }
}

impl<K, T, E, F, I> Drop for BatchStream<'_, K, T, E, F, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.run.forget_rest();
    }
}

impl<K, T, E, F, I> fmt::Debug for BatchStream<'_, K, T, E, F, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&K, &CallScope) -> Result<T, E> + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("pulled", &self.pulled)
            .field("fetched", &self.fetched)
            .finish_non_exhaustive()
    }
}
