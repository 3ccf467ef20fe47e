//! The face of the retry room, and the decision, pure: (round, error, time left) -> again or not.

use std::fmt;
use std::time::Duration;

use super::budget::CallBudget;
use super::metrics::RetryMetrics;
use super::{GaveUp, RetryConfig, RetryError};
use crate::clock::{Clock, Deadline};
use crate::hint::RetryHint;
use crate::name::Name;
use crate::outcome::Outcome;
use crate::sync::{Condvar, Mutex};

/// Calls again when that can help: after the time the error names, at least a growing and jittered
/// pause, before the deadline, and never more often than a budget of all calls allows.
///
/// # Concurrency
/// Thread-safe; callers share the budget. A pause sleeps on the caller's thread.
///
/// # Examples
/// ```
/// use feedguard::retry::{Retry, RetryConfig};
/// use feedguard::{Clock, Deadline};
/// use std::time::Duration;
/// let retry = Retry::new("quotes", RetryConfig::default().backoff(Duration::from_millis(1)))?;
/// let soon = Deadline::after(&Clock::system(), Duration::from_secs(5));
/// let quote = retry.call(soon, |attempt| {
///     if attempt.number() < 3 { Err(std::io::Error::other("down")) } else { Ok(9.81) }
/// });
/// assert_eq!(quote.unwrap(), 9.81);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct Retry {
    name: Name,
    config: RetryConfig,
    clock: Clock,
    metrics: RetryMetrics,
    budget: CallBudget,
    dice: Mutex<fastrand::Rng>,
}

/// What a retried call is told.
///
/// # Examples
/// ```
/// use feedguard::Deadline;
/// use feedguard::retry::{Attempt, Retry, RetryConfig};
/// let retry = Retry::new("quotes", RetryConfig::default())?;
/// let number = |attempt: &Attempt| Ok::<_, std::io::Error>(attempt.number());
/// assert_eq!(retry.call(Deadline::never(), number).unwrap(), 1);
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    number: u32,
    deadline: Deadline,
}

impl Attempt {
    /// Which call it is, from 1.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Until when all calls and pauses have to end.
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// What an error says, as data.
#[derive(Debug, Clone, Copy)]
struct Hint {
    retry_after: Option<Duration>,
    reached_source: bool,
    can_help: bool,
}

impl Retry {
    pub(super) fn from_parts(
        metrics: RetryMetrics,
        budget: CallBudget,
        dice: fastrand::Rng,
        name: Name,
        config: RetryConfig,
        clock: Clock,
    ) -> Self {
        Self { name, config, clock, metrics, budget, dice: Mutex::new(dice) }
    }

    /// Calls, and calls again while that can help, until `deadline`.
    ///
    /// # Errors
    /// [`RetryError`] with the last call's error and why no further call was made.
    ///
    /// # Panics
    /// A panic of the call propagates.
    pub fn call<T, E: RetryHint>(
        &self,
        deadline: Deadline,
        call: impl FnMut(&Attempt) -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        let hint = |error: &E| Hint {
            retry_after: error.retry_after(),
            reached_source: error.reached_source(),
            can_help: error.can_help(),
        };
        self.run(deadline, hint, call)
    }

    /// As [`call`](Self::call), for errors of others: `judge` says what they mean.
    /// [`Outcome::Ignored`] ends it; `FailureFor` and `Limited` say when.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// A panic of the call or of `judge` propagates.
    pub fn call_judged<T, E>(
        &self,
        deadline: Deadline,
        judge: impl Fn(&E) -> Outcome,
        call: impl FnMut(&Attempt) -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        let hint = |error: &E| {
            let outcome = judge(error);
            let can_help = !matches!(outcome, Outcome::Ignored | Outcome::Success);
            Hint { retry_after: outcome.retry_after(), reached_source: true, can_help }
        };
        self.run(deadline, hint, call)
    }

    fn run<T, E>(
        &self,
        deadline: Deadline,
        hint: impl Fn(&E) -> Hint,
        mut call: impl FnMut(&Attempt) -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        self.budget.earn();
        let mut number = 1;
        loop {
            let error = match call(&Attempt { number, deadline }) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let hint = hint(&error);
            let pause = match self.decide(number, hint, deadline) {
                Ok(pause) => pause,
                Err(reason) => {
                    let retry_after = hint.retry_after;
                    return Err(RetryError { error, calls: number, reason, retry_after });
                }
            };
            tracing::debug!(retry = %self.name, number, ?pause, "calling again after a pause");
            self.metrics.retries.inc();
            self.sleep(pause);
            number += 1;
        }
    }

    /// The pause before the next call, or why there is none.
    fn decide(&self, number: u32, hint: Hint, deadline: Deadline) -> Result<Duration, GaveUp> {
        if !hint.can_help {
            return Err(GaveUp::Useless);
        }
        if number > self.config.rounds {
            return Err(GaveUp::Rounds);
        }
        let dice = self.dice.lock().f64();
        let pause = self.config.pause(number, dice).max(hint.retry_after.unwrap_or_default());
        if deadline.has_passed(self.clock.now().after(pause)) {
            return Err(GaveUp::Deadline);
        }
        if hint.reached_source && !self.budget.try_spend() {
            return Err(GaveUp::Budget);
        }
        Ok(pause)
    }

    fn sleep(&self, pause: Duration) {
        let (lock, nobody) = (Mutex::new(()), Condvar::new());
        let until = Deadline::after(&self.clock, pause);
        let mut guard = lock.lock();
        while self.clock.wait(&nobody, &mut guard, until) {}
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}
