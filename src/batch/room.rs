//! Room for items that wait, pure: who stands in line for it is promised the next that is free, so that
//! nobody who comes later takes it.

use std::collections::VecDeque;

use super::orders::JobId;

pub(super) struct Room {
    limit: usize,
    /// Items that wait, for a worker, a place or their time.
    queued: usize,
    /// Room promised to jobs that stood in line.
    promised: usize,
    line: VecDeque<JobId>,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, queued: 0, promised: 0, line: VecDeque::new() }
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

    pub(super) fn stand_in_line(&mut self, job: JobId) {
        self.line.push_back(job);
    }

    /// The first in line, if there is room for him; he may be gone.
    pub(super) fn next_in_line(&mut self) -> Option<JobId> {
        if self.is_free() { self.line.pop_front() } else { None }
    }

    pub(super) fn promise(&mut self) {
        self.promised += 1;
    }

    /// A promise was kept, or is not wanted any more.
    pub(super) fn redeem(&mut self) {
        self.promised -= 1;
    }
}
