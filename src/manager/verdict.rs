//! What a host says of a call's result.

use std::time::Duration;

use crate::clock::Clock;
use crate::limiter::retry_after as parse_retry_after;

/// What a call's result says about the endpoint, and about the request.
///
/// # Examples
/// ```
/// use feedguard::Verdict;
/// use std::time::Duration;
/// assert_eq!(Verdict::of_http(200, None), Verdict::Good);
/// assert_eq!(Verdict::of_http(404, None), Verdict::NotHere);
/// let limited = Verdict::of_http(429, Some("120"));
/// assert_eq!(limited, Verdict::Limited { retry_after: Some(Duration::from_secs(120)) });
/// assert_eq!(Verdict::of_http(503, Some("5")), Verdict::BadFor(Duration::from_secs(5)));
/// assert_eq!(Verdict::of_http(400, None), Verdict::Ignore);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// A usable answer.
    Good,
    /// A usable answer that is fresh for this long.
    GoodFor(Duration),
    /// The endpoint speaks for all: there is no such thing (an unknown symbol at the exchange itself).
    Missing,
    /// This endpoint does not have it: the next one is asked, and nothing is held against this one. If
    /// all say so, it is missing.
    NotHere,
    /// The endpoint failed, or its answer is unusable; the next one is asked.
    Bad,
    /// It failed and said when to come back (a 503 with `Retry-After`): if this opens its breaker, it
    /// stays open for that time.
    BadFor(Duration),
    /// The endpoint said "too many requests"; the next one is asked.
    Limited {
        /// Its `Retry-After`, from now.
        retry_after: Option<Duration>,
    },
    /// The request is at fault; no other endpoint is asked, and nothing is held against this one.
    Ignore,
}

impl Verdict {
    /// The usual reading of an HTTP status and its `Retry-After` header: 2xx good, 404 not here, 429
    /// limited, 408 and 5xx bad, other 4xx the request's own fault, everything else bad.
    pub fn of_http(status: u16, retry_after: Option<&str>) -> Self {
        let after = || retry_after.and_then(|header| parse_retry_after(header, Clock::system().wall()));
        match status {
            200..=299 => Self::Good,
            404 => Self::NotHere,
            429 => Self::Limited { retry_after: after() },
            408 | 500..=599 => after().map_or(Self::Bad, Self::BadFor),
            400..=499 => Self::Ignore,
            _ => Self::Bad,
        }
    }
}
