//! What a host brings: how to call an endpoint, and how to read its answer.

use std::error::Error;
use std::hash::Hash;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Deadline;
use crate::quality::Series;
use crate::router::EndpointSpec;

/// Kind of data; each kind has a cache of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Category {
    /// Daily bars.
    Daily,
    /// Minute bars.
    Minute,
    /// Quotes.
    Realtime,
    /// Anything else.
    #[default]
    Other,
}

impl Category {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Daily, Self::Minute, Self::Realtime, Self::Other];

    /// The name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Minute => "minute",
            Self::Realtime => "realtime",
            Self::Other => "other",
        }
    }
}

/// What a call's result says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// A usable answer.
    Good,
    /// A usable answer that is fresh for this long.
    GoodFor(Duration),
    /// The endpoint works and says that there is no such thing (an unknown symbol).
    Missing,
    /// The endpoint failed, or its answer is unusable; the next one is tried.
    Bad,
    /// It failed and said when to come back (a 503 with `Retry-After`): if this opens its breaker, it
    /// stays open for that time.
    BadFor(Duration),
    /// The endpoint said "too many requests"; the next one is tried.
    Limited {
        /// Its `Retry-After`, from now.
        retry_after: Option<Duration>,
    },
    /// The request is at fault; no other endpoint is tried, and nothing is held against this one.
    Ignore,
}

/// A host's endpoint calls.
///
/// # Concurrency
/// Called from many threads at once, and from background threads for refreshes; never under a lock
/// of this crate.
///
/// # Examples
/// ```
/// use feedguard::{Deadline, EndpointSpec, Source};
/// struct Quotes;
/// impl Source for Quotes {
///     type Request = String;
///     type Response = f64;
///     type Error = std::io::Error;
///     fn call(&self, endpoint: &EndpointSpec, symbol: &String, _deadline: Deadline) -> Result<f64, std::io::Error> {
///         // An HTTP call to `endpoint.name` with a time-out from the deadline.
///         Ok(symbol.len() as f64 + endpoint.name.len() as f64)
///     }
/// }
/// ```
pub trait Source: Send + Sync + 'static {
    /// A request; also the key of its cached answer.
    type Request: Hash + Eq + Clone + Send + Sync + 'static;
    /// An answer.
    type Response: Send + Sync + 'static;
    /// A failure; callers get it back unchanged.
    type Error: Error + Send + Sync + 'static;

    /// Makes one call to one endpoint, and gives up at the deadline: `deadline.remaining(clock.now())`
    /// is the time-out to set, with any [`Clock::system`](crate::Clock::system), or with the manual clock
    /// that the manager was given.
    ///
    /// # Errors
    /// The host's own; [`judge`](Self::judge) says what it means.
    fn call(
        &self,
        endpoint: &EndpointSpec,
        request: &Self::Request,
        deadline: Deadline,
    ) -> Result<Self::Response, Self::Error>;

    /// What a result says about the endpoint: by default every error is [`Verdict::Bad`].
    fn judge(&self, request: &Self::Request, result: Result<&Self::Response, &Self::Error>) -> Verdict {
        let _ = request;
        if result.is_ok() { Verdict::Good } else { Verdict::Bad }
    }

    /// Whether a request may be made twice at once: hedging needs it. By default `false`.
    fn is_idempotent(&self, request: &Self::Request) -> bool {
        let _ = request;
        false
    }

    /// Which cache a request belongs to.
    fn category(&self, request: &Self::Request) -> Category {
        let _ = request;
        Category::Other
    }

    /// The answer as a price series, if it is one: the validator looks at it then. Calendars and the like
    /// may be lent from the source.
    fn series<'a>(&'a self, response: &'a Self::Response) -> Option<Series<'a>> {
        let _ = response;
        None
    }

    /// Length of a request in bytes, checked against the cache's `max_key_bytes`.
    fn request_bytes(&self, request: &Self::Request) -> usize {
        let _ = request;
        0
    }
}
