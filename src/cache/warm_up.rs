//! Warm-up: loads a list of keys through the same flights as every other lookup, on threads of its own.
//!
//! ```text
//! keys -> workers (each takes the next) -> told -> the caller counts, until all are done, or its time is up
//!            |  hangs past load_timeout
//!            +--> given up: its key is counted as timed out, another worker comes
//! ```

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::load_guard::{LoadContext, Loader};
use super::smart_cache::LookupOptions;
use super::{Key, LoadError, Loaded, SmartCache};
use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline, Tick};
use crate::pool::{WorkerJob, WorkerPool};
use crate::sync::{Condvar, Mutex};
use crate::wakers::Wake;

/// Threads given up, for each there may be; then the rest is left to those who still work.
const MAX_ABANDONED: usize = 4;

/// What a warm-up did.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<u32, u32, String> = SmartCache::new("numbers", CacheConfig::default())?;
/// let load = |n: &u32| if *n == 3 { Err("three".to_owned()) } else { Ok(*n) };
/// let report = cache.warm_up((0..10).collect(), load, |so_far| println!("{} done", so_far.done()));
/// assert_eq!((report.ok, report.failed), (9, 1));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WarmUpReport {
    /// Keys that are in the cache now.
    pub ok: usize,
    /// Keys whose load failed.
    pub failed: usize,
    /// Keys whose load panicked.
    pub panicked: usize,
    /// Keys whose load ran for longer than `load_timeout`, or had not ended when the warm-up had to.
    pub timed_out: usize,
    /// Keys that nobody has begun to load: the deadline had passed, or the warm-up was cancelled.
    pub not_started: usize,
}

impl WarmUpReport {
    /// Keys done so far.
    pub const fn done(&self) -> usize {
        self.ok + self.failed + self.panicked + self.timed_out + self.not_started
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            ok: self.ok + other.ok,
            failed: self.failed + other.failed,
            panicked: self.panicked + other.panicked,
            timed_out: self.timed_out + other.timed_out,
            not_started: self.not_started + other.not_started,
        }
    }

    fn count(&mut self, end: End) {
        *match end {
            End::Ok => &mut self.ok,
            End::Failed => &mut self.failed,
            End::Panicked => &mut self.panicked,
            End::TimedOut => &mut self.timed_out,
        } += 1;
    }
}

/// Until when a warm-up may run, and who may stop it.
///
/// # Examples
/// ```
/// use feedguard::batch::CancelToken;
/// use feedguard::cache::WarmUpOptions;
/// use feedguard::{CacheConfig, Clock, Deadline, SmartCache};
/// use std::time::Duration;
/// let cache: SmartCache<u32, u32, String> = SmartCache::new("numbers", CacheConfig::default())?;
/// let stop = CancelToken::new();
/// let within = Deadline::after(&Clock::system(), Duration::from_secs(10));
/// let options = WarmUpOptions::default().deadline(within).cancel(&stop);
/// stop.cancel();
/// let report = cache.warm_up_with((0..10).collect(), &options, |n| Ok(*n), |_| {});
/// assert_eq!(report.not_started, 10);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WarmUpOptions {
    pub(super) deadline: Deadline,
    pub(super) cancel: CancelToken,
    /// Loads although something is stored.
    pub(super) is_refresh: bool,
}

impl Default for WarmUpOptions {
    fn default() -> Self {
        Self { deadline: Deadline::never(), cancel: CancelToken::new(), is_refresh: false }
    }
}

impl WarmUpOptions {
    /// When the warm-up returns at the latest.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// Stops it: what has not begun does not begin, and it returns.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }
}

#[derive(Debug, Clone, Copy)]
enum End {
    Ok,
    Failed,
    Panicked,
    TimedOut,
}

/// What the workers and the caller share.
struct Board {
    count: usize,
    options: WarmUpOptions,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    running: Vec<Running>,
    /// Ends the caller has not counted.
    told: VecDeque<End>,
    is_over: bool,
}

#[derive(Clone, Copy)]
struct Running {
    at: usize,
    /// From when on it hangs.
    until: Tick,
    worker: Option<WorkerJob>,
}

impl Wake for Board {
    fn wake(&self) {
        // Under the lock: who has looked and is about to wait hears it.
        drop(self.state.lock());
        self.changed.notify_all();
    }
}

impl Board {
    /// The next key for a worker.
    fn take(&self, now: Tick, until: Tick, worker: Option<WorkerJob>) -> Option<usize> {
        let mut state = self.state.lock();
        if state.is_over || state.next >= self.count || self.is_stopped(now) {
            return None;
        }
        let at = state.next;
        state.next += 1;
        state.running.push(Running { at, until, worker });
        drop(state);
        Some(at)
    }

    /// A key is done; `false` if it was given up before, and the worker replaced.
    fn tell(&self, at: usize, end: End) -> bool {
        let mut state = self.state.lock();
        let place = state.running.iter().position(|running| running.at == at);
        if let Some(place) = place {
            state.running.swap_remove(place);
            state.told.push_back(end);
        }
        drop(state);
        self.changed.notify_all();
        place.is_some()
    }

    /// What has happened since the caller looked last; waits for something to happen.
    #[expect(clippy::significant_drop_tightening, reason = "a wait")]
    fn news(&self, clock: &Clock) -> News {
        let mut state = self.state.lock();
        loop {
            let now = clock.now();
            let news = state.news(self.count, now, self.is_stopped(now));
            if let Some(news) = news {
                return news;
            }
            let next = state.running.iter().map(|running| running.until).min().unwrap_or(Tick::MAX);
            clock.wait(&self.changed, &mut state, self.options.deadline.earlier(Deadline::at(next)));
        }
    }

    fn is_stopped(&self, now: Tick) -> bool {
        self.options.cancel.is_cancelled() || self.options.deadline.has_passed(now)
    }

    /// Nobody takes another key; those under way, and those that nobody has begun.
    fn close(&self) -> (usize, usize) {
        self.state.lock().close(self.count)
    }
}

impl State {
    fn news(&mut self, count: usize, now: Tick, is_stopped: bool) -> Option<News> {
        let told: Vec<End> = self.told.drain(..).collect();
        let (hung, running): (Vec<Running>, Vec<Running>) =
            std::mem::take(&mut self.running).into_iter().partition(|running| now >= running.until);
        self.running = running;
        if is_stopped || (self.next >= count && self.running.is_empty()) {
            return Some(News { told, hung, left: Some(self.close(count)) });
        }
        (!told.is_empty() || !hung.is_empty()).then_some(News { told, hung, left: None })
    }

    fn close(&mut self, count: usize) -> (usize, usize) {
        self.is_over = true;
        (std::mem::take(&mut self.running).len(), count - self.next)
    }
}

struct News {
    told: Vec<End>,
    hung: Vec<Running>,
    /// It is over; keys under way then, and keys that nobody has begun.
    left: Option<(usize, usize)>,
}

/// No worker takes another key once the caller has gone, however it went.
struct Closes<'a>(&'a Board);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Loads `keys` on as many threads as refreshes have, but its own; returns when all are done. A load that
    /// runs for longer than `load_timeout` is given up. `progress` is called on this thread after each key.
    ///
    /// # Panics
    /// A panic of `progress` propagates; panics of the loader are counted.
    pub fn warm_up(
        &self,
        keys: Vec<K>,
        loader: impl Fn(&K) -> Result<V, E> + Clone + Send + Sync + 'static,
        progress: impl FnMut(&WarmUpReport),
    ) -> WarmUpReport {
        self.warm_up_with(keys, &WarmUpOptions::default(), loader, progress)
    }

    /// As [`warm_up`](Self::warm_up), with a deadline and a way to stop it.
    ///
    /// # Panics
    /// As [`warm_up`](Self::warm_up).
    pub fn warm_up_with(
        &self,
        keys: Vec<K>,
        options: &WarmUpOptions,
        loader: impl Fn(&K) -> Result<V, E> + Clone + Send + Sync + 'static,
        progress: impl FnMut(&WarmUpReport),
    ) -> WarmUpReport {
        let loader = move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key).map(Loaded::Value);
        self.warm_up_by(keys, options, loader, progress)
    }

    /// As [`warm_up_with`](Self::warm_up_with), with a loader that is told what it loads for.
    pub(crate) fn warm_up_by(
        &self,
        keys: Vec<K>,
        options: &WarmUpOptions,
        loader: impl Loader<K, V, E> + Clone,
        mut progress: impl FnMut(&WarmUpReport),
    ) -> WarmUpReport {
        let core = self.core();
        let (clock, load_timeout) = (core.clock.clone(), core.config.load_timeout);
        let board = Arc::new(Board {
            count: keys.len(),
            options: options.clone(),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let as_wake: Arc<dyn Wake> = Arc::clone(&board) as Arc<dyn Wake>;
        options.cancel.wakes(Arc::downgrade(&as_wake));
        let threads = core.config.refresh_workers.min(keys.len()).max(1);
        let pool = Arc::new(WorkerPool::new(format!("{:.8}-w", core.name.as_str()), clock.clone(), threads, threads));
        let lookup =
            LookupOptions { deadline: options.deadline, refresh: options.is_refresh, ..LookupOptions::default() };
        let (cache, keys) = (self.clone(), Arc::new(keys));
        let work = {
            let (board, pool, clock) = (Arc::clone(&board), Arc::downgrade(&pool), clock.clone());
            move || {
                let worker = || pool.upgrade()?.current_job();
                let take = || {
                    let now = clock.now();
                    board.take(now, now.after(load_timeout), worker())
                };
                while let Some(at) = take() {
                    if !board.tell(at, cache.warm_one(&keys[at], lookup, loader.clone())) {
                        return;
                    }
                }
            }
        };
        let closes = Closes(&board);
        let mut working = (0..threads).filter(|_| pool.submit(Box::new(work.clone())).is_ok()).count();
        if working == 0 {
            // No thread is to be had.
            work();
        }
        let mut report = WarmUpReport::default();
        let mut count = |report: &mut WarmUpReport, end: End| {
            report.count(end);
            progress(report);
        };
        loop {
            let News { told, hung, mut left } = board.news(&clock);
            for end in told {
                count(&mut report, end);
            }
            for running in hung {
                let is_free = running.worker.is_some_and(|worker| pool.abandon(worker, threads * MAX_ABANDONED));
                let is_replaced = is_free && pool.submit(Box::new(work.clone())).is_ok();
                working = working.saturating_sub(usize::from(!is_replaced));
                count(&mut report, End::TimedOut);
            }
            if left.is_none() && working == 0 {
                left = Some(board.close());
            }
            if let Some((under_way, not_started)) = left {
                (0..under_way).for_each(|_| count(&mut report, End::TimedOut));
                report.not_started += not_started;
                break;
            }
        }
        drop(closes);
        report
    }

    fn warm_one(&self, key: &K, lookup: LookupOptions, loader: impl Loader<K, V, E>) -> End {
        match catch_unwind(AssertUnwindSafe(|| self.lookup(key, lookup, loader))) {
            Ok(Ok(_cached)) => End::Ok,
            Ok(Err(LoadError::WaitTimeout | LoadError::DeadlinePassed)) => End::TimedOut,
            Ok(Err(_error)) => End::Failed,
            Err(_panic) => End::Panicked,
        }
    }
}
