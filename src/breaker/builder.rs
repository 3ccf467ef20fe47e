//! Makes a breaker.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::metrics::BreakerMetrics;
use super::state::Core;
use super::word::Word;
use super::{BreakerConfig, BreakerEvent, CircuitBreaker};
use crate::clock::Clock;
use crate::config::{Faults, builder_setters};
use crate::error::ConfigError;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::sync::Mutex;
use crate::tally::Tally;

/// Collects what a [`CircuitBreaker`] works with.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// let breaker = CircuitBreaker::builder("sina")
///     .config(BreakerConfig::free())
///     .on_event(|event| println!("{}: {} -> {}", event.name, event.from, event.to))
///     .build()?;
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
#[must_use]
pub struct BreakerBuilder {
    pub(super) name: Name,
    pub(super) config: BreakerConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) listeners: Listeners<BreakerEvent>,
    pub(super) seed: u64,
}

impl CircuitBreaker {
    fn from_builder(parts: BreakerBuilder) -> Self {
        let core = Core::new(&parts.config, mix(parts.seed, &parts.name));
        Self {
            metrics: BreakerMetrics::new(&parts.metrics, &parts.name, &parts.clock),
            name: parts.name,
            clock: parts.clock,
            listeners: parts.listeners,
            counts: Tally::new(),
            word: Word::new(&core, &parts.config),
            core: Mutex::new(core),
            config: parts.config,
        }
    }

    /// A breaker with the given settings, without metrics and listeners.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(name: impl Into<Name>, config: BreakerConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// Starts a breaker; `name` stands in errors, logs and labels.
    pub fn builder(name: impl Into<Name>) -> BreakerBuilder {
        BreakerBuilder::new(name.into())
    }
}

impl BreakerBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            // Differs between hosts that use the same names.
            seed: RandomState::new().hash_one(&name),
            name,
            config: BreakerConfig::default(),
            clock: Clock::system(),
            metrics: Metrics::unregistered(),
            listeners: Listeners::default(),
        }
    }

    builder_setters!(BreakerConfig);

    /// Makes the jitter of open times repeatable; it still differs by name.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Takes listeners over.
    pub(crate) fn listeners(mut self, listeners: Listeners<BreakerEvent>) -> Self {
        self.listeners = listeners;
        self
    }

    /// Adds a listener for transitions; more than 16 are a fault of the configuration.
    pub fn on_event(mut self, listener: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        self.listeners.add(listener);
        self
    }

    /// Makes the breaker.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn build(self) -> Result<CircuitBreaker, ConfigError> {
        let mut faults = Faults::of_guard(&self.name, self.config.validate());
        faults.add_all(self.listeners.validate());
        faults.finish()?;
        Ok(CircuitBreaker::from_builder(self))
    }
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Breakers of one seed and different names must not come back at one moment (FNV-1a, the same in every
/// build).
fn mix(seed: u64, name: &str) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    seed ^ name.as_bytes().iter().fold(0xCBF2_9CE4_8422_2325, step)
}
