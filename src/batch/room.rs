//! Room for items that wait, pure: who stands in line for it is promised the next that is free, so that
//! nobody who comes later takes it. Who has the fewest items in it comes first: a job that fills the queue
//! holds up no small one.

use std::collections::BTreeMap;

use super::orders::JobId;

/// A place in the line: items the job had in the queue, and its number.
pub(super) type InLine = (usize, u64);

pub(super) struct Room {
    limit: usize,
    /// Items that wait, for a worker, a place or their time.
    queued: usize,
    /// Room promised to jobs that stood in line.
    promised: usize,
    line: BTreeMap<InLine, JobId>,
    came: u64,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, queued: 0, promised: 0, line: BTreeMap::new(), came: 0 }
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn is_free(&self) -> bool {
        self.queued + self.promised < self.limit
    }

    pub(super) fn enter(&mut self) {
        self.queued += 1;
    }

    pub(super) fn leave(&mut self, items: usize) {
        self.queued -= items;
    }

    pub(super) fn stand_in_line(&mut self, job: JobId, waiting: usize) -> InLine {
        self.came += 1;
        self.line.insert((waiting, self.came), job);
        (waiting, self.came)
    }

    pub(super) fn leave_line(&mut self, place: InLine) {
        self.line.remove(&place);
    }

    /// The first in line, if there is room for him.
    pub(super) fn next_in_line(&mut self) -> Option<JobId> {
        if self.is_free() { self.line.pop_first().map(|(_, job)| job) } else { None }
    }

    pub(super) fn promise(&mut self) {
        self.promised += 1;
    }

    /// A promise was kept, or is not wanted any more.
    pub(super) fn redeem(&mut self) {
        self.promised -= 1;
    }
}
