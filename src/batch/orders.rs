//! What the board is told and what it orders, as plain data.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Tick;
use crate::pool::WorkerJob;

pub(super) type JobId = u64;
pub(super) type CallId = u64;
/// An item's time, and its number among all that wait for theirs.
pub(super) type When = (Tick, u64);

/// What a board has to keep to.
pub(super) struct Limits {
    pub(super) workers: usize,
    pub(super) item_timeout: Duration,
    /// Calls to one source at once, and the exceptions.
    pub(super) per_source: usize,
    pub(super) exceptions: HashMap<String, usize>,
    /// Items of all jobs that may wait.
    pub(super) room: usize,
}

/// Why an item ends without a call that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    TimedOut { after: Duration },
    NotStarted,
    Saturated { abandoned: usize },
    Cancelled,
    ShuttingDown,
}

/// What became of an item that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Taken,
    /// No room; the job stands in line for it.
    Full,
    /// No room, and the job is not to wait for it.
    Rejected,
    /// It never will be.
    Failed(Failure),
}

/// An item's turn on a worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ItemTurn<J> {
    pub(super) call: CallId,
    pub(super) job: J,
    pub(super) index: usize,
    pub(super) started: Tick,
}

/// What has to be done once the lock is gone.
#[derive(Debug)]
pub(super) struct Effects<J> {
    pub(super) settled: Vec<(J, usize, Failure)>,
    pub(super) woken: Vec<J>,
    /// Workers of calls that were given up on.
    pub(super) given_up: Vec<WorkerJob>,
    /// Workers to start; each is counted as at work already.
    pub(super) start: usize,
    /// When to look at the clock.
    pub(super) alarm: Option<Tick>,
}

impl<J> Default for Effects<J> {
    fn default() -> Self {
        Self { settled: Vec::new(), woken: Vec::new(), given_up: Vec::new(), start: 0, alarm: None }
    }
}

/// A worker that looks for a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) worker: WorkerJob,
    pub(super) now: Tick,
}
