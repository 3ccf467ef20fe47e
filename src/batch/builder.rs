//! Makes a batch processor.

use std::sync::Arc;

use super::metrics::BatchMetrics;
use super::slots::Slots;
use super::{BatchConfig, BatchProcessor};
use crate::clock::Clock;
use crate::config::builder_setters;
use crate::error::ConfigError;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::pool::WorkerPool;

/// Collects what a [`BatchProcessor`] works with.
///
/// # Examples
/// ```
/// use feedguard::{BatchConfig, BatchProcessor, Clock};
/// let builder = BatchProcessor::builder("nightly").config(BatchConfig::default().workers(4)).clock(Clock::os());
/// assert_eq!(*builder.build()?.name(), "nightly");
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
#[derive(Debug)]
pub struct BatchBuilder {
    pub(super) name: Name,
    pub(super) config: BatchConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

impl BatchProcessor {
    /// A processor with the given settings, without metrics; `name` stands in logs and thread names.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: BatchConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a processor; `name` stands in logs, labels and thread names.
    pub fn builder(name: impl Into<Name>) -> BatchBuilder {
        BatchBuilder {
            name: name.into(),
            config: BatchConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
        }
    }

    /// The name given at the start.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl BatchBuilder {
    builder_setters!(BatchConfig);

    /// Makes the processor; no thread starts yet.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<BatchProcessor, ConfigError> {
        self.config.validate()?;
        let pool = WorkerPool::new(Arc::from(self.name.as_str()), self.clock.clone(), self.config.workers, usize::MAX);
        Ok(BatchProcessor {
            metrics: BatchMetrics::new(&self.metrics, &self.name),
            slots: Arc::new(Slots::new(
                self.config.per_source,
                self.config.source_limits.clone(),
                self.config.max_queued,
            )),
            name: self.name,
            config: self.config,
            clock: self.clock,
            pool: Arc::new(pool),
        })
    }
}
