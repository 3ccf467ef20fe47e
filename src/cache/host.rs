//! What the host has given the cache: closures that run under no lock.

use super::load::{BulkLoader, SharedLoader};
use super::removed::RemovalCause;
use super::{Key, RefreshFailure};
use crate::name::Name;

pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + Send + Sync>;
pub(super) type Tags<K, V> = Box<dyn Fn(&K, &V) -> Vec<Name> + Send + Sync>;
pub(super) type KeySize<K> = Box<dyn Fn(&K) -> usize + Send + Sync>;
pub(super) type HoldIf<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;
pub(super) type OnEvict<K, V> = Box<dyn Fn(&K, &V, RemovalCause) + Send + Sync>;
pub(super) type OnRefreshFailed<K, E> = Box<dyn Fn(&K, &RefreshFailure, Option<&E>) + Send + Sync>;

pub(super) struct Host<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) tags: Option<Tags<K, V>>,
    pub(super) key_size: Option<KeySize<K>>,
    pub(super) hold_if: Option<HoldIf<E>>,
    pub(super) loader: Option<SharedLoader<K, V, E>>,
    pub(super) bulk_loader: Option<BulkLoader<K, V, E>>,
    pub(super) on_evict: Option<OnEvict<K, V>>,
    pub(super) on_refresh_failed: Option<OnRefreshFailed<K, E>>,
}

impl<K, V, E> Default for Host<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn default() -> Self {
        Self {
            weigher: None,
            tags: None,
            key_size: None,
            hold_if: None,
            loader: None,
            bulk_loader: None,
            on_evict: None,
            on_refresh_failed: None,
        }
    }
}

impl<K, V, E> Host<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Whether an error says something about the source, and not about its caller only.
    pub(super) fn is_about_source(&self, error: &E) -> bool {
        self.hold_if.as_ref().is_none_or(|hold_if| hold_if(error))
    }
}
