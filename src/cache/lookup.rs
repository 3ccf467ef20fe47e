//! What a lookup asks a shard for, and what it gets.

use std::sync::Arc;
use std::time::Duration;

use super::LoadError;
use super::entry::Cached;
use super::flight::Flight;

/// What a lookup wants.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(super) struct LookupMode {
    pub(super) max_age: Option<Duration>,
    /// The caller brought a loader.
    pub(super) can_load: bool,
    /// A refresh may be started; without one, soft expiry is hard.
    pub(super) can_refresh: bool,
    /// The caller's deadline has passed: it gets what is there, and no load begins.
    pub(super) is_late: bool,
    /// Nothing is loaded or refreshed, and what is stale is served.
    pub(super) takes_stale: bool,
    /// What is stored does not matter: this lookup wants a load.
    pub(super) skips_stored: bool,
    /// A failed load a moment ago does not matter: this one looks whether the source is back.
    pub(super) ignores_failures: bool,
    /// It is the same lookup once more, counted already.
    pub(super) is_again: bool,
    /// The recovery of the source that is the last.
    pub(super) epoch: u64,
}

impl LookupMode {
    /// Loads what is not there.
    pub(super) const fn load(max_age: Option<Duration>, epoch: u64) -> Self {
        Self {
            max_age,
            can_load: true,
            can_refresh: true,
            is_late: false,
            takes_stale: false,
            skips_stored: false,
            ignores_failures: false,
            is_again: false,
            epoch,
        }
    }

    /// Whether a fresh value is the answer, without a further look.
    #[inline]
    pub(super) const fn takes_fresh(self) -> bool {
        self.max_age.is_none() && !self.skips_stored && !self.is_again
    }
}

/// What a lookup gets.
pub(super) enum Lookup<V, E> {
    Hit(Cached<V>),
    /// A hit whose refresh the caller must hand to the pool.
    Refresh(Cached<V>, Arc<Flight<V, E>>),
    /// The caller loads.
    Lead(Option<Arc<Flight<V, E>>>),
    /// The caller waits for another's load.
    Join(Arc<Flight<V, E>>),
    Refused(LoadError<E>),
    Absent,
}
