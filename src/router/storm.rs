//! A line a second, whatever happens, with the count of what it stands for, pure.

use std::time::Duration;

use crate::clock::Tick;

const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Storm {
    said_at: Option<Tick>,
    unsaid: u64,
}

impl Storm {
    /// It happened once more; how often since the last line, if a line is due.
    pub(super) fn count(&mut self, now: Tick) -> Option<u64> {
        self.unsaid += 1;
        let is_due = self.said_at.is_none_or(|said| now.since(said) >= PERIOD);
        is_due.then(|| {
            self.said_at = Some(now);
            std::mem::take(&mut self.unsaid)
        })
    }
}
