//! What a loader may answer, and the loaders that several loads share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The error type of a cache whose loaders fail in more than one way.
///
/// # Examples
/// ```
/// use feedguard::cache::BoxError;
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<&str, f64> = SmartCache::new("quotes", CacheConfig::default())?;
/// let load = |text: &&str| -> Result<f64, BoxError> { Ok(text.parse()?) };
/// assert!(cache.get_or_load(&"9.81", load).is_ok() && cache.get_or_load(&"x", load).is_err());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A loader's answer. A plain value converts into [`Loaded::Value`].
///
/// # Examples
/// ```
/// use feedguard::SmartCache;
/// use feedguard::cache::Loaded;
/// use std::time::Duration;
/// let cache: SmartCache<u32, String> = SmartCache::new("cache", Default::default())?;
/// let quote = cache.get_or_fetch(&1, |_| Ok(Loaded::ValueFor("9.81".to_owned(), Duration::from_secs(5))))?;
/// assert_eq!(*quote, "9.81");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded<V> {
    /// A value, fresh for the configured time to live.
    Value(V),
    /// A value, fresh for this long; zero means that it is not stored.
    ValueFor(V, Duration),
    /// The source says that there is no such thing; believed for `negative_ttl`.
    Missing,
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::Value(value)
    }
}

/// Loads one key.
pub(super) type SharedLoader<K, V, E> = Arc<dyn Fn(&K) -> Result<Loaded<V>, E> + Send + Sync>;

/// Loads many keys in one call; those it leaves out are missing.
pub(super) type BulkLoader<K, V, E> = Arc<dyn Fn(&[K]) -> Result<HashMap<K, Loaded<V>>, E> + Send + Sync>;
