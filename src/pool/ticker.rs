//! A coarse clock for hot reads: one word that a thread sets every millisecond while there is
//! traffic.
//!
//! ```text
//! exact ---(reads come faster than one in 40 us)---> ticking ---(a tick without reads)---> exact
//! ```
//! While exact, every read asks the real clock and no thread works. A manual clock is always exact.
//! While ticking, a read is at most a tick, plus the delay of the ticking thread, behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock::{Clock, Deadline, Tick};
use crate::sync::{Condvar, Mutex};

const PERIOD: Duration = Duration::from_millis(1);
/// Exact reads within [`BURST_TIME`] that are worth a ticking thread.
const BURST: u32 = 250;
const BURST_TIME: Duration = Duration::from_millis(10);

/// A clock that is cheap to read often.
pub(crate) struct Ticker(Arc<Shared>);

struct Shared {
    clock: Clock,
    /// The tick, zero while exact.
    now: AtomicU64,
    /// Whether somebody has read since the last tick.
    is_used: AtomicBool,
    burst: AtomicU32,
    burst_start: AtomicU64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    has_thread: bool,
    is_ticking: bool,
    is_closed: bool,
}

impl Ticker {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            now: AtomicU64::new(0),
            is_used: AtomicBool::new(false),
            burst: AtomicU32::new(0),
            burst_start: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
        }))
    }

    /// The tick, perhaps a little old.
    #[inline]
    pub(crate) fn now(&self) -> Tick {
        let now = self.0.now.load(Ordering::Relaxed);
        if now == 0 {
            return self.exact();
        }
        if !self.0.is_used.load(Ordering::Relaxed) {
            self.0.is_used.store(true, Ordering::Relaxed);
        }
        Tick(now)
    }

    /// Ends the thread; reads are exact from now on.
    pub(crate) fn close(&self) {
        self.0.state.lock().is_closed = true;
        self.0.wake.notify_all();
    }

    #[cold]
    fn exact(&self) -> Tick {
        let shared = &self.0;
        let now = shared.clock.now();
        if shared.clock.is_manual() {
            return now;
        }
        // Racing counts are good enough: the worst is a thread started a little early or late.
        let start = Tick(shared.burst_start.load(Ordering::Relaxed));
        if now.since(start) > BURST_TIME {
            shared.burst_start.store(now.0, Ordering::Relaxed);
            shared.burst.store(0, Ordering::Relaxed);
        } else if shared.burst.fetch_add(1, Ordering::Relaxed) == BURST {
            Shared::start(shared);
        }
        now
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Sets the thread ticking; without a thread to be had, reads stay exact.
    fn start(this: &Arc<Self>) {
        let mut state = this.state.lock();
        if state.is_closed || state.is_ticking {
            return;
        }
        state.is_ticking = true;
        if !state.has_thread {
            let shared = Arc::clone(this);
            let thread = thread::Builder::new().name("feedguard-tick".into()).spawn(move || shared.tick());
            state.has_thread = thread.is_ok();
            state.is_ticking = thread.is_ok();
        }
        drop(state);
        this.wake.notify_all();
    }

    fn tick(&self) {
        let mut state = self.state.lock();
        loop {
            while !state.is_ticking && !state.is_closed {
                self.wake.wait(&mut state);
            }
            if state.is_closed {
                break;
            }
            self.now.store(self.clock.now().0.max(1), Ordering::Relaxed);
            self.clock.wait(&self.wake, &mut state, Deadline::after(&self.clock, PERIOD));
            if !self.is_used.swap(false, Ordering::Relaxed) {
                self.now.store(0, Ordering::Relaxed);
                state.is_ticking = false;
            }
        }
        drop(state);
        self.now.store(0, Ordering::Relaxed);
    }
}
