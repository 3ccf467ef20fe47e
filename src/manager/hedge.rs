//! Hedging: a call that takes longer than most is made a second time, elsewhere; the first answer
//! counts. For requests that may be made twice only, and within a budget.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::fetch::{Attempt, Caller};
use super::source::Source;
use crate::clock::{Clock, Deadline};
use crate::config::{Faults, setters};
use crate::error::ConfigError;
use crate::pool::WorkerPool;
use crate::router::EndpointIndex;
use crate::sync::{Condvar, Mutex};

/// Settings of hedging; it needs [`Source::is_idempotent`](super::Source::is_idempotent) too.
///
/// # Examples
/// ```
/// use feedguard::ManagerConfig;
/// use feedguard::manager::HedgeConfig;
/// let config = ManagerConfig::default().hedge(HedgeConfig::default().enabled(true));
/// assert_eq!(config.hedge.budget, 0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HedgeConfig {
    /// Default `false`.
    pub enabled: bool,
    /// A second call is made when the first has taken longer than this share of the endpoint's calls,
    /// 0.5 to 0.999. Default 0.95.
    pub after_quantile: f64,
    /// Second calls, as a share of first ones, 0 to 1. Default 0.05.
    pub budget: f64,
    /// Threads for hedged calls; when all are busy calls are not hedged. Default 16.
    pub workers: usize,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { enabled: false, after_quantile: 0.95, budget: 0.05, workers: 16 }
    }
}

setters!(HedgeConfig { enabled: bool, after_quantile: f64, budget: f64, workers: usize });

impl HedgeConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("after_quantile", self.after_quantile, 0.5..=0.999);
        faults.range("budget", self.budget, 0.0..=1.0);
        faults.range("workers", self.workers, 2..=1024);
        faults.finish()
    }
}

/// What hedging has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HedgeSnapshot {
    /// First calls that could have been hedged.
    pub calls: u64,
    /// Second calls made.
    pub hedged: u64,
    /// Of these, answered first.
    pub won: u64,
}

/// Unused second calls are saved up to this many.
const MOST_SAVED: f64 = 10.0;

/// The hedging side of a manager: its threads and its budget.
pub(super) struct Hedging {
    pub(super) config: HedgeConfig,
    pub(super) pool: WorkerPool,
    saved: Mutex<f64>,
    calls: AtomicU64,
    hedged: AtomicU64,
    won: AtomicU64,
}

impl Hedging {
    pub(super) fn new(config: HedgeConfig, name: &str, clock: Clock) -> Self {
        let pool = WorkerPool::new(format!("{name:.4}-hedge"), clock, config.workers, 0);
        let count = || AtomicU64::new(0);
        Self { config, pool, saved: Mutex::new(0.0), calls: count(), hedged: count(), won: count() }
    }

    fn earn(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut saved = self.saved.lock();
        *saved = (*saved + self.config.budget).min(MOST_SAVED);
    }

    fn spend(&self) -> bool {
        let mut saved = self.saved.lock();
        // A twentieth, twenty times, is a little less than one.
        let may = *saved >= 1.0 - 1e-9;
        *saved -= f64::from(u8::from(may));
        drop(saved);
        may
    }

    fn refund(&self) {
        let mut saved = self.saved.lock();
        *saved = (*saved + 1.0).min(MOST_SAVED);
    }

    pub(super) fn snapshot(&self) -> HedgeSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HedgeSnapshot { calls: read(&self.calls), hedged: read(&self.hedged), won: read(&self.won) }
    }
}

/// The turns of one race, as they end.
struct Race<S: Source> {
    ended: Mutex<VecDeque<(EndpointIndex, Option<Attempt<S>>)>>,
    changed: Condvar,
}

/// Tells the race that a runner has left it, whatever has happened to it.
struct Runner<S: Source> {
    race: Arc<Race<S>>,
    endpoint: EndpointIndex,
    turn: Option<Attempt<S>>,
}

impl<S: Source> Drop for Runner<S> {
    fn drop(&mut self) {
        self.race.ended.lock().push_back((self.endpoint, self.turn.take()));
        self.race.changed.notify_all();
    }
}

/// How a race ended.
pub(super) enum RaceEnd<S: Source> {
    /// The turns taken, the last one deciding; `None` for one that panicked.
    Ended(Vec<(EndpointIndex, Option<Attempt<S>>)>),
    /// The deadline passed first; so many calls are still under way.
    TimedOut,
    /// No thread was free: nothing was called.
    NotStarted,
}

impl<S: Source> Caller<S> {
    /// Calls `first`, and `second` too if that takes long; until one answers, both have ended, or the
    /// deadline passes.
    #[expect(clippy::significant_drop_tightening, reason = "a wait gives the lock away and takes it again")]
    pub(super) fn race(
        self: &Arc<Self>,
        first: EndpointIndex,
        second: EndpointIndex,
        request: &S::Request,
        deadline: Deadline,
    ) -> RaceEnd<S> {
        let race = Arc::new(Race { ended: Mutex::new(VecDeque::new()), changed: Condvar::new() });
        if !self.start_runner(&race, first, request, deadline) {
            return RaceEnd::NotStarted;
        }
        self.hedging.earn();
        let usual = self.router.quantile(first, self.hedging.config.after_quantile);
        let patience = usual.map_or(Deadline::never(), |usual| Deadline::after(&self.clock, usual));
        let (mut turns, mut running, mut may_hedge) = (Vec::new(), 1, true);
        let mut ended = race.ended.lock();
        loop {
            if let Some((endpoint, turn)) = ended.pop_front() {
                running -= 1;
                let decides = matches!(turn, Some(Attempt::Answer(_) | Attempt::Final(_)));
                let has_won = endpoint == second && matches!(turn, Some(Attempt::Answer(_)));
                turns.push((endpoint, turn));
                if decides || running == 0 {
                    drop(ended);
                    self.hedging.won.fetch_add(u64::from(has_won), Ordering::Relaxed);
                    return RaceEnd::Ended(turns);
                }
                continue;
            }
            let now = self.clock.now();
            if deadline.has_passed(now) {
                return RaceEnd::TimedOut;
            }
            if may_hedge && patience.has_passed(now) {
                may_hedge = false;
                drop(ended);
                if self.hedging.spend() {
                    if self.start_runner(&race, second, request, deadline) {
                        self.hedging.hedged.fetch_add(1, Ordering::Relaxed);
                        running += 1;
                    } else {
                        self.hedging.refund();
                    }
                }
                ended = race.ended.lock();
                continue;
            }
            let wake = if may_hedge { patience.earlier(deadline) } else { deadline };
            self.clock.wait(&race.changed, &mut ended, wake);
        }
    }

    fn start_runner(
        self: &Arc<Self>,
        race: &Arc<Race<S>>,
        endpoint: EndpointIndex,
        request: &S::Request,
        deadline: Deadline,
    ) -> bool {
        let (me, request) = (Arc::downgrade(self), request.clone());
        let runner = Runner { race: Arc::clone(race), endpoint, turn: None };
        let job = Box::new(move || {
            // All of it: its drop is the report.
            let mut runner = runner;
            if let Some(me) = me.upgrade() {
                runner.turn = Some(me.turn(endpoint, &request, deadline));
            }
        });
        match self.hedging.pool.submit(job) {
            Ok(()) => true,
            Err((_refusal, job)) => {
                drop(job);
                // Its runner has reported in, unasked.
                let mut ended = race.ended.lock();
                if let Some(at) = ended.iter().rposition(|(at, turn)| *at == endpoint && turn.is_none()) {
                    ended.remove(at);
                }
                drop(ended);
                false
            }
        }
    }
}
