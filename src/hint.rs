//! What an error says about calling again.

use std::time::Duration;

use crate::error::CallError;

/// What an error says about calling again. All errors of this crate do; a host's error may take the
/// defaults: `impl RetryHint for MyError {}`.
///
/// # Examples
/// ```
/// use feedguard::retry::RetryHint;
/// #[derive(Debug)]
/// struct Status(u16);
/// impl RetryHint for Status {
///     fn can_help(&self) -> bool {
///         self.0 >= 500 // an unknown symbol stays unknown
///     }
/// }
/// assert!(!Status(404).can_help() && Status(503).reached_source());
/// ```
pub trait RetryHint {
    /// When to call again, from now, if it knows.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Whether the source was called; a second call is paid from the budget then.
    fn reached_source(&self) -> bool {
        true
    }

    /// Whether calling again can help at all.
    fn can_help(&self) -> bool {
        true
    }
}

impl<R: RetryHint, E: RetryHint> RetryHint for CallError<R, E> {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(refusal) => refusal.retry_after(),
            Self::Failed(error) => error.retry_after(),
        }
    }

    fn reached_source(&self) -> bool {
        match self {
            Self::Rejected(_) => false,
            Self::Failed(error) => error.reached_source(),
        }
    }

    fn can_help(&self) -> bool {
        match self {
            Self::Rejected(refusal) => refusal.can_help(),
            Self::Failed(error) => error.can_help(),
        }
    }
}

impl RetryHint for std::io::Error {}
