//! Why a lookup gave no value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::BoxError;
use crate::hint::RetryHint;

/// Why a lookup gave no value.
///
/// `E` is the loader's own error, shared by all callers that waited for the load.
///
/// # Examples
/// ```
/// use feedguard::cache::LoadError;
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<&str, f64, &str> = SmartCache::new("quotes", CacheConfig::default())?;
/// let down = |_: &&str| Err::<f64, _>("connection refused");
/// assert!(matches!(cache.get_or_load(&"600519", down), Err(LoadError::Failed { .. })));
/// let held = cache.get_or_load(&"600519", down).unwrap_err();
/// assert!(!held.reached_source() && held.retry_after().is_some());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load ran just now and failed.
    Failed {
        /// The loader's error.
        error: SharedError<E>,
        /// How long the key is held before the next load.
        retry_after: Duration,
    },
    /// An earlier load failed and its hold is not over; the loader was not called.
    Held {
        /// The loader's error of that time.
        error: SharedError<E>,
        /// Rest of the hold.
        retry_after: Duration,
    },
    /// The source has said that there is no such thing.
    Missing {
        /// How long ago.
        age: Duration,
        /// When the source will be asked again.
        retry_after: Duration,
        /// Whether it was asked for this lookup, or for one that ran at the same time.
        is_new: bool,
    },
    /// The load of another caller did not end before this caller's deadline; it is still running.
    WaitTimeout,
    /// The caller's deadline had passed before a load could begin; none was begun.
    DeadlinePassed,
    /// Nothing is stored, and the lookup was not to load.
    NotCached,
    /// Too many callers wait for loads already.
    TooManyWaiters {
        /// The configured limit.
        limit: usize,
    },
    /// The load of another caller, or a refresh a moment ago, panicked.
    LoaderPanicked {
        /// How long the key is held before the next load.
        retry_after: Duration,
    },
    /// The loader asked for the key it is loading, on its own thread.
    Reentrant,
    /// The key is longer than `max_key_bytes`.
    KeyTooLong(KeyTooLong),
}

/// A key longer than `max_key_bytes`; nothing was stored or loaded.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let config = CacheConfig::default().max_key_bytes(8);
/// let cache: SmartCache<String, u32> = SmartCache::builder("short").config(config).key_size(String::len).build()?;
/// let error = cache.insert(&"x".repeat(9), 1).unwrap_err();
/// assert_eq!((error.bytes, error.max), (9, 8));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key of {bytes} bytes, at most {max} are allowed")]
#[non_exhaustive]
pub struct KeyTooLong {
    /// Length of the key.
    pub bytes: usize,
    /// The configured limit.
    pub max: usize,
}

impl<E> LoadError<E> {
    /// When to come back; `None` if waiting does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed { retry_after, .. }
            | Self::Held { retry_after, .. }
            | Self::Missing { retry_after, .. }
            | Self::LoaderPanicked { retry_after } => Some(*retry_after),
            Self::WaitTimeout | Self::DeadlinePassed | Self::TooManyWaiters { .. } => Some(Duration::ZERO),
            Self::Reentrant | Self::NotCached | Self::KeyTooLong(_) => None,
        }
    }

    /// Whether this lookup, or the one it waited for, called the loader.
    pub fn reached_source(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::LoaderPanicked { .. } | Self::WaitTimeout | Self::Missing { is_new: true, .. }
        )
    }

    /// The loader's own error, if that is the reason.
    pub fn source_error(&self) -> Option<&Arc<E>> {
        match self {
            Self::Failed { error, .. } | Self::Held { error, .. } => Some(&error.0),
            _ => None,
        }
    }
}

// By hand: `E` is only shared, so it need not be `Clone`, and it may hide what it holds.
impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed { error, retry_after } => Self::Failed { error: error.clone(), retry_after: *retry_after },
            Self::Held { error, retry_after } => Self::Held { error: error.clone(), retry_after: *retry_after },
            Self::Missing { age, retry_after, is_new } => {
                Self::Missing { age: *age, retry_after: *retry_after, is_new: *is_new }
            }
            Self::WaitTimeout => Self::WaitTimeout,
            Self::DeadlinePassed => Self::DeadlinePassed,
            Self::NotCached => Self::NotCached,
            Self::TooManyWaiters { limit } => Self::TooManyWaiters { limit: *limit },
            Self::LoaderPanicked { retry_after } => Self::LoaderPanicked { retry_after: *retry_after },
            Self::Reentrant => Self::Reentrant,
            Self::KeyTooLong(error) => Self::KeyTooLong(*error),
        }
    }
}

impl<E> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Failed { .. } => "Failed",
            Self::Held { .. } => "Held",
            Self::Missing { .. } => "Missing",
            Self::WaitTimeout => "WaitTimeout",
            Self::DeadlinePassed => "DeadlinePassed",
            Self::NotCached => "NotCached",
            Self::TooManyWaiters { .. } => "TooManyWaiters",
            Self::LoaderPanicked { .. } => "LoaderPanicked",
            Self::Reentrant => "Reentrant",
            Self::KeyTooLong(_) => "KeyTooLong",
        };
        f.debug_struct(name).field("retry_after", &self.retry_after()).finish_non_exhaustive()
    }
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { error, retry_after } => write!(f, "load failed: {error}; held for {retry_after:?}"),
            Self::Held { error, retry_after } => {
                write!(f, "load failed before: {error}; next attempt in {retry_after:?}")
            }
            Self::Missing { age, .. } => write!(f, "no such entry, said the source {age:?} ago"),
            Self::WaitTimeout => f.write_str("the load did not end before the deadline"),
            Self::DeadlinePassed => f.write_str("the deadline had passed before a load could begin"),
            Self::NotCached => f.write_str("not in the cache"),
            Self::TooManyWaiters { limit } => write!(f, "too many callers wait for loads (limit {limit})"),
            Self::LoaderPanicked { retry_after } => {
                write!(f, "the loader panicked; next attempt in {retry_after:?}")
            }
            Self::Reentrant => f.write_str("the loader asked for the key it is loading"),
            Self::KeyTooLong(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display + 'static> Error for LoadError<E> {
    /// The loader's error: itself, if it is a boxed one, else as [`SharedError`].
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let (Self::Failed { error, .. } | Self::Held { error, .. }) = self else { return None };
        let boxed = (&*error.0 as &dyn Any).downcast_ref::<BoxError>();
        Some(boxed.map_or(error as &dyn Error, |boxed| &**boxed))
    }
}

impl<E> From<KeyTooLong> for LoadError<E> {
    fn from(error: KeyTooLong) -> Self {
        Self::KeyTooLong(error)
    }
}

/// A loader's error, shared by all who waited for the load; dereferences to it.
///
/// # Examples
/// ```
/// use feedguard::cache::LoadError;
/// use feedguard::{CacheConfig, SmartCache};
/// use std::error::Error;
/// let cache: SmartCache<u32, u32, std::num::ParseIntError> = SmartCache::new("numbers", CacheConfig::default())?;
/// let failed = cache.get_or_load(&1, |_| "x".parse()).unwrap_err();
/// let LoadError::Failed { error, .. } = &failed else { panic!("{failed}") };
/// assert_eq!(*error.kind(), std::num::IntErrorKind::InvalidDigit);
/// assert_eq!(failed.source().unwrap().to_string(), error.to_string());
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
pub struct SharedError<E>(pub(super) Arc<E>);

impl<E> SharedError<E> {
    /// The error itself.
    pub const fn get(&self) -> &Arc<E> {
        &self.0
    }
}

impl<E> Clone for SharedError<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> Deref for SharedError<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.0
    }
}

impl<E: fmt::Display> fmt::Display for SharedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: fmt::Debug> fmt::Debug for SharedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: fmt::Debug + fmt::Display> Error for SharedError<E> {}

impl<E> RetryHint for LoadError<E> {
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }

    fn reached_source(&self) -> bool {
        self.reached_source()
    }

    fn can_help(&self) -> bool {
        self.retry_after().is_some()
    }
}
