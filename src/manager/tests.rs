//! The engine for attempts, without a manager: what is told, what is booked, who is freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::calls::{AttemptSet, CallPool, End, Next, Work};
use super::calls_config::CallsConfig;
use crate::clock::{Clock, Deadline, ManualClock};

/// A call that waits until it is let go; counts how often it was booked, late, and really ended.
#[derive(Default)]
struct Gated {
    is_free: AtomicBool,
    panics: bool,
    booked: AtomicUsize,
    timed_out: AtomicUsize,
    late: AtomicUsize,
    ended: AtomicUsize,
}

impl Work for Gated {
    type Output = u32;

    fn run(&self) -> u32 {
        while !self.is_free.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert!(!self.panics, "scripted");
        7
    }

    fn settle(&self, end: &End<u32>) {
        self.booked.fetch_add(1, Ordering::SeqCst);
        self.timed_out.fetch_add(usize::from(matches!(end, End::TimedOut)), Ordering::SeqCst);
    }

    fn late(&self, answer: u32) {
        assert_eq!(answer, 7);
        self.late.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn pool(config: CallsConfig) -> (CallPool, Clock, ManualClock) {
    let (clock, time) = Clock::manual();
    (CallPool::new("test", config, clock.clone()), clock, time)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..20_000_000_u64 {
        if condition() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("never happened: {what}");
}

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn an_answer_in_time_is_booked_once_and_told() {
    let (calls, clock, _time) = pool(CallsConfig::default());
    let work = Arc::new(Gated::default());
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::after(&clock, S(1)), false).unwrap();
    assert!(!set.is_empty());
    work.is_free.store(true, Ordering::Release);
    let Next::Ended(_, End::Answered(7)) = set.next(Deadline::never()) else { panic!("no answer") };
    assert!(set.is_empty());
    assert_eq!((work.booked.load(Ordering::SeqCst), work.ended.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn a_hung_call_is_booked_at_its_deadline_and_its_late_answer_still_told() {
    let (calls, clock, time) = pool(CallsConfig::default());
    let work = Arc::new(Gated::default());
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::after(&clock, S(1)), false).unwrap();
    until("it runs", || calls.snapshot().busy == 1);
    assert!(matches!(set.next(Deadline::at(clock.now())), Next::Due));
    time.advance(S(1));
    let Next::Ended(_, End::TimedOut) = set.next(Deadline::never()) else { panic!("not given up") };
    assert_eq!((work.booked.load(Ordering::SeqCst), work.ended.load(Ordering::SeqCst)), (1, 0), "it still runs");
    assert_eq!(calls.snapshot().abandoned, 1);
    work.is_free.store(true, Ordering::Release);
    let Next::Ended(_, End::Answered(7)) = set.next(Deadline::never()) else { panic!("lost") };
    assert_eq!((work.booked.load(Ordering::SeqCst), work.ended.load(Ordering::SeqCst)), (1, 1));
    until("its thread has left", || calls.snapshot().abandoned == 0);
}

#[test]
fn a_call_whose_set_has_left_is_watched_and_its_answer_comes_late() {
    let (calls, clock, time) = pool(CallsConfig::default());
    let work = Arc::new(Gated::default());
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::after(&clock, S(1)), false).unwrap();
    until("it runs", || calls.snapshot().busy == 1);
    drop(set);
    time.advance(S(1));
    until("the watch gives it up", || work.timed_out.load(Ordering::SeqCst) == 1);
    work.is_free.store(true, Ordering::Release);
    until("its answer comes", || work.late.load(Ordering::SeqCst) == 1);
    assert_eq!((work.booked.load(Ordering::SeqCst), work.ended.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn a_panic_is_an_end_and_its_text_survives() {
    let (calls, clock, _time) = pool(CallsConfig::default());
    let work = Arc::new(Gated { panics: true, is_free: true.into(), ..Gated::default() });
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::after(&clock, S(1)), false).unwrap();
    let Next::Ended(_, End::Panicked(text)) = set.next(Deadline::never()) else { panic!("no end") };
    assert_eq!((text.as_str(), work.booked.load(Ordering::SeqCst)), ("scripted", 1));
    assert_eq!(work.ended.load(Ordering::SeqCst), 1);
}

#[test]
fn without_a_thread_a_call_is_refused_and_a_nested_one_runs_on_its_own() {
    let (calls, clock, _time) = pool(CallsConfig::default().max_threads(1));
    let hung = Arc::new(Gated::default());
    let mut set = AttemptSet::new(&calls);
    let deadline = Deadline::after(&clock, S(1));
    set.start(Arc::clone(&hung), deadline, false).unwrap();
    until("it runs", || calls.snapshot().busy == 1);
    let quick = Arc::new(Gated { is_free: true.into(), ..Gated::default() });
    assert!(set.start(Arc::clone(&quick), deadline, false).is_err());
    assert_eq!((quick.booked.load(Ordering::SeqCst), quick.ended.load(Ordering::SeqCst)), (1, 1), "guards are back");
    let nested = Arc::new(Gated { is_free: true.into(), ..Gated::default() });
    set.start(Arc::clone(&nested), deadline, true).unwrap();
    let Next::Ended(work, End::Answered(7)) = set.next(Deadline::never()) else { panic!("no answer") };
    assert!(Arc::ptr_eq(&work, &nested));
    // A thread that waits for others makes room for one more.
    let room = calls.wait_inside();
    let third = Arc::new(Gated { is_free: true.into(), ..Gated::default() });
    set.start(third, deadline, false).unwrap();
    assert!(matches!(set.next(Deadline::never()), Next::Ended(_, End::Answered(7))));
    drop(room);
    hung.is_free.store(true, Ordering::Release);
}

#[test]
fn a_shutdown_wakes_who_waits_and_starts_nothing_more() {
    let (calls, clock, _time) = pool(CallsConfig::default());
    let work = Arc::new(Gated::default());
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::never(), false).unwrap();
    until("it runs", || calls.snapshot().busy == 1);
    assert_eq!(calls.shutdown(Duration::ZERO).abandoned, 1);
    assert!(matches!(set.next(Deadline::never()), Next::Closed));
    assert!(set.start(Arc::new(Gated::default()), Deadline::after(&clock, S(1)), false).is_err());
    drop(set);
    work.is_free.store(true, Ordering::Release);
    until("it ends in peace", || work.ended.load(Ordering::SeqCst) == 1);
    assert_eq!(work.booked.load(Ordering::SeqCst), 1);
}

#[test]
fn idle_threads_leave() {
    let (calls, clock, _time) = pool(CallsConfig::default().idle_for(Duration::from_millis(1)));
    let mut set = AttemptSet::new(&calls);
    let quick = Arc::new(Gated { is_free: true.into(), ..Gated::default() });
    set.start(quick, Deadline::after(&clock, S(1)), false).unwrap();
    assert!(matches!(set.next(Deadline::never()), Next::Ended(_, End::Answered(7))));
    until("nobody is left", || calls.snapshot().idle == 0);
}

/// Its end cannot be booked.
struct Unbookable(AtomicUsize);

impl Work for Unbookable {
    type Output = ();

    fn run(&self) {}

    fn settle(&self, _end: &End<()>) {
        panic!("scripted");
    }

    fn late(&self, (): ()) {}

    fn ended(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_end_that_cannot_be_booked_is_told_all_the_same() {
    let (calls, clock, _time) = pool(CallsConfig::default());
    let work = Arc::new(Unbookable(AtomicUsize::new(0)));
    let mut set = AttemptSet::new(&calls);
    set.start(Arc::clone(&work), Deadline::after(&clock, S(1)), false).unwrap();
    assert!(matches!(set.next(Deadline::never()), Next::Ended(_, End::Answered(()))));
    assert_eq!(work.0.load(Ordering::SeqCst), 1);
}
