//! Why a fetch gave no value.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::record::{AttemptRecord, rounded};
use crate::breaker::Open;
use crate::cache::{KeyTooLong, LoadError};
use crate::hint::RetryHint;
use crate::limiter::Limited;
use crate::quality::QualityReport;
use crate::router::Exclusion;

/// An endpoint that was not called, and why.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, FetchOptions, source_fn};
/// # use feedguard::{Clock, DataSourceManager, Deadline, EndpointConfig, EndpointSpec, FetchErrorKind, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// manager.breaker("sina").unwrap().force_open();
/// let soon = Deadline::after(&Clock::system(), std::time::Duration::from_secs(1));
/// let error = manager.fetch_by(&600519, soon).unwrap_err();
/// if let FetchErrorKind::NoEndpoint { refusals } = error.kind() {
///     for refusal in refusals.iter() {
///         println!("{}: {}", refusal.endpoint, refusal.reason);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Name of the endpoint.
    pub endpoint: Arc<str>,
    /// Why.
    pub reason: RefusalReason,
}

/// Why an endpoint was not called.
///
/// # Examples
/// ```
/// use feedguard::manager::RefusalReason;
/// assert_eq!(RefusalReason::Saturated { in_flight: 32 }.retry_after(), None, "when a call ends");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// Its breaker is open.
    #[error(transparent)]
    Breaker(#[from] Open),
    /// Its limiter has no permit in time.
    #[error(transparent)]
    Limiter(#[from] Limited),
    /// The router leaves it out.
    #[error("{0}")]
    Router(#[from] Exclusion),
    /// All its places are taken by calls under way, hung ones included.
    #[error("{in_flight} call(s) under way, all places are taken")]
    Saturated {
        /// Calls under way.
        in_flight: usize,
    },
    /// All threads of the manager are taken.
    #[error("all threads for calls are taken")]
    NoThread,
    /// It was called before in this fetch, and the budget of second calls is spent.
    #[error("the budget of second calls is spent")]
    NoRetryBudget,
}

impl RefusalReason {
    /// When the endpoint may be callable again, from now; `None` if that depends on calls that end, or can
    /// never be.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Breaker(open) => open.retry_after,
            Self::Limiter(limited) => limited.retry_after,
            Self::Router(exclusion) => exclusion.retry_after(),
            Self::Saturated { .. } | Self::NoThread | Self::NoRetryBudget => None,
        }
    }

    /// Whether it only says that the ranking is out of date: another one may be made at once.
    pub(super) const fn is_over_already(&self) -> bool {
        matches!(self, Self::Router(Exclusion::Replaced | Exclusion::Repriced | Exclusion::Probing))
    }

    /// Whether the endpoint is only not well.
    pub(super) const fn is_about_health(&self) -> bool {
        matches!(self, Self::Router(Exclusion::Ramping { .. } | Exclusion::Ejected { .. }))
    }

    /// Whether the end of some call may change it.
    pub(super) const fn waits_for_calls(&self) -> bool {
        matches!(
            self,
            Self::Saturated { .. }
                | Self::NoThread
                | Self::Router(Exclusion::Ramping { .. } | Exclusion::Saturated { .. } | Exclusion::Ejected { .. })
        )
    }
}

/// Why a fetch gave no value; `E` is the host's own error, `R` its response.
///
/// # Examples
/// ```
/// let kind: feedguard::FetchErrorKind<std::io::Error, f64> = feedguard::FetchErrorKind::Missing;
/// assert_eq!(kind.as_str(), "missing");
/// ```
#[non_exhaustive]
pub enum FetchErrorKind<E, R> {
    /// No endpoint was called: all refused.
    NoEndpoint {
        /// Who refused, and why.
        refusals: Arc<[Refusal]>,
    },
    /// No endpoint serves the category, or the options leave none.
    Unserved {
        /// The category.
        category: Arc<str>,
    },
    /// The last endpoint called failed with this error.
    Source {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The host's error.
        error: Arc<E>,
    },
    /// Every answer was unusable: this is the last one.
    BadData {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// What is wrong with it.
        report: Arc<QualityReport>,
        /// The answer itself.
        response: Arc<R>,
    },
    /// The last endpoint called answered, and the host's judgement calls the answer unusable.
    Unusable {
        /// Name of the endpoint.
        endpoint: Arc<str>,
    },
    /// There is no such thing: the source says so, or no endpoint has it.
    Missing,
    /// The deadline passed.
    TimedOut,
    /// The host's code panicked on another thread.
    Panicked,
    /// A call asked for the very thing it is fetching.
    Reentrant,
    /// The cache has nothing, and no source was to be called.
    NotCached,
    /// The request is longer than the cache takes.
    KeyTooLong(KeyTooLong),
    /// Too many callers wait already.
    Overloaded,
    /// The manager was shut down.
    ShuttingDown,
}

impl<E, R> FetchErrorKind<E, R> {
    /// The kind in lower case, as in logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoEndpoint { .. } => "no_endpoint",
            Self::Unserved { .. } => "unserved",
            Self::Source { .. } => "source",
            Self::BadData { .. } => "bad_data",
            Self::Unusable { .. } => "unusable",
            Self::Missing => "missing",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Reentrant => "reentrant",
            Self::NotCached => "not_cached",
            Self::KeyTooLong(_) => "key_too_long",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl<E, R> Clone for FetchErrorKind<E, R> {
    fn clone(&self) -> Self {
        match self {
            Self::NoEndpoint { refusals } => Self::NoEndpoint { refusals: Arc::clone(refusals) },
            Self::Unserved { category } => Self::Unserved { category: Arc::clone(category) },
            Self::Source { endpoint, error } => {
                Self::Source { endpoint: Arc::clone(endpoint), error: Arc::clone(error) }
            }
            Self::BadData { endpoint, report, response } => Self::BadData {
                endpoint: Arc::clone(endpoint),
                report: Arc::clone(report),
                response: Arc::clone(response),
            },
            Self::Unusable { endpoint } => Self::Unusable { endpoint: Arc::clone(endpoint) },
            Self::Missing => Self::Missing,
            Self::TimedOut => Self::TimedOut,
            Self::Panicked => Self::Panicked,
            Self::Reentrant => Self::Reentrant,
            Self::NotCached => Self::NotCached,
            Self::KeyTooLong(error) => Self::KeyTooLong(*error),
            Self::Overloaded => Self::Overloaded,
            Self::ShuttingDown => Self::ShuttingDown,
        }
    }
}

/// Why a fetch gave no value, whether a source was called for it, when to come back, and how it came about.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::retry::RetryConfig;
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// let source = source_fn(|_call: &Call<'_>, _: &u32| Err::<f64, _>(std::io::Error::other("connection refused")));
/// # let endpoints = vec![EndpointConfig::new(EndpointSpec::named("sina"))];
/// # let config = ManagerConfig::default().endpoints(endpoints).retry(RetryConfig::off());
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// let error = manager.fetch(&600519).unwrap_err();
/// assert!(error.reached_source() && error.attempts().len() == 1);
/// println!("{error}"); // says who failed, how, after what time, and when to come back
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FetchError<E, R> {
    kind: FetchErrorKind<E, R>,
    reached_source: bool,
    retry_after: Option<Duration>,
    attempts: Arc<[AttemptRecord]>,
    /// It is the caller's own: its deadline came while a call was still in time.
    is_callers: bool,
}

impl<E, R> FetchError<E, R> {
    pub(super) fn new(kind: FetchErrorKind<E, R>, reached_source: bool, retry_after: Option<Duration>) -> Self {
        Self { kind, reached_source, retry_after, attempts: Arc::new([]), is_callers: false }
    }

    /// Marks it as the caller's own, which holds no key.
    pub(super) fn callers_own(mut self) -> Self {
        self.is_callers = true;
        self
    }

    /// Whether it says something about the source, so that the key is held for a while.
    pub(super) const fn is_about_source(&self) -> bool {
        self.reached_source && !self.is_callers
    }

    pub(super) fn with_attempts(mut self, attempts: Arc<[AttemptRecord]>) -> Self {
        self.attempts = attempts;
        self
    }

    /// Says when to come back where nobody has.
    pub(super) fn or_retry_after(mut self, retry_after: impl FnOnce() -> Option<Duration>) -> Self {
        let knows = self.retry_after.is_some_and(|after| !after.is_zero());
        if !knows && matches!(self.kind, FetchErrorKind::TimedOut | FetchErrorKind::Overloaded) {
            self.retry_after = retry_after();
        }
        self
    }

    /// A refusal of the cache, or the error that the cached call had.
    pub(super) fn from_load(error: &LoadError<Self>) -> Self {
        let retry_after = error.retry_after();
        let reached_source = error.reached_source();
        let kind = match error {
            LoadError::Failed { error: inner, .. } => {
                let retry_after = inner.retry_after.max(retry_after.filter(|hold| !hold.is_zero()));
                return Self { retry_after, ..Self::clone(inner.get()) };
            }
            LoadError::Held { error: inner, .. } => {
                return Self { reached_source: false, retry_after, ..Self::clone(inner.get()) };
            }
            LoadError::Missing { .. } => FetchErrorKind::Missing,
            LoadError::WaitTimeout | LoadError::DeadlinePassed => FetchErrorKind::TimedOut,
            LoadError::TooManyWaiters { .. } => FetchErrorKind::Overloaded,
            LoadError::LoaderPanicked { .. } => FetchErrorKind::Panicked,
            LoadError::Reentrant => FetchErrorKind::Reentrant,
            LoadError::NotCached => FetchErrorKind::NotCached,
            LoadError::KeyTooLong(error) => FetchErrorKind::KeyTooLong(*error),
        };
        Self { kind, reached_source, retry_after, attempts: Arc::new([]), is_callers: false }
    }

    /// Why.
    pub const fn kind(&self) -> &FetchErrorKind<E, R> {
        &self.kind
    }

    /// Whether a source was called for this fetch.
    pub const fn reached_source(&self) -> bool {
        self.reached_source
    }

    /// The earliest moment at which a fetch could succeed, from now, as far as is known: limiters, breakers,
    /// pauses and the hold of the key considered.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Every endpoint's turn.
    pub fn attempts(&self) -> &[AttemptRecord] {
        &self.attempts
    }

    /// The host's own error, if that is the reason.
    pub const fn source_error(&self) -> Option<&Arc<E>> {
        match &self.kind {
            FetchErrorKind::Source { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl<E, R> RetryHint for FetchError<E, R> {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn reached_source(&self) -> bool {
        self.reached_source
    }

    fn can_help(&self) -> bool {
        self.retry_after.is_some()
    }
}

impl<E, R> Clone for FetchError<E, R> {
    fn clone(&self) -> Self {
        Self { kind: self.kind.clone(), attempts: Arc::clone(&self.attempts), ..*self }
    }
}

impl<E, R> fmt::Debug for FetchErrorKind<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<E, R> fmt::Debug for FetchError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("kind", &self.kind)
            .field("reached_source", &self.reached_source)
            .field("retry_after", &self.retry_after)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

impl<E: fmt::Display, R> fmt::Display for FetchError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FetchErrorKind::NoEndpoint { .. } => f.write_str("no endpoint could be called")?,
            FetchErrorKind::Unserved { category } => {
                write!(f, "no endpoint serves the category \"{}\"", category.escape_debug())?;
            }
            FetchErrorKind::Source { endpoint, error } => {
                write!(f, "endpoint \"{}\" failed: {error}", endpoint.escape_debug())?;
            }
            FetchErrorKind::BadData { endpoint, report, .. } => {
                write!(f, "endpoint \"{}\" gave unusable data: {report}", endpoint.escape_debug())?;
            }
            FetchErrorKind::Unusable { endpoint } => {
                write!(f, "endpoint \"{}\" gave an unusable answer", endpoint.escape_debug())?;
            }
            FetchErrorKind::Missing => f.write_str("there is no such thing")?,
            FetchErrorKind::TimedOut => f.write_str("the deadline passed")?,
            FetchErrorKind::Panicked => f.write_str("the source's code panicked")?,
            FetchErrorKind::Reentrant => f.write_str("a call asked for the very thing it is fetching")?,
            FetchErrorKind::NotCached => f.write_str("not in the cache, and no source was to be called")?,
            FetchErrorKind::KeyTooLong(error) => error.fmt(f)?,
            FetchErrorKind::Overloaded => f.write_str("too many callers wait already")?,
            FetchErrorKind::ShuttingDown => f.write_str("shutting down")?,
        }
        for (at, attempt) in self.attempts.iter().enumerate() {
            write!(f, "{} {attempt}", if at == 0 { ";" } else { "," })?;
        }
        match self.retry_after {
            Some(after) => write!(f, " (retry in {:?})", rounded(after)),
            None => Ok(()),
        }
    }
}

impl<E: Error + 'static, R> Error for FetchError<E, R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source_error().map(|error| error.as_ref() as &dyn Error)
    }
}
