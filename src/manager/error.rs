//! Why a fetch gave no value.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Open;
use crate::cache::{KeyTooLong, LoadError};
use crate::limiter::Limited;
use crate::quality::QualityReport;

/// An endpoint that was not called, and why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Name of the endpoint.
    pub endpoint: Arc<str>,
    /// Why.
    pub reason: RefusalReason,
}

/// Why an endpoint was not called.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// Its breaker is open.
    #[error(transparent)]
    Breaker(#[from] Open),
    /// Its limiter has no permit in time.
    #[error(transparent)]
    Limiter(#[from] Limited),
    /// The router has set it aside.
    #[error("set aside after failures, retry in {retry_after:?}")]
    Ejected {
        /// When it is tried again, from now.
        retry_after: Duration,
    },
}

impl RefusalReason {
    /// When the endpoint may be callable again, from now.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Breaker(open) => Some(open.retry_after),
            Self::Limiter(limited) => limited.retry_after,
            Self::Ejected { retry_after } => Some(*retry_after),
        }
    }
}

/// Why a fetch gave no value; `E` is the host's own error.
#[non_exhaustive]
pub enum FetchErrorKind<E> {
    /// No endpoint was called: all refused.
    NoEndpoint {
        /// Who refused, and why.
        refusals: Arc<[Refusal]>,
    },
    /// The last endpoint tried failed with this error.
    Source {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The host's error.
        error: Arc<E>,
    },
    /// The last endpoint tried gave data with errors.
    BadData {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// What is wrong with it.
        report: Arc<QualityReport>,
    },
    /// The last endpoint tried answered, and the host's judgement calls the answer unusable.
    Unusable {
        /// Name of the endpoint.
        endpoint: Arc<str>,
    },
    /// The source says that there is no such thing.
    Missing,
    /// The deadline passed.
    TimedOut,
    /// The host's code panicked on another thread.
    Panicked,
    /// A call asked for the very thing it is fetching, on its own thread.
    Reentrant,
    /// The request is longer than the cache takes.
    KeyTooLong(KeyTooLong),
    /// Too many callers wait already.
    Overloaded,
    /// The manager was shut down.
    ShuttingDown,
}

impl<E> FetchErrorKind<E> {
    /// The kind in lower case, as in logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoEndpoint { .. } => "no_endpoint",
            Self::Source { .. } => "source",
            Self::BadData { .. } => "bad_data",
            Self::Unusable { .. } => "unusable",
            Self::Missing => "missing",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Reentrant => "reentrant",
            Self::KeyTooLong(_) => "key_too_long",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl<E> Clone for FetchErrorKind<E> {
    fn clone(&self) -> Self {
        match self {
            Self::NoEndpoint { refusals } => Self::NoEndpoint { refusals: Arc::clone(refusals) },
            Self::Source { endpoint, error } => {
                Self::Source { endpoint: Arc::clone(endpoint), error: Arc::clone(error) }
            }
            Self::BadData { endpoint, report } => {
                Self::BadData { endpoint: Arc::clone(endpoint), report: Arc::clone(report) }
            }
            Self::Unusable { endpoint } => Self::Unusable { endpoint: Arc::clone(endpoint) },
            Self::Missing => Self::Missing,
            Self::TimedOut => Self::TimedOut,
            Self::Panicked => Self::Panicked,
            Self::Reentrant => Self::Reentrant,
            Self::KeyTooLong(error) => Self::KeyTooLong(*error),
            Self::Overloaded => Self::Overloaded,
            Self::ShuttingDown => Self::ShuttingDown,
        }
    }
}

/// Why a fetch gave no value, whether a source was called for it, and when to come back.
pub struct FetchError<E> {
    kind: FetchErrorKind<E>,
    reached_source: bool,
    retry_after: Option<Duration>,
}

impl<E> FetchError<E> {
    pub(super) fn new(kind: FetchErrorKind<E>, reached_source: bool, retry_after: Option<Duration>) -> Self {
        Self { kind, reached_source, retry_after }
    }

    /// A refusal of the cache, or the error that the cached call had.
    pub(super) fn from_load(error: &LoadError<Self>) -> Self {
        let retry_after = error.retry_after();
        let reached_source = error.reached_source();
        let kind = match error {
            LoadError::Failed { error: inner, .. } => {
                let retry_after = inner.retry_after.max(retry_after);
                return Self { kind: inner.kind.clone(), reached_source: inner.reached_source, retry_after };
            }
            LoadError::Held { error: inner, .. } => {
                let retry_after = inner.retry_after.max(retry_after);
                return Self { kind: inner.kind.clone(), reached_source: false, retry_after };
            }
            LoadError::Missing { .. } => FetchErrorKind::Missing,
            LoadError::WaitTimeout => FetchErrorKind::TimedOut,
            LoadError::TooManyWaiters { .. } => FetchErrorKind::Overloaded,
            LoadError::LoaderPanicked { .. } => FetchErrorKind::Panicked,
            LoadError::Reentrant => FetchErrorKind::Reentrant,
            LoadError::KeyTooLong(error) => FetchErrorKind::KeyTooLong(*error),
        };
        Self { kind, reached_source, retry_after }
    }

    /// Why.
    pub const fn kind(&self) -> &FetchErrorKind<E> {
        &self.kind
    }

    /// Whether a source was called for this fetch.
    pub const fn reached_source(&self) -> bool {
        self.reached_source
    }

    /// When a fetch may succeed, from now, as far as is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The host's own error, if that is the reason.
    pub const fn source_error(&self) -> Option<&Arc<E>> {
        match &self.kind {
            FetchErrorKind::Source { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl<E> Clone for FetchError<E> {
    fn clone(&self) -> Self {
        Self { kind: self.kind.clone(), ..*self }
    }
}

impl<E> fmt::Debug for FetchErrorKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<E> fmt::Debug for FetchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("kind", &self.kind)
            .field("reached_source", &self.reached_source)
            .field("retry_after", &self.retry_after)
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for FetchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FetchErrorKind::NoEndpoint { refusals } => {
                f.write_str("no endpoint could be called:")?;
                for Refusal { endpoint, reason } in refusals.iter() {
                    write!(f, " {endpoint}: {reason};")?;
                }
            }
            FetchErrorKind::Source { endpoint, error } => write!(f, "endpoint {endpoint:?} failed: {error}")?,
            FetchErrorKind::BadData { endpoint, report } => {
                let rows = report.total - report.passed;
                write!(f, "endpoint {endpoint:?} gave bad data: {rows} of {} rows", report.total)?;
            }
            FetchErrorKind::Unusable { endpoint } => write!(f, "endpoint {endpoint:?} gave an unusable answer")?,
            FetchErrorKind::Missing => f.write_str("the source has no such thing")?,
            FetchErrorKind::TimedOut => f.write_str("the deadline passed")?,
            FetchErrorKind::Panicked => f.write_str("the source's code panicked")?,
            FetchErrorKind::Reentrant => f.write_str("a call asked for the very thing it is fetching")?,
            FetchErrorKind::KeyTooLong(error) => error.fmt(f)?,
            FetchErrorKind::Overloaded => f.write_str("too many callers wait already")?,
            FetchErrorKind::ShuttingDown => f.write_str("shutting down")?,
        }
        match self.retry_after {
            Some(after) => write!(f, " (retry in {after:?})"),
            None => Ok(()),
        }
    }
}

impl<E: Error + 'static> Error for FetchError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source_error().map(|error| error.as_ref() as &dyn Error)
    }
}
