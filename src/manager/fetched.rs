//! An answer, where it came from, how old and how good it is.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::record::AttemptRecord;
use crate::cache::{CacheStatus, Cached};
use crate::quality::QualityReport;

/// What the caches hold: an answer and how it came about.
pub(super) struct Stored<R> {
    pub(super) response: R,
    pub(super) endpoint: Arc<str>,
    pub(super) quality: Option<Arc<QualityReport>>,
    pub(super) is_flawed: bool,
    pub(super) attempts: Arc<[AttemptRecord]>,
}

/// An answer, shared with the cache; dereferences to the host's response.
///
/// # Examples
/// ```
/// # use feedguard::manager::{Call, source_fn};
/// # use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// # let source = source_fn(|_call: &Call<'_>, symbol: &u32| Ok::<_, std::io::Error>(*symbol));
/// # let config = ManagerConfig::default().endpoints(vec![EndpointConfig::new(EndpointSpec::named("sina"))]);
/// # let manager = DataSourceManager::new("quotes", config, source)?;
/// let fetched = manager.fetch(&600519)?;
/// assert_eq!((*fetched, &**fetched.endpoint(), fetched.is_flawed()), (600519, "sina", false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fetched<R>(pub(super) Cached<Stored<R>>);

impl<R> Fetched<R> {
    /// The response.
    pub fn value(&self) -> &R {
        &self.0.value().response
    }

    /// The endpoint that gave it.
    pub fn endpoint(&self) -> &Arc<str> {
        &self.0.value().endpoint
    }

    /// How the cache answered.
    pub const fn status(&self) -> CacheStatus {
        self.0.status()
    }

    /// How it came about, in one word: the status, or `flawed` of a new answer with errors.
    pub(super) fn as_str(&self) -> &'static str {
        match self.status() {
            CacheStatus::Loaded if self.is_flawed() => "flawed",
            status => status.as_str(),
        }
    }

    /// Time since its call began.
    pub fn age(&self) -> Duration {
        self.0.age()
    }

    /// What the validator found, also of a good answer: score, warnings, errors. `None` if the answer is
    /// no series.
    pub fn quality(&self) -> Option<&QualityReport> {
        self.0.value().quality.as_deref()
    }

    /// Whether it has errors in rows that count: usable, but not clean. No endpoint asked gave a better
    /// one.
    pub fn is_flawed(&self) -> bool {
        self.0.value().is_flawed
    }

    /// Every endpoint's turn in the fetch that brought it.
    pub fn attempts(&self) -> &[AttemptRecord] {
        &self.0.value().attempts
    }
}

impl<R> Deref for Fetched<R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.value()
    }
}

impl<R> Clone for Fetched<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> fmt::Debug for Fetched<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("endpoint", self.endpoint())
            .field("status", &self.status())
            .field("age", &self.age())
            .field("is_flawed", &self.is_flawed())
            .finish_non_exhaustive()
    }
}
