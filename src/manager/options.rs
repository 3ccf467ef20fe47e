//! What one fetch may ask for beside its request.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Deadline;

/// What one fetch may ask for beside its request.
///
/// # Examples
/// ```
/// use feedguard::manager::FetchOptions;
/// use feedguard::{Clock, Deadline};
/// use std::time::Duration;
/// let soon = Deadline::after(&Clock::system(), Duration::from_millis(500));
/// let options = FetchOptions::new().deadline(soon).max_age(Duration::from_secs(10)).except("paid");
/// # drop(options);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchOptions {
    /// When the caller wants to be back. Default: `fetch_timeout` from the start.
    pub deadline: Option<Deadline>,
    /// The oldest answer it takes. Default: what the cache serves.
    pub max_age: Option<Duration>,
    /// Skip the cache, and store the answer.
    pub refresh: bool,
    /// Ask these endpoints only; empty means all.
    pub only: Vec<Arc<str>>,
    /// Do not ask these endpoints.
    pub except: Vec<Arc<str>>,
    /// Take what is in the cache, stale or not, and call no source.
    pub no_source: bool,
}

impl FetchOptions {
    /// Whether it may ask some endpoints only.
    pub(super) fn is_narrow(&self) -> bool {
        !(self.only.is_empty() && self.except.is_empty())
    }

    /// Nothing beside the request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when the caller wants to be back.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the oldest answer it takes.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Skips the cache, and stores the answer.
    #[must_use]
    pub fn refresh(mut self) -> Self {
        self.refresh = true;
        self
    }

    /// Adds an endpoint to those asked; without any all are.
    #[must_use]
    pub fn only(mut self, endpoint: impl Into<Arc<str>>) -> Self {
        self.only.push(endpoint.into());
        self
    }

    /// Adds an endpoint that is not asked.
    #[must_use]
    pub fn except(mut self, endpoint: impl Into<Arc<str>>) -> Self {
        self.except.push(endpoint.into());
        self
    }

    /// Takes what is in the cache, and calls no source.
    #[must_use]
    pub fn no_source(mut self) -> Self {
        self.no_source = true;
        self
    }

    /// Whether an endpoint may be asked.
    pub(super) fn allows(&self, endpoint: &str) -> bool {
        let names = |list: &[Arc<str>]| list.iter().any(|name| **name == *endpoint);
        (self.only.is_empty() || names(&self.only)) && !names(&self.except)
    }
}
