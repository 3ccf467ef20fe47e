//! Whose turn it is among jobs, pure: three times of four who has had the fewest, else who has waited longest.
//!
//! Were a small job to share evenly with a large one, it would take twice its time. Every fourth turn goes
//! by waiting, so that no stream of small jobs starves a large one.

use std::collections::BTreeMap;

use super::orders::JobId;

/// Of as many turns one goes to who has waited longest.
const OF_TURNS: u64 = 4;

#[derive(Default)]
pub(super) struct TurnOrder {
    /// By the turns a job has had, then by waiting.
    by_turns: BTreeMap<(u64, u64), JobId>,
    /// The same jobs by waiting, with the turns they have had.
    by_waiting: BTreeMap<u64, (u64, JobId)>,
    pushes: u64,
    pops: u64,
}

impl TurnOrder {
    pub(super) fn is_empty(&self) -> bool {
        self.by_waiting.is_empty()
    }

    /// Puts a job that has had so many turns at the end.
    pub(super) fn push(&mut self, job: JobId, turns: u64) {
        self.pushes += 1;
        self.by_turns.insert((turns, self.pushes), job);
        self.by_waiting.insert(self.pushes, (turns, job));
    }

    pub(super) fn pop(&mut self) -> Option<JobId> {
        self.pops = self.pops.wrapping_add(1);
        if self.pops % OF_TURNS == 0 {
            let (number, (turns, job)) = self.by_waiting.pop_first()?;
            self.by_turns.remove(&(turns, number));
            Some(job)
        } else {
            let ((_, number), job) = self.by_turns.pop_first()?;
            self.by_waiting.remove(&number);
            Some(job)
        }
    }

    pub(super) fn clear(&mut self) {
        self.by_turns.clear();
        self.by_waiting.clear();
    }
}
