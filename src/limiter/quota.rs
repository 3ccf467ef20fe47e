//! Calendar quotas: several windows at once, all or nothing.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::bounds;
use super::quota_config::{QuotaKind, QuotaPeriod, QuotaState, QuotaWindow, QuotaWindowState, validate_windows};
use super::{LimitReason, Limited};
use crate::clock::{Clock, Tick};
use crate::config::Faults;
use crate::error::ConfigError;
use crate::name::Name;
use crate::sync::Mutex;

/// A vendor's quota: a limit on the calls a minute, a day, a month, all at once. Shared between
/// limiters it is a quota group: several endpoints of one account.
///
/// The wall clock decides when a fixed window ends. A clock that is set back does not give a window
/// twice; one that was set far ahead and back costs at most one period.
///
/// # Concurrency
/// Thread-safe; one short lock.
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use feedguard::limiter::{CalendarQuota, QuotaPeriod, QuotaWindow};
/// let (clock, _time) = Clock::manual();
/// let windows = vec![QuotaWindow::new(5, QuotaPeriod::Minute), QuotaWindow::new(25, QuotaPeriod::Day)];
/// let quota = CalendarQuota::new("alphavantage", windows, clock)?;
/// assert!(quota.try_take(5).is_ok());
/// let refused = quota.try_take(1).unwrap_err();
/// assert_eq!(refused.to_string(), "limiter \"alphavantage\" refused: quota of 5 a minute used up, retry in 60s");
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct CalendarQuota {
    name: Name,
    clock: Clock,
    windows: Mutex<Vec<Window>>,
}

/// When calls were taken, to give them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    n: u32,
    tick: Tick,
    wall: DateTime<Utc>,
}

struct Window {
    config: QuotaWindow,
    used: u64,
    /// Fixed: the window counted in, and the tick at which counting in it began.
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    began: Tick,
    /// Sliding: the calls, oldest first.
    calls: VecDeque<(Tick, u32)>,
}

impl CalendarQuota {
    /// A quota with these windows, at most 8.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the windows.
    pub fn new(name: impl Into<Name>, windows: Vec<QuotaWindow>, clock: Clock) -> Result<Self, ConfigError> {
        let name = name.into();
        Faults::of_guard(&name, validate_windows(&windows)).finish()?;
        let (tick, wall) = (clock.now(), clock.wall());
        let windows = windows.into_iter().map(|config| Window::new(config, tick, wall)).collect();
        Ok(Self { name, clock, windows: Mutex::new(windows) })
    }

    /// Takes `n` calls from every window, or none from any.
    ///
    /// # Errors
    /// [`Limited`] with the time after which all windows have room, or none if `n` is more than the
    /// limit of one.
    pub fn try_take(&self, n: u32) -> Result<(), Limited> {
        self.take(n).map(|_taken| ())
    }

    /// Takes over what the vendor's headers say: how many calls of the running window are used,
    /// by whomever. Never lowers the count, since answers come out of order.
    pub fn sync_used(&self, per: QuotaPeriod, used: u64) {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let mut windows = self.windows.lock();
        for window in windows.iter_mut().filter(|window| window.config.per == per) {
            window.roll(tick, wall);
            window.sync(used, tick);
        }
    }

    /// The same from a "remaining" header.
    pub fn sync_remaining(&self, per: QuotaPeriod, remaining: u64) {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let mut windows = self.windows.lock();
        for window in windows.iter_mut().filter(|window| window.config.per == per) {
            window.roll(tick, wall);
            let used = window.config.limit.saturating_sub(remaining);
            window.sync(used, tick);
        }
    }

    /// The vendor says that the window is spent: nothing is granted until its reset, or as long as a sliding
    /// one looks back.
    pub fn mark_spent(&self, per: QuotaPeriod) {
        self.sync_remaining(per, 0);
    }

    /// Sets the count of the running window, up or down: what an operator knows better, or a vendor has given
    /// back. [`sync_used`](Self::sync_used) is for the headers of answers.
    pub fn set_used(&self, per: QuotaPeriod, used: u64) {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let mut windows = self.windows.lock();
        for window in windows.iter_mut().filter(|window| window.config.per == per) {
            window.roll(tick, wall);
            window.forget();
            window.sync(used, tick);
        }
    }

    /// Whether calls are counted in a window that still runs.
    pub(super) fn is_used(&self) -> bool {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        self.windows.lock().iter_mut().any(|window| {
            window.roll(tick, wall);
            window.used > 0
        })
    }

    /// Calls left now in the window of that period; `None` if there is none.
    pub fn remaining(&self, per: QuotaPeriod) -> Option<u64> {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let left = |window: &mut Window| {
            window.roll(tick, wall);
            window.config.limit.saturating_sub(window.used)
        };
        self.windows.lock().iter_mut().filter(|window| window.config.per == per).map(left).min()
    }

    /// The counts, to be restored after a restart.
    pub fn save(&self) -> QuotaState {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let save = |window: &mut Window| {
            window.roll(tick, wall);
            window.save(tick, wall)
        };
        QuotaState { windows: self.windows.lock().iter_mut().map(save).collect() }
    }

    /// Takes over saved counts of windows that are still running; others are ignored. Counts made
    /// since the start are kept: the larger one holds.
    pub fn restore(&self, state: &QuotaState) {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        let mut windows = self.windows.lock();
        for window in &mut *windows {
            window.roll(tick, wall);
            let is_it = |saved: &&QuotaWindowState| (saved.per, saved.kind) == (window.config.per, window.config.kind);
            if let Some(saved) = state.windows.iter().find(is_it) {
                window.restore(saved, tick, wall);
            }
        }
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn take(&self, n: u32) -> Result<Taken, Limited> {
        let taken = Taken { n, tick: self.clock.now(), wall: self.clock.wall() };
        let mut windows = self.windows.lock();
        self.check(&mut windows, n, taken.tick, taken.wall)?;
        windows.iter_mut().for_each(|window| window.add(u64::from(n), taken.tick));
        drop(windows);
        Ok(taken)
    }

    /// Whether `n` calls could be taken now; takes none.
    pub(super) fn peek(&self, n: u32) -> Result<(), Limited> {
        let (tick, wall) = (self.clock.now(), self.clock.wall());
        self.check(&mut self.windows.lock(), n, tick, wall)
    }

    /// Gives calls back that were never made, where their window still runs.
    pub(super) fn give_back(&self, taken: Taken) {
        for window in &mut *self.windows.lock() {
            window.give_back(taken);
        }
    }

    fn check(&self, windows: &mut [Window], n: u32, tick: Tick, wall: DateTime<Utc>) -> Result<(), Limited> {
        let mut refused: Option<(Duration, &QuotaWindow)> = None;
        for window in windows {
            window.roll(tick, wall);
            let wait = window.wait(n, tick, wall);
            let Some(wait) = wait else {
                let QuotaWindow { limit, per, .. } = window.config;
                let reason = LimitReason::ExceedsQuota { asked: n, limit, per };
                return Err(Limited { name: self.name.clone(), reason, retry_after: None });
            };
            if !wait.is_zero() && refused.is_none_or(|(longest, _)| wait > longest) {
                refused = Some((wait, &window.config));
            }
        }
        refused.map_or(Ok(()), |(wait, window)| {
            let reason = LimitReason::Quota { limit: window.limit, per: window.per };
            Err(Limited { name: self.name.clone(), reason, retry_after: Some(wait) })
        })
    }
}

impl Window {
    fn new(config: QuotaWindow, tick: Tick, wall: DateTime<Utc>) -> Self {
        let (start, end) = bounds(&config, wall);
        Self { config, used: 0, start, end, began: tick, calls: VecDeque::new() }
    }

    /// Lets go of what is over.
    fn roll(&mut self, tick: Tick, wall: DateTime<Utc>) {
        let length = self.config.per.length();
        match self.config.kind {
            QuotaKind::Sliding => {
                while self.calls.front().is_some_and(|(at, _)| tick.since(*at) >= length) {
                    let (_, n) = self.calls.pop_front().unwrap_or_default();
                    self.used -= u64::from(n);
                }
            }
            QuotaKind::Fixed => {
                let (start, end) = bounds(&self.config, wall);
                // A clock set back does not reopen a window, unless the one counted in has had its
                // time: then it was set ahead before.
                if start > self.start || (start < self.start && tick.since(self.began) >= length) {
                    (self.used, self.start, self.end, self.began) = (0, start, end, tick);
                }
            }
        }
    }

    /// Until `n` calls fit: zero now, `None` never.
    fn wait(&self, n: u32, tick: Tick, wall: DateTime<Utc>) -> Option<Duration> {
        let (n, limit) = (u64::from(n), self.config.limit);
        if n > limit {
            return None;
        }
        let mut excess = self.used.saturating_add(n).saturating_sub(limit);
        if excess == 0 {
            return Some(Duration::ZERO);
        }
        let length = self.config.per.length();
        let soonest = Duration::from_millis(1);
        if self.config.kind == QuotaKind::Fixed {
            let by_wall = (self.end - wall).to_std().unwrap_or_default();
            // A clock set back: the window is over when its own time is.
            let by_tick = self.began.after(length).since(tick);
            let then = TimeDelta::from_std(by_tick).ok().and_then(|time| wall.checked_add_signed(time));
            let stays_behind = then.is_some_and(|then| then < self.start);
            return Some(if stays_behind { by_tick } else { by_wall }.max(soonest));
        }
        for (at, calls) in &self.calls {
            excess = excess.saturating_sub(u64::from(*calls));
            if excess == 0 {
                return Some(at.after(length).since(tick).max(soonest));
            }
        }
        Some(length)
    }

    fn add(&mut self, n: u64, tick: Tick) {
        if n == 0 {
            return;
        }
        self.used = self.used.saturating_add(n);
        if self.config.kind == QuotaKind::Sliding {
            // At most the limit, which fits.
            self.calls.push_back((tick, u32::try_from(n).unwrap_or(u32::MAX)));
        }
    }

    fn forget(&mut self) {
        self.used = 0;
        self.calls.clear();
    }

    /// The vendor says how many are used.
    fn sync(&mut self, used: u64, tick: Tick) {
        let unknown = used.min(self.config.limit).saturating_sub(self.used);
        self.add(unknown, tick);
    }

    fn give_back(&mut self, taken: Taken) {
        match self.config.kind {
            QuotaKind::Fixed if taken.tick >= self.began => self.used = self.used.saturating_sub(u64::from(taken.n)),
            QuotaKind::Fixed => {}
            QuotaKind::Sliding => {
                let is_it = |(at, n): &(Tick, u32)| *at == taken.tick && *n == taken.n;
                if let Some(index) = self.calls.iter().rposition(is_it) {
                    self.calls.remove(index);
                    self.used -= u64::from(taken.n);
                }
            }
        }
    }

    fn save(&self, tick: Tick, wall: DateTime<Utc>) -> QuotaWindowState {
        let at = |call: Tick| wall - TimeDelta::from_std(tick.since(call)).unwrap_or_default();
        QuotaWindowState {
            per: self.config.per,
            kind: self.config.kind,
            used: self.used,
            start: self.start,
            calls: self.calls.iter().map(|(call, n)| (at(*call), *n)).collect(),
        }
    }

    fn restore(&mut self, saved: &QuotaWindowState, tick: Tick, wall: DateTime<Utc>) {
        if self.config.kind == QuotaKind::Fixed {
            // A clock that is behind since must not give the saved window twice.
            let ahead = (saved.start - wall).to_std().unwrap_or_default();
            if saved.start >= self.start && ahead < self.config.per.length() {
                (self.start, self.end) = bounds(&self.config, saved.start);
                self.used = self.used.max(saved.used);
            }
            return;
        }
        let length = self.config.per.length();
        let age = |call: &DateTime<Utc>| (wall - *call).to_std().unwrap_or_default();
        let running = saved.calls.iter().filter(|(call, _)| age(call) < length);
        let running = running.map(|(call, n)| (tick.before(age(call)), *n));
        // Wall time is saved to the nanosecond, but a clock may have been set in between.
        let is_near = |a: Tick, b: Tick| a.since(b).max(b.since(a)) < Duration::from_millis(1);
        let is_known = |(at, n): &(Tick, u32)| self.calls.iter().any(|(own, m)| n == m && is_near(*own, *at));
        let mut before: VecDeque<(Tick, u32)> = running.filter(|call| !is_known(call)).collect();
        let room = usize::try_from(self.config.limit).unwrap_or(usize::MAX);
        before.drain(..before.len().saturating_sub(room));
        before.extend(self.calls.drain(..));
        before.make_contiguous().sort_unstable();
        self.used = before.iter().map(|(_, n)| u64::from(*n)).sum();
        self.calls = before;
    }
}

impl fmt::Debug for CalendarQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarQuota").field("name", &self.name).finish_non_exhaustive()
    }
}
