//! A job being put together.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::borrowed::{self, Exchange, Threads};
use super::run::{ItemResult, Run};
use super::stream::{PaceOf, SourceOf};
use super::{BatchProcessor, BatchReport, BatchStream, CallScope, ItemError, Pending};
use crate::cancel::CancelToken;
use crate::clock::Deadline;
use crate::name::Name;

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

    /// How long an item has to wait before it may be given to a worker: its place in a limiter's line, for
    /// instance. Runs on this thread, once for each item, so that it may reserve; the item then waits
    /// without a worker. No more items than there are workers wait so at once; those behind them are not
    /// asked for before one's time has come.
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
        let mut results: Vec<Option<ItemResult<T, E>>> = Vec::with_capacity(expected.min(1 << 20));
        let mut done = 0;
        let mut stream = self.stream(items);
        while let Some((index, result)) = stream.next() {
            if results.len() <= index {
                results.resize_with(index + 1, || None);
            }
            results[index] = Some(result);
            done += 1;
            progress(done, stream.pulled().max(expected));
        }
        drop(stream);
        BatchReport::of(results, clock.now().since(started))
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
    /// iterator, on this thread, one by one, only as far as the queue has room: a job of a million items
    /// takes the memory of [`max_queued`](super::BatchConfig::max_queued). Dropped, it starts nothing more.
    pub fn stream<I: IntoIterator<Item = K>>(self, items: I) -> BatchStream<'b, K, T, E, I::IntoIter> {
        let Self { processor, call, deadline, cancel, source, pace } = self;
        BatchStream::new(processor.parts(), Run::new(Box::new(call), deadline, cancel), source, pace, items.into_iter())
    }

    /// Gives one item to the workers and returns at once: what will become of it. Waits for room in the
    /// queue, if [`when_full`](super::BatchConfig::when_full) says so. From inside a call of the same
    /// processor, and with [`BatchMode::Serial`](super::BatchMode::Serial), it runs here and now.
    pub fn submit(self, item: K) -> Pending<T, E> {
        let Self { processor, call, deadline, cancel, source, pace } = self;
        let run = Run::new(Box::new(call), deadline, cancel);
        let (owner, result) = BatchStream::new(processor.parts(), run, source, pace, std::iter::once(item)).into_fed();
        Pending::new(owner, result)
    }
}

impl<K, T, E, F> BatchJob<'_, K, F>
where
    K: Sync,
    T: Send,
    E: Send,
    F: Fn(&K, &CallScope) -> Result<T, E> + Sync,
{
    /// As [`run`](Self::run), for a call and items that borrow: each call runs on a thread of a scope, at
    /// most as many as the processor may have, beside a worker that waits for it. Limits, turns, times and
    /// a shutdown are those of the processor; a call past its time-out is told at once, but since it
    /// borrows, this returns only when it has ended.
    ///
    /// # Examples
    /// ```
    /// use feedguard::BatchProcessor;
    /// use feedguard::batch::CallScope;
    /// let batch = BatchProcessor::new("batch", Default::default())?;
    /// let prices = vec![10.0, 11.0, 12.5];
    /// let names = ["a", "b", "c"];
    /// let call = |name: &&str, _: &CallScope| names.iter().position(|n| n == name).map(|at| prices[at]).ok_or("unknown");
    /// let report = batch.job(call).run_scoped(names);
    /// assert_eq!(report.results[2], Ok(12.5));
    /// # Ok::<(), feedguard::ConfigError>(())
    /// ```
    ///
    /// # Panics
    /// Panics of the call become [`ItemError::Panicked`](super::ItemError::Panicked).
    pub fn run_scoped(self, items: impl IntoIterator<Item = K>) -> BatchReport<T, E> {
        let Self { processor, call, deadline, cancel, source, pace } = self;
        let (clock, started) = (processor.clock().clone(), processor.clock().now());
        let items: Vec<K> = items.into_iter().collect();
        let (engine, config, is_inline) = processor.parts();
        let exchange = Exchange::new();
        let numbers = || {
            let worker = Arc::clone(&exchange);
            let hand_over = move |number: &usize, scope: &CallScope| {
                worker.hand_over(*number, scope);
                Ok(())
            };
            let run = Run::new(Box::new(hand_over), deadline, cancel.clone());
            let source: Option<SourceOf<'_, usize>> =
                source.as_ref().map(|source| Box::new(|number: &usize| source(&items[*number])) as SourceOf<'_, usize>);
            let pace: Option<PaceOf<'_, usize>> =
                pace.as_ref().map(|pace| Box::new(|number: &usize| pace(&items[*number])) as PaceOf<'_, usize>);
            BatchStream::new((engine, config, is_inline), run, source, pace, 0..items.len()).collect()
        };
        let inline = || {
            let now = clock.now();
            if cancel.is_cancelled() {
                return Err(ItemError::Cancelled);
            }
            if deadline.has_passed(now) {
                return Err(ItemError::NotStarted);
            }
            let deadline = Deadline::at(now.after(engine.item_timeout)).earlier(deadline);
            Ok(CallScope { deadline, cancel: cancel.clone() })
        };
        // One for each worker, those of calls that hang included.
        let threads = Threads { most: config.workers + config.max_abandoned, engine: engine.number() };
        let results = borrowed::run(&exchange, (&items, &call), threads, numbers, inline);
        BatchReport::of(results, clock.now().since(started))
    }
}

impl<K, F> fmt::Debug for BatchJob<'_, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchJob").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
