//! Makes a batch processor.

use std::sync::{Arc, Weak};

use super::engine::Engine;
use super::metrics::BatchMetrics;
use super::orders::Limits;
use super::{BatchConfig, BatchProcessor};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::metrics::{Metrics, Scrape};
use crate::name::Name;

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
        Faults::of_guard(&self.name, self.config.validate()).finish()?;
        let config = self.config;
        let limits = Limits {
            workers: config.workers,
            item_timeout: config.item_timeout,
            per_source: config.per_source,
            exceptions: config.source_limits.clone(),
            room: config.max_queued,
        };
        let handles = BatchMetrics::new(&self.metrics, &self.name);
        let engine =
            Engine::new(&self.name, limits, config.max_abandoned, self.clock, handles, self.metrics.lock_wait("batch"));
        let scrape: Weak<dyn Scrape> = Arc::downgrade(&(Arc::clone(&engine) as Arc<dyn Scrape>));
        self.metrics.on_scrape(scrape);
        Ok(BatchProcessor { name: self.name, config, engine })
    }
}
