//! Why a retried call gave no value.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why no further call was made.
///
/// # Examples
/// ```
/// assert_eq!(feedguard::retry::GaveUp::Deadline.to_string(), "the deadline came first");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// The error says that calling again cannot help.
    Useless,
    /// All rounds are used.
    Rounds,
    /// The next call could not be made before the deadline.
    Deadline,
    /// The budget of second calls is spent: too many calls fail already.
    Budget,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Useless => "calling again cannot help",
            Self::Rounds => "all rounds are used",
            Self::Deadline => "the deadline came first",
            Self::Budget => "the budget of second calls is spent",
        })
    }
}

/// The last call's error, and why no further call was made.
///
/// # Examples
/// ```
/// use feedguard::Deadline;
/// use feedguard::retry::{GaveUp, Retry, RetryConfig};
/// let retry = Retry::new("quotes", RetryConfig::off())?;
/// let down = |_: &_| Err::<f64, _>(std::io::Error::other("down"));
/// let error = retry.call(Deadline::never(), down).unwrap_err();
/// assert_eq!((error.calls, error.reason), (1, GaveUp::Rounds));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryError<E> {
    /// The last call's error.
    pub error: E,
    /// Calls made.
    pub calls: u32,
    /// Why no further one was made.
    pub reason: GaveUp,
    /// When a call may succeed, from now, as far as the error knows.
    pub retry_after: Option<Duration>,
}

impl<E> RetryError<E> {
    /// When a call may succeed, from now, as far as the error knows.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} call(s), {})", self.error, self.calls, self.reason)
    }
}

impl<E: Error + 'static> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
