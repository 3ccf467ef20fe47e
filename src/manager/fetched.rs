//! An answer, where it came from and how old it is.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{CacheStatus, Cached};

/// What the caches hold: an answer and the endpoint that gave it.
pub(super) struct Stored<R> {
    pub(super) response: R,
    pub(super) endpoint: Arc<str>,
}

/// An answer, shared with the cache; dereferences to the host's response.
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

    /// Time since its call began.
    pub fn age(&self) -> Duration {
        self.0.age()
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
            .finish_non_exhaustive()
    }
}
