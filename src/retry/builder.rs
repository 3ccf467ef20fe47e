//! Makes a retry policy.

use std::fmt;

use super::budget::CallBudget;
use super::metrics::RetryMetrics;
use super::{Retry, RetryConfig};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;

/// Collects what a [`Retry`] works with.
///
/// # Examples
/// ```
/// use feedguard::retry::{Retry, RetryConfig};
/// let retry = Retry::builder("quotes").config(RetryConfig::default().rounds(2)).build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct RetryBuilder {
    name: Name,
    config: RetryConfig,
    clock: Clock,
    metrics: Metrics,
    seed: Option<u64>,
}

impl Retry {
    /// A policy with the given settings, without metrics; `name` stands in logs.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: RetryConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a policy; `name` stands in logs and labels.
    pub fn builder(name: impl Into<Name>) -> RetryBuilder {
        RetryBuilder {
            name: name.into(),
            config: RetryConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            seed: None,
        }
    }
}

impl RetryBuilder {
    builder_setters!(RetryConfig);

    /// Makes the pauses repeatable.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Makes the policy.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<Retry, ConfigError> {
        Faults::of_guard(&self.name, self.config.validate()).finish()?;
        Ok(Retry::from_parts(
            RetryMetrics::new(&self.metrics, &self.name),
            CallBudget::new(self.config.budget, true),
            self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            self.name,
            self.config,
            self.clock,
        ))
    }
}

impl fmt::Debug for RetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
