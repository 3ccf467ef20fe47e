//! The record of a fetch: what was asked, and how it came about.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cache::CacheStatus;

/// How one endpoint's turn ended.
///
/// # Examples
/// ```
/// use feedguard::manager::AttemptOutcome;
/// assert_eq!(AttemptOutcome::TimedOut.as_str(), "timed_out");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// A usable answer.
    Ok,
    /// A usable answer with errors in it.
    Flawed,
    /// An answer of which nothing is usable.
    Unusable,
    /// There is no such thing.
    Missing,
    /// This endpoint does not have it.
    NotHere,
    /// The call failed.
    Failed,
    /// The endpoint said "too many requests".
    Limited,
    /// The call did not end in time.
    TimedOut,
    /// The request is at fault.
    Ignored,
    /// The host's code panicked.
    Panicked,
    /// The endpoint was not called.
    Refused,
}

impl AttemptOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Ok,
        Self::Flawed,
        Self::Unusable,
        Self::Missing,
        Self::NotHere,
        Self::Failed,
        Self::Limited,
        Self::TimedOut,
        Self::Ignored,
        Self::Panicked,
        Self::Refused,
    ];

    /// The name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Flawed => "flawed",
            Self::Unusable => "bad_data",
            Self::Missing => "missing",
            Self::NotHere => "not_here",
            Self::Failed => "failed",
            Self::Limited => "limited",
            Self::TimedOut => "timed_out",
            Self::Ignored => "ignored",
            Self::Panicked => "panicked",
            Self::Refused => "refused",
        }
    }
}

/// One endpoint's turn in a fetch.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// let fetched = manager.fetch(&600519)?;
/// println!("{}", fetched.attempts()[0]); // sina ok in 40us
/// # assert_eq!(&*fetched.attempts()[0].endpoint, "sina");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Name of the endpoint.
    pub endpoint: Arc<str>,
    /// How its turn ended.
    pub outcome: AttemptOutcome,
    /// Why it was refused, or what its error or its data's findings say; escaped, at most 200 bytes.
    pub detail: Option<Arc<str>>,
    /// How long the call took, zero if there was none.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub latency: Duration,
    /// What it cost.
    pub cost: f64,
    /// Score of its data, 0 to 100, if it was a series.
    pub quality: Option<f64>,
    /// Whether it was made beside another one that took long.
    pub is_hedge: bool,
}

impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.endpoint.escape_debug(), self.outcome.as_str())?;
        if self.outcome != AttemptOutcome::Refused {
            write!(f, " in {:?}", rounded(self.latency))?;
        }
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

/// A duration to three digits: `1.2345678s` says no more than `1.23s`.
pub(super) fn rounded(time: Duration) -> Duration {
    let nanos = time.as_nanos();
    let mut unit = 1;
    while nanos / unit >= 1000 {
        unit *= 10;
    }
    u64::try_from(nanos / unit * unit).map_or(time, Duration::from_nanos)
}

/// A host's text in one line of a log: escaped and cut.
pub(super) fn one_line(text: &str) -> Arc<str> {
    let mut line = String::new();
    for character in text.chars().flat_map(char::escape_debug) {
        if line.len() + character.len_utf8() > 200 {
            line.push_str("...");
            break;
        }
        line.push(character);
    }
    line.into()
}

/// The record of a fetch that went to its sources: what was asked, and how it came about.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// let manager = DataSourceManager::builder(source)
///     .config(config)
///     .on_fetch(|record| println!("{record}"))
///     .build()?;
/// manager.fetch(&600519)?; // prints: default ok from sina in 52us: sina ok in 40us
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FetchRecord {
    /// Category of the request.
    pub category: Arc<str>,
    /// Hash of the request, the same in one process; the request itself is nobody's to log.
    pub key_hash: u64,
    /// How the cache answered; `None` if there was no answer.
    pub status: Option<CacheStatus>,
    /// The endpoint that gave the answer.
    pub endpoint: Option<Arc<str>>,
    /// Why there was no answer, in one word.
    pub error: Option<&'static str>,
    /// Age of the answer.
    #[serde(serialize_with = "crate::config::human_opt::serialize")]
    pub age: Option<Duration>,
    /// Every endpoint's turn, in order.
    pub attempts: Arc<[AttemptRecord]>,
    /// Rounds over the endpoints.
    pub rounds: u32,
    /// Whether nobody waited for it.
    pub is_background: bool,
    /// Time from start to end.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub elapsed: Duration,
}

impl fmt::Display for FetchRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.category.escape_debug())?;
        match (&self.endpoint, self.error) {
            (Some(endpoint), _) => write!(f, "ok from {}", endpoint.escape_debug())?,
            (None, Some(error)) => f.write_str(error)?,
            (None, None) => f.write_str("missing")?,
        }
        write!(f, " in {:?}, {} round(s)", rounded(self.elapsed), self.rounds)?;
        for (at, attempt) in self.attempts.iter().enumerate() {
            write!(f, "{} {attempt}", if at == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}
