//! One limiter a key: many accounts or users, in a bounded table.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::blocked::LOOK_AGAIN;
use super::metrics::LimiterMetrics;
use super::{AdaptiveRateLimiter, LimitReason, Limited, LimiterConfig, OwnedRatePermit};
use crate::clock::{Clock, Deadline, Tick};
use crate::config::Faults;
use crate::error::ConfigError;
use crate::metrics::{Gauge, Metrics};
use crate::name::Name;
use crate::sync::Mutex;

/// A limiter for each key, all with the same settings: the accounts or users of one source.
///
/// A new key finds a place by taking that of the key not used for longest, among those at rest: nothing
/// saved up is missing, no pause, no call under way, nobody waiting, no quota used. Any other would be let
/// in anew if it were forgotten. What was learned about the key at rest is lost. If all keys are in use, the
/// new one is refused.
///
/// Keys appear in no log, label or error.
///
/// # Concurrency
/// Thread-safe. The table's lock is held to find a limiter, not while one waits.
///
/// # Examples
/// ```
/// use feedguard::limiter::Keyed;
/// use feedguard::{Clock, LimiterConfig};
/// let users: Keyed<u64> = Keyed::new("api", LimiterConfig::fixed(5.0), 10_000, Clock::system())?;
/// users.try_acquire(&7, 1)?.succeed();
/// assert!(users.try_acquire(&7, 1).is_err(), "the next in 200 ms");
/// users.try_acquire(&8, 1)?.succeed(); // another user
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Keyed<K> {
    name: Name,
    config: LimiterConfig,
    clock: Clock,
    max_keys: usize,
    handles: LimiterMetrics,
    keys: Gauge,
    table: Mutex<HashMap<K, Used>>,
}

struct Used {
    limiter: Arc<AdaptiveRateLimiter>,
    at: Tick,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// Limiters with these settings, for at most `max_keys` keys at once.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults of the settings.
    pub fn new(
        name: impl Into<Name>,
        config: LimiterConfig,
        max_keys: usize,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let name = name.into();
        let mut faults = Faults::of_guard(&name, config.validate());
        faults.range("max_keys", max_keys, 1..=10_000_000);
        faults.finish()?;
        let (handles, keys) = (LimiterMetrics::default(), Gauge::default());
        Ok(Self { name, config, clock, max_keys, handles, keys, table: Mutex::new(HashMap::new()) })
    }

    /// Counts refusals and "too many requests" answers of all keys together, and the keys, under the name
    /// given at the start.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        let (handles, keys) = (LimiterMetrics::of_many(metrics, &self.name), metrics.limiter_keys(&self.name));
        keys.set(0.0);
        Self { handles, keys, ..self }
    }

    /// Takes `n` permits of that key, if they are free now.
    ///
    /// # Errors
    /// As [`AdaptiveRateLimiter::try_acquire`]; [`LimitReason::KeysFull`] if the key is new and finds no place.
    pub fn try_acquire(&self, key: &K, n: u32) -> Result<OwnedRatePermit, Limited> {
        self.limiter(key)?.try_acquire_owned(n)
    }

    /// Takes `n` permits of that key, waiting for them until `deadline`.
    ///
    /// # Errors
    /// As [`AdaptiveRateLimiter::acquire`]; [`LimitReason::KeysFull`] if the key is new and finds no place.
    pub fn acquire(&self, key: &K, n: u32, deadline: Deadline) -> Result<OwnedRatePermit, Limited> {
        self.limiter(key)?.acquire_owned(n, deadline)
    }

    /// The limiter of that key; makes it if there is none. Held by a host it keeps its place.
    ///
    /// # Errors
    /// [`LimitReason::KeysFull`] if the key is new and finds no place.
    pub fn limiter(&self, key: &K) -> Result<Arc<AdaptiveRateLimiter>, Limited> {
        let now = self.clock.now();
        let mut table = self.table.lock();
        if let Some(used) = table.get_mut(key) {
            used.at = now;
            return Ok(Arc::clone(&used.limiter));
        }
        let gone = if table.len() >= self.max_keys { Self::take_resting(&mut table) } else { Vec::new() };
        if table.len() >= self.max_keys {
            drop(table);
            return Err(self.full());
        }
        let limiter =
            AdaptiveRateLimiter::builder(self.name.clone()).config(self.config.clone()).handles(self.handles.clone());
        // The settings are validated.
        let limiter = limiter.clock(self.clock.clone()).build().map(Arc::new).map_err(|_| self.full())?;
        table.insert(key.clone(), Used { limiter: Arc::clone(&limiter), at: now });
        self.keys.set(table.len() as f64);
        drop(table);
        // The keys are dropped outside the lock.
        drop(gone);
        Ok(limiter)
    }

    /// Forgets a key, whatever its state.
    pub fn remove(&self, key: &K) -> Option<Arc<AdaptiveRateLimiter>> {
        let mut table = self.table.lock();
        let gone = table.remove_entry(key);
        self.keys.set(table.len() as f64);
        drop(table);
        gone.map(|(_key, used)| used.limiter)
    }

    /// Keys that have a limiter now.
    pub fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Whether no key has a limiter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out a tenth of the table, of the keys at rest those not used for longest: one look at all of them
    /// serves many new keys.
    fn take_resting(table: &mut HashMap<K, Used>) -> Vec<(K, Used)> {
        let mut resting: Vec<(Tick, K)> = table
            .iter()
            .filter(|(_, used)| Arc::strong_count(&used.limiter) == 1 && used.limiter.is_at_rest())
            .map(|(key, used)| (used.at, key.clone()))
            .collect();
        resting.sort_by_key(|(at, _)| *at);
        let many = (table.len() / 10).max(1);
        resting.into_iter().take(many).filter_map(|(_, key)| table.remove_entry(&key)).collect()
    }

    fn full(&self) -> Limited {
        self.handles.rejected.inc();
        let reason = LimitReason::KeysFull { max: self.max_keys };
        Limited { name: self.name.clone(), reason, retry_after: Some(LOOK_AGAIN) }
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("name", &self.name).field("max_keys", &self.max_keys).finish_non_exhaustive()
    }
}
