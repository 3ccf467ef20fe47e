//! Errors that every room shares: the call error and the configuration error.
//!
//! A room's own refusal (`breaker::Open`, `limiter::Limited`, ...) lives in the room; here is only
//! what two rooms need.

use std::error::Error;
use std::fmt;

/// Outcome of a guarded call that gave no value: refused before the source was reached, or failed
/// by the source itself.
///
/// # Examples
/// ```
/// use feedguard::CallError;
/// let failed: CallError<(), std::num::ParseIntError> = CallError::Failed("x".parse::<i32>().unwrap_err());
/// assert!(failed.reached_source());
/// assert!(failed.into_failed().is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<R, E> {
    /// The guard refused; the source was not called.
    #[error("call refused: {0}")]
    Rejected(R),
    /// The source was called and returned this error, unchanged.
    #[error("call failed: {0}")]
    Failed(E),
}

impl<R, E> CallError<R, E> {
    /// Whether the source was called.
    pub fn reached_source(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// The source's own error, if the call got that far.
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Rejected(_) => None,
        }
    }

    /// The refusal, if the source was not called.
    pub fn rejected(&self) -> Option<&R> {
        match self {
            Self::Rejected(refusal) => Some(refusal),
            Self::Failed(_) => None,
        }
    }
}

/// One fault of a configuration: where, what stands there, and what may stand there.
///
/// # Examples
/// ```
/// let error = feedguard::CacheConfig::default().refresh_ahead(2.0).validate().unwrap_err();
/// let fault = &error.faults()[0];
/// assert_eq!((fault.path.as_str(), fault.value.as_str()), ("refresh_ahead", "2"));
/// println!("{fault}"); // with the allowed range
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// Path of the field as written in a file, for example `cache.refresh_ahead`.
    pub path: String,
    /// The value found.
    pub value: String,
    /// The range or rule it breaks.
    pub expected: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}, expected {}", self.path, self.value, self.expected)
    }
}

/// All faults of a configuration, found in one pass.
///
/// # Examples
/// ```
/// let config = feedguard::BreakerConfig::default().failure_threshold(0).half_open_permits(0);
/// let error = config.validate().unwrap_err();
/// assert_eq!(error.faults().len(), 2);
/// assert_eq!(error.faults()[0].path, "failure_threshold");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
}

impl ConfigError {
    pub(crate) fn new(faults: Vec<ConfigFault>) -> Self {
        Self { faults }
    }

    /// The same faults of a part that stands at `prefix` in the whole.
    pub(crate) fn within(&self, prefix: &str) -> Self {
        let path = |fault: &ConfigFault| format!("{prefix}.{}", fault.path);
        Self { faults: self.faults.iter().map(|fault| ConfigFault { path: path(fault), ..fault.clone() }).collect() }
    }

    /// The faults, in field order; never empty.
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} configuration fault(s): ", self.faults.len())?;
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}
