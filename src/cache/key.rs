//! What a cache key must be.

use std::hash::Hash;

/// What a cache key must be; every type with these traits is one.
///
/// `Hash`, `Eq`, `Clone` and `Drop` of keys run under a shard's lock and must not use the cache.
///
/// # Examples
/// ```
/// fn takes(_key: impl feedguard::cache::Key) {}
/// takes("600519.SH".to_owned());
/// takes(("600519.SH", 2024));
/// ```
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<T: Hash + Eq + Clone + Send + Sync + 'static> Key for T {}
