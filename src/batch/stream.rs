//! The results of a job as they come.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::orders::Failure;
use super::owner::{Given, Owner};
use super::run::{ItemResult, Run};
use super::{BatchConfig, WhenFull};
use crate::clock::Deadline;
use crate::name::Name;

pub(super) type SourceOf<'b, K> = Box<dyn Fn(&K) -> Name + 'b>;
pub(super) type PaceOf<'b, K> = Box<dyn Fn(&K) -> Duration + 'b>;

/// The results of a job as they come: position of the item, and its result. Items are pulled while it is
/// read, on the reader's thread; time-outs are told when they happen, whether it is read or not. Dropped, it
/// starts nothing more; calls under way end by themselves or at their time-out.
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
pub struct BatchStream<'b, K, T, E, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    owner: Owner<K, T, E>,
    items: Option<I>,
    /// Pulled, but the queue had no room.
    next: Option<K>,
    source: Option<SourceOf<'b, K>>,
    pace: Option<PaceOf<'b, K>>,
    rejects: bool,
    /// Items that may wait, run, or have ended unread.
    window: usize,
    /// Items that may wait for their time at once.
    paced_at_once: usize,
    pulled: usize,
    fetched: usize,
    /// The old way, or on one of the processor's own workers: one after the other on this thread.
    is_inline: bool,
}

/// What an attempt to give the next item came to.
enum Fed<T, E> {
    Given,
    Ended(usize, ItemResult<T, E>),
    /// There are none left, or no more may be given now.
    Not,
}

impl<'b, K, T, E, I> BatchStream<'b, K, T, E, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    I: Iterator<Item = K>,
{
    pub(super) fn new(
        (engine, config, is_inline): (&Arc<Engine>, &BatchConfig, bool),
        run: Run<K, T, E>,
        source: Option<SourceOf<'b, K>>,
        pace: Option<PaceOf<'b, K>>,
        items: I,
    ) -> Self {
        Self {
            owner: Owner::new(engine, run),
            items: Some(items),
            next: None,
            source,
            pace,
            rejects: config.when_full == WhenFull::Reject,
            window: config.max_queued + config.workers,
            paced_at_once: config.workers,
            pulled: 0,
            fetched: 0,
            is_inline,
        }
    }

    /// Items pulled so far.
    pub(super) fn pulled(&self) -> usize {
        self.pulled
    }

    fn next_pooled(&mut self) -> Option<(usize, ItemResult<T, E>)> {
        loop {
            // One item for each result, so that neither a slow iterator nor a slow reader holds up the
            // other side; more only while there is nothing to read.
            let fed = self.feed();
            if let Fed::Ended(index, result) = fed {
                return Some((index, result));
            }
            if let Some(found) = self.owner.run.take_finished() {
                return Some(found);
            }
            if matches!(fed, Fed::Given) {
                continue;
            }
            if self.items.is_none() && self.next.is_none() && self.fetched == self.pulled {
                return None;
            }
            if let Some(found) = self.owner.wait(Deadline::never()) {
                return Some(found);
            }
        }
    }

    /// Pulls the next item, if there is room for it, and gives it away.
    fn feed(&mut self) -> Fed<T, E> {
        let stopped = self.owner.stopped();
        let is_held = self.next.is_some();
        let given = self.pulled - usize::from(is_held);
        let may_wait =
            given - self.fetched < self.window && (self.pace.is_none() || self.owner.paced() < self.paced_at_once);
        if stopped.is_none() && !may_wait {
            return Fed::Not;
        }
        let Some(item) = self.next.take().or_else(|| self.pull()) else { return Fed::Not };
        let index = self.pulled - 1;
        if let Some(failure) = stopped {
            let failure = if self.owner.engine.is_closed() { Failure::ShuttingDown } else { failure };
            return Fed::Ended(index, Err(failure.into()));
        }
        let source = self.source.as_ref().map(|source| source(&item));
        // Asked once: it may have reserved.
        let wait = self.pace.as_ref().filter(|_| !is_held).map_or(Duration::ZERO, |pace| pace(&item));
        let due = (!wait.is_zero()).then(|| self.owner.engine.clock.now().after(wait));
        match self.owner.give(index, item, source, due, self.rejects) {
            Given::Taken => Fed::Given,
            Given::Ended(result) => Fed::Ended(index, result),
            Given::Full(item) => {
                self.next = Some(item);
                Fed::Not
            }
        }
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
        let item = self.pull()?;
        let index = self.pulled - 1;
        let (engine, run) = (&self.owner.engine, &self.owner.run);
        let now = engine.clock.now();
        let stopped = if engine.is_closed() { Some(Failure::ShuttingDown) } else { run.stopped(now) };
        let result = stopped.map_or_else(|| run.call(engine, index, &item, now), |stopped| Err(stopped.into()));
        Some((index, result))
    }

    /// Gives all items there are away; waits for room.
    pub(super) fn into_fed(mut self) -> (Owner<K, T, E>, Option<ItemResult<T, E>>) {
        let found = if self.is_inline { self.next_inline() } else { self.feed_to_end() };
        (self.owner, found.map(|(_, result)| result))
    }

    fn feed_to_end(&mut self) -> Option<(usize, ItemResult<T, E>)> {
        loop {
            match self.feed() {
                Fed::Ended(index, result) => return Some((index, result)),
                Fed::Given => {}
                Fed::Not if self.next.is_none() => return None,
                Fed::Not => {
                    if let Some(found) = self.owner.wait(Deadline::never()) {
                        return Some(found);
                    }
                }
            }
        }
    }
}

impl<K, T, E, I> Iterator for BatchStream<'_, K, T, E, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    I: Iterator<Item = K>,
{
    type Item = (usize, ItemResult<T, E>);

    fn next(&mut self) -> Option<Self::Item> {
        let found = if self.is_inline { self.next_inline() } else { self.next_pooled() };
        self.fetched += usize::from(found.is_some());
        found
    }
}

impl<K, T, E, I> fmt::Debug for BatchStream<'_, K, T, E, I>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("pulled", &self.pulled)
            .field("fetched", &self.fetched)
            .finish_non_exhaustive()
    }
}
