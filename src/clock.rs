//! Time: the only place that reads it.
//!
//! [`Clock`] hands out [`Tick`]s (monotonic nanoseconds since the clock was made) and, for reports
//! and calendars only, wall time. [`Clock::manual`] gives a clock that a test moves by hand. All
//! arithmetic saturates: a jump of a thousand years is an ordinary value.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::sync::{Condvar, MutexGuard};

/// The tick of the origin of all system clocks: not zero, so that "an hour ago" is a tick in the first
/// minute of a process too. 36 years.
const ORIGIN: u64 = 1 << 60;

/// How long a wait under a manual clock sleeps, in real time, before it looks at the clock again.
const MANUAL_POLL: Duration = Duration::from_millis(1);

/// A source of monotonic and wall time, shared by all parts of a host; cloning is cheap.
///
/// # Concurrency
/// Thread-safe, lock-free. Under a manual clock, waiting threads look at it about once a
/// millisecond of real time.
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use std::time::Duration;
/// let (clock, time) = Clock::manual();
/// let start = clock.now();
/// time.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().since(start), Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System(&'static Counter),
    Os(Instant),
    Manual(Arc<Hands>),
}

/// The processor's time-stamp counter, and its value at the origin of all system clocks.
struct Counter {
    clock: quanta::Clock,
    origin: u64,
    os_origin: Instant,
}

struct Hands {
    nanos: AtomicU64,
    wall_millis: AtomicI64,
}

impl Clock {
    /// The processor's time-stamp counter where it is invariant (read in about 8 ns), the operating
    /// system's monotonic clock elsewhere. All system clocks count from one moment, so that ticks and
    /// deadlines of one may be read by another. The counter is calibrated once, at the first use; it
    /// may run up to about 100 parts per million off the clock that NTP steers.
    pub fn system() -> Self {
        Self(Kind::System(counter()))
    }

    /// The operating system's monotonic clock, steered by NTP, read in about 20 ns: for hosts whose
    /// machines have a counter that they do not trust.
    pub fn os() -> Self {
        Self(Kind::Os(counter().os_origin))
    }

    /// A clock that stands still until its [`ManualClock`] moves it; wall time starts at
    /// 2024-01-02 09:30:00 UTC.
    pub fn manual() -> (Self, ManualClock) {
        let hands = Arc::new(Hands {
            // Not zero, so that "an hour ago" is a representable tick in tests.
            nanos: AtomicU64::new(1 << 50),
            wall_millis: AtomicI64::new(1_704_187_800_000),
        });
        (Self(Kind::Manual(Arc::clone(&hands))), ManualClock(hands))
    }

    /// The current tick; never goes backwards on the system clock.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    #[inline]
    pub fn now(&self) -> Tick {
        match &self.0 {
            Kind::System(counter) => Tick(ORIGIN + counter.clock.delta_as_nanos(counter.origin, counter.clock.raw())),
            Kind::Os(origin) => Tick(ORIGIN.saturating_add(nanos(origin.elapsed()))),
            Kind::Manual(hands) => Tick(hands.nanos.load(Ordering::Acquire)),
        }
    }

    /// Wall time, for reports, calendars and lineage only; may jump in both directions.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn wall(&self) -> DateTime<Utc> {
        match &self.0 {
            Kind::System(_) | Kind::Os(_) => Utc::now(),
            Kind::Manual(hands) => {
                DateTime::from_timestamp_millis(hands.wall_millis.load(Ordering::Acquire)).unwrap_or_default()
            }
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Kind::Manual(_))
    }

    /// Waits on `condvar` until notified, until the deadline, or spuriously; `false` once the
    /// deadline has passed.
    pub(crate) fn wait<T>(&self, condvar: &Condvar, guard: &mut MutexGuard<'_, T>, deadline: Deadline) -> bool {
        match deadline.remaining(self.now()) {
            Some(Duration::ZERO) => return false,
            None if !self.is_manual() => condvar.wait(guard),
            left => {
                let left = left.unwrap_or(Duration::MAX);
                let slice = match self.0 {
                    // parking_lot turns an overflowing time-out into an endless wait by itself.
                    Kind::System(_) | Kind::Os(_) => left,
                    Kind::Manual(_) => left.min(MANUAL_POLL),
                };
                condvar.wait_for(guard, slice);
            }
        }
        !deadline.has_passed(self.now())
    }
}

/// A constant of the process, no state: nothing depends on which call was the first.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn counter() -> &'static Counter {
    static COUNTER: OnceLock<Counter> = OnceLock::new();
    COUNTER.get_or_init(|| {
        let clock = quanta::Clock::new();
        Counter { origin: clock.raw(), os_origin: Instant::now(), clock }
    })
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::System(_) => "Clock::System",
            Kind::Os(_) => "Clock::Os",
            Kind::Manual(_) => "Clock::Manual",
        })
    }
}

/// The hand that moves a manual [`Clock`].
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use std::time::Duration;
/// let (clock, time) = Clock::manual();
/// let before = clock.wall();
/// time.jump_wall_millis(-3_600_000); // an operator sets the clock back
/// assert_eq!((before - clock.wall()).num_hours(), 1);
/// time.advance(Duration::from_secs(1));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// Moves monotonic and wall time forward together; saturates.
    pub fn advance(&self, by: Duration) {
        let step = nanos(by);
        let bump = |now: u64| Some(now.saturating_add(step));
        // The closure never returns `None`, so the update cannot fail.
        let _previous = self.0.nanos.fetch_update(Ordering::AcqRel, Ordering::Acquire, bump);
        self.jump_wall_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Moves wall time only, as an operator or NTP would; negative jumps back.
    pub fn jump_wall_millis(&self, by: i64) {
        let bump = |now: i64| Some(now.saturating_add(by));
        let _previous = self.0.wall_millis.fetch_update(Ordering::AcqRel, Ordering::Acquire, bump);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.0.nanos.load(Ordering::Relaxed)).finish()
    }
}

/// A point in monotonic time, in nanoseconds from an origin in the past (500 years fit).
///
/// # Examples
/// ```
/// use feedguard::clock::Tick;
/// use std::time::Duration;
/// let tick = Tick::default().after(Duration::from_secs(5));
/// assert_eq!(tick.since(Tick::default()), Duration::from_secs(5));
/// assert_eq!(Tick::MAX.after(Duration::from_secs(1)), Tick::MAX, "saturates");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub(crate) u64);

impl Tick {
    /// The last representable tick; "never".
    pub const MAX: Self = Self(u64::MAX);

    /// Time from `earlier` to here; zero if `earlier` is later.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This tick plus `by`, at most [`Tick::MAX`].
    #[must_use]
    #[inline]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// This tick minus `by`, at least the clock's start.
    #[must_use]
    #[inline]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }
}

/// The tick until which a caller is willing to wait, or never. Read it with the clock it was made
/// with; all system clocks are one in this.
///
/// # Examples
/// ```
/// use feedguard::{Clock, Deadline};
/// use std::time::Duration;
/// let (clock, time) = Clock::manual();
/// let deadline = Deadline::after(&clock, Duration::from_secs(2));
/// time.advance(Duration::from_millis(500));
/// assert_eq!(deadline.remaining(clock.now()), Some(Duration::from_millis(1500)));
/// assert_eq!(Deadline::never().remaining(clock.now()), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Tick);

impl Deadline {
    /// A deadline `within` from now; a time that overflows means never.
    pub fn after(clock: &Clock, within: Duration) -> Self {
        Self(clock.now().after(within))
    }

    /// A deadline at the given tick.
    pub const fn at(tick: Tick) -> Self {
        Self(tick)
    }

    /// No deadline.
    pub const fn never() -> Self {
        Self(Tick::MAX)
    }

    /// Time left at `now`: `None` without a deadline, zero once it has passed.
    pub fn remaining(self, now: Tick) -> Option<Duration> {
        (self.0 != Tick::MAX).then(|| self.0.since(now))
    }

    /// Whether `now` is at or past the deadline.
    pub fn has_passed(self, now: Tick) -> bool {
        self.0 != Tick::MAX && now >= self.0
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The tick of the deadline; [`Tick::MAX`] without one.
    pub const fn tick(self) -> Tick {
        self.0
    }
}

/// Nanoseconds of a duration, saturating at `u64::MAX`.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration of `seconds`, saturating: negative and NaN give zero, too large gives the maximum.
pub(crate) fn seconds(seconds: f64) -> Duration {
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) } else { Duration::ZERO }
}

/// A wait as a text shows it: rounded up to a millisecond, or a microsecond below a second, so that who waits
/// as told waits long enough.
pub(crate) fn brief(wait: Duration) -> Duration {
    let step: u64 = if wait < Duration::from_secs(1) { 1_000 } else { 1_000_000 };
    Duration::from_nanos(nanos(wait).div_ceil(step).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let (clock, time) = Clock::manual();
        time.advance(Duration::MAX);
        assert_eq!(clock.now(), Tick::MAX);
        assert_eq!(clock.now().after(Duration::MAX), Tick::MAX);
        assert_eq!(Tick(5).before(Duration::MAX), Tick(0));
        assert_eq!(Tick(5).since(Tick(9)), Duration::ZERO);
        assert!(!Deadline::never().has_passed(clock.now()));
        assert_eq!(seconds(2f64.powi(200)), Duration::MAX);
        assert_eq!(seconds(f64::NAN), Duration::ZERO);
    }

    #[test]
    fn system_clocks_read_each_others_deadlines() {
        let early = Clock::system();
        // Were each to count from its own birth, the later one would be behind.
        while early.now() < Tick(ORIGIN + 1_000_000) {
            std::hint::spin_loop();
        }
        let first = early.now();
        let late = Clock::system();
        assert!(late.now() >= first);
        assert!(Clock::os().now() > Tick(ORIGIN + 500_000), "the same origin");
        let deadline = Deadline::after(&early, Duration::from_secs(3600));
        assert!(deadline.remaining(late.now()).is_some_and(|left| left > Duration::from_secs(3000)));
    }

    #[test]
    fn a_wait_is_shown_rounded_up() {
        let shown = |nanos| format!("{:?}", brief(Duration::from_nanos(nanos)));
        assert_eq!((shown(59_901_282_765), shown(999_997_485)), ("59.902s".to_owned(), "999.998ms".to_owned()));
        assert_eq!((shown(60_000_000_000), shown(0)), ("60s".to_owned(), "0ns".to_owned()));
        assert!(brief(Duration::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn wall_time_survives_1970_and_the_far_future() {
        let (clock, time) = Clock::manual();
        time.jump_wall_millis(i64::MIN);
        assert!(clock.wall().timestamp() <= 0);
        time.jump_wall_millis(i64::MAX);
        time.jump_wall_millis(i64::MAX);
        assert_eq!(clock.wall(), DateTime::<Utc>::default(), "unrepresentable wall time reads as the epoch");
    }
}
