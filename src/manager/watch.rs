//! Watches calls whose fetch has left: an alarm gives them up in time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::{Clock, Deadline, Tick};
use crate::pool::Alarm;
use crate::sync::Mutex;

/// Something whose time can be over.
pub(super) trait Expire: Send + Sync {
    fn expire(&self);
}

/// Entries kept without a look whether they are gone.
const ROOM: usize = 64;

/// The watch; its thread starts with the first call and leaves when there has been none for a while.
pub(super) struct Watch {
    waiting: Arc<Mutex<Waiting>>,
    alarm: Alarm,
}

#[derive(Default)]
struct Waiting {
    /// What has ended meanwhile is gone.
    calls: BTreeMap<(Tick, u64), Weak<dyn Expire>>,
    /// So many are looked through for those that are gone.
    full_at: usize,
    added: u64,
    is_closed: bool,
}

impl Watch {
    pub(super) fn new(name: &str, clock: Clock, idle_for: Duration) -> Self {
        let waiting = Arc::<Mutex<Waiting>>::default();
        let (watched, now) = (Arc::clone(&waiting), clock.clone());
        let alarm = Alarm::new(name, clock, idle_for, move || expire_due(&watched, &now));
        Self { waiting, alarm }
    }

    /// Lets something expire at that time, if it has not ended by then.
    pub(super) fn add(&self, at: Deadline, what: Weak<dyn Expire>) {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return;
        }
        if waiting.calls.len() >= waiting.full_at {
            waiting.calls.retain(|_, what| what.strong_count() > 0);
            waiting.full_at = 2 * waiting.calls.len() + ROOM;
        }
        waiting.added += 1;
        let number = waiting.added;
        waiting.calls.insert((at.tick(), number), what);
        drop(waiting);
        // Without a thread the next call tries again; until then the call is settled when it ends.
        let _is_set = self.alarm.set(at.tick());
    }

    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        waiting.calls.clear();
        drop(waiting);
        self.alarm.close();
    }
}

/// Lets expire what is due; when the next one is.
fn expire_due(waiting: &Mutex<Waiting>, clock: &Clock) -> Tick {
    loop {
        let mut calls = waiting.lock();
        let Some(((at, _), _)) = calls.calls.first_key_value() else { return Tick::MAX };
        if *at > clock.now() {
            return *at;
        }
        let due = calls.calls.pop_first();
        drop(calls);
        if let Some(what) = due.and_then(|(_, what)| what.upgrade()) {
            // One that panics must not leave the others unwatched.
            let _is_done = catch_unwind(AssertUnwindSafe(|| what.expire())).is_ok();
        }
    }
}
