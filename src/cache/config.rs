//! Settings of a cache.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// Which cache answers.
///
/// # Examples
/// ```
/// use feedguard::cache::CacheMode;
/// use feedguard::{CacheConfig, SmartCache};
/// let off: SmartCache<u32, u32> = SmartCache::new("off", CacheConfig::default().mode(CacheMode::Off))?;
/// off.insert(&1, 1)?;
/// assert!(off.get(&1).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheMode {
    /// Everything in this module.
    #[default]
    Smart,
    /// The old way: exact LRU, hard expiry, each miss loads for itself.
    PlainLru,
    /// Every lookup loads.
    Off,
}

/// Which entry leaves when the cache is full.
///
/// # Examples
/// ```
/// use feedguard::CacheConfig;
/// use feedguard::cache::Eviction;
/// let config = CacheConfig::default().eviction(Eviction::Lru);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Eviction {
    /// The one least likely to be asked for again: moka's policy, which has no window for new keys, with a
    /// small one before it, so that what was just written is there. Exact LRU below 16 entries.
    #[default]
    TinyLfu,
    /// The one not asked for longest; exact within a shard.
    Lru,
}

/// What happens to an entry past its time to live.
///
/// # Examples
/// ```
/// use feedguard::CacheConfig;
/// use feedguard::cache::ExpiryMode;
/// let never_stale = CacheConfig::default().expiry(ExpiryMode::Hard);
/// assert!(never_stale.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExpiryMode {
    /// It is served as stale for `grace` while a refresh runs.
    #[default]
    Soft,
    /// It is never served, except after a failed load within `stale_if_error`.
    Hard,
}

/// Which thread runs the load of a lookup.
///
/// # Examples
/// ```
/// use feedguard::CacheConfig;
/// use feedguard::cache::Foreground;
/// let config = CacheConfig::default().foreground(Foreground::Pool);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Foreground {
    /// The caller's own: its deadline is the loader's business.
    #[default]
    Caller,
    /// One of the cache's, as many as refresh threads: the caller leaves at its deadline, with the old value
    /// if there is one. With all of them busy, the caller's own.
    Pool,
}

/// Settings of a [`SmartCache`](super::SmartCache).
///
/// # Examples
/// ```
/// use feedguard::CacheConfig;
/// use std::time::Duration;
/// let config = CacheConfig::minute().max_capacity(50_000).grace(Some(Duration::from_secs(60)));
/// assert_eq!(config.time_to_live, Duration::from_secs(300));
/// let error = CacheConfig::default().refresh_ahead(1.5).jitter(-0.1).validate().unwrap_err();
/// assert_eq!(error.faults().len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default = "preset::take", deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheConfig {
    /// Which cache answers. Default `smart`.
    pub mode: CacheMode,
    /// Which entry leaves when the cache is full. Default `tiny_lfu`.
    pub eviction: Eviction,
    /// What happens past the time to live. Default `soft`.
    pub expiry: ExpiryMode,
    /// Sum of weights (entries, without a weigher) the cache holds. Default 10 000.
    pub max_capacity: u64,
    /// How long a value is fresh, if its loader does not say; zero stores nothing, single flight still
    /// holds. Default 1 h; daily 1 h, minute 5 min,
    /// realtime 30 s.
    #[serde(with = "crate::config::human")]
    pub time_to_live: Duration,
    /// Share of the time to live after which a read starts a refresh; 1 switches it off. Default
    /// 0.8, realtime 0.9.
    pub refresh_ahead: f64,
    /// How long past its time to live a value is served as stale. Default: one time to live.
    #[serde(with = "crate::config::human_opt")]
    pub grace: Option<Duration>,
    /// How long past its time to live a value answers for a failed load. Default 1 h; daily 24 h,
    /// minute 30 min, realtime 0.
    #[serde(with = "crate::config::human")]
    pub stale_if_error: Duration,
    /// How long "there is no such thing" is believed. Default 60 s.
    #[serde(with = "crate::config::human")]
    pub negative_ttl: Duration,
    /// First hold after a failed load of a key; doubles with each further failure. Default 1 s.
    #[serde(with = "crate::config::human")]
    pub backoff_min: Duration,
    /// Longest hold after a failed load. Default 60 s.
    #[serde(with = "crate::config::human")]
    pub backoff_max: Duration,
    /// How long a load may run before the next caller takes its key over; a refresh as old is given up and its
    /// thread replaced. Default 60 s.
    #[serde(with = "crate::config::human")]
    pub load_timeout: Duration,
    /// Which thread runs the load of a lookup. Default `caller`.
    pub foreground: Foreground,
    /// Largest share by which deadlines are moved forward at random. Default 0.1.
    pub jitter: f64,
    /// Seed of the jitter; 0 takes a random one. Default 0.
    pub seed: u64,
    /// Threads that refresh in the background. Default 5.
    pub refresh_workers: usize,
    /// Refreshes that may wait for a thread; more are dropped and counted. Default 256.
    pub refresh_queue: usize,
    /// Callers that may wait for loads of others. Default 10 000.
    pub max_waiters: usize,
    /// Failed and missing keys remembered, in the whole cache; failed ones go last. Default 10 000.
    pub max_holds: usize,
    /// Longest key in bytes, where the builder was told how to measure keys. Default 1 024.
    pub max_key_bytes: usize,
    /// How long dropping the cache waits for refreshes that run. Default 1 s.
    #[serde(with = "crate::config::human")]
    pub drain: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            mode: CacheMode::Smart,
            eviction: Eviction::TinyLfu,
            expiry: ExpiryMode::Soft,
            max_capacity: 10_000,
            time_to_live: Duration::from_secs(3600),
            refresh_ahead: 0.8,
            grace: None,
            stale_if_error: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(60),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            load_timeout: Duration::from_secs(60),
            foreground: Foreground::Caller,
            jitter: 0.1,
            seed: 0,
            refresh_workers: 5,
            refresh_queue: 256,
            max_waiters: 10_000,
            max_holds: 10_000,
            max_key_bytes: 1024,
            drain: Duration::from_secs(1),
        }
    }
}

/// Reads settings from a file over a preset: what the file leaves out is the preset's.
///
/// serde asks a plain function for the defaults of missing fields, so the preset waits for it in a
/// thread-local while the settings are read. A key `preset` is read before the defaults are asked for.
pub(crate) mod preset {
    use std::cell::RefCell;

    use serde::de::DeserializeSeed;
    use serde::{Deserialize, Deserializer};

    use super::CacheConfig;

    thread_local! {
        static PRESET: RefCell<Option<CacheConfig>> = const { RefCell::new(None) };
    }

    pub(super) fn take() -> CacheConfig {
        PRESET.take().unwrap_or_default()
    }

    /// Whether a category of this name has settings of its own.
    pub(crate) fn is_named(name: &str) -> bool {
        ["daily", "minute", "realtime"].contains(&name)
    }

    /// The settings of a category of this name.
    pub(crate) fn named(name: &str) -> CacheConfig {
        match name {
            "daily" => CacheConfig::daily(),
            "minute" => CacheConfig::minute(),
            "realtime" => CacheConfig::realtime(),
            _ => CacheConfig::default(),
        }
    }

    /// The name of a preset; reading it puts the preset in place.
    struct Preset;

    impl<'de> Deserialize<'de> for Preset {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let name = String::deserialize(deserializer)?;
            if !is_named(&name) && name != "default" {
                let text = format!("unknown preset {name:?}, expected daily, minute, realtime or default");
                return Err(serde::de::Error::custom(text));
            }
            PRESET.set(Some(named(&name)));
            Ok(Self)
        }
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(rename = "preset", default)]
        _preset: Option<Preset>,
        #[serde(flatten)]
        cache: CacheConfig,
    }

    /// Reads the settings of a category of this name.
    pub(crate) struct Over<'a>(pub(crate) &'a str);

    impl<'de> DeserializeSeed<'de> for Over<'_> {
        type Value = CacheConfig;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<CacheConfig, D::Error> {
            PRESET.set(Some(named(self.0)));
            let read = Settings::deserialize(deserializer);
            PRESET.take();
            read.map(|settings| settings.cache)
        }
    }
}

setters!(CacheConfig {
    mode: CacheMode,
    eviction: Eviction,
    expiry: ExpiryMode,
    max_capacity: u64,
    time_to_live: Duration,
    refresh_ahead: f64,
    grace: Option<Duration>,
    stale_if_error: Duration,
    negative_ttl: Duration,
    backoff_min: Duration,
    backoff_max: Duration,
    load_timeout: Duration,
    foreground: Foreground,
    jitter: f64,
    seed: u64,
    refresh_workers: usize,
    refresh_queue: usize,
    max_waiters: usize,
    max_holds: usize,
    max_key_bytes: usize,
    drain: Duration,
});

impl CacheConfig {
    /// For daily bars: 1 h fresh, 24 h stale on error.
    pub fn daily() -> Self {
        Self::default().stale_if_error(Duration::from_secs(24 * 3600))
    }

    /// For minute bars: 5 min fresh, 30 min stale on error.
    pub fn minute() -> Self {
        Self::default().time_to_live(Duration::from_secs(300)).stale_if_error(Duration::from_secs(1800))
    }

    /// For quotes: 30 s fresh, refreshed from 27 s on, never stale on error.
    pub fn realtime() -> Self {
        Self::default().time_to_live(Duration::from_secs(30)).refresh_ahead(0.9).stale_if_error(Duration::ZERO)
    }

    /// Every lookup loads.
    pub fn off() -> Self {
        Self::default().mode(CacheMode::Off)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let any = Duration::ZERO..=MAX_DURATION;
        let mut faults = Faults::new();
        faults.range("max_capacity", self.max_capacity, 1..=1 << 40);
        faults.duration("time_to_live", self.time_to_live, any.clone());
        faults.range("refresh_ahead", self.refresh_ahead, 0.0..=1.0);
        faults.duration("grace", self.grace.unwrap_or_default(), any.clone());
        faults.duration("stale_if_error", self.stale_if_error, any.clone());
        faults.duration("negative_ttl", self.negative_ttl, any.clone());
        faults.duration("backoff_min", self.backoff_min, any);
        faults.duration("backoff_max", self.backoff_max, self.backoff_min.min(MAX_DURATION)..=MAX_DURATION);
        faults.duration("load_timeout", self.load_timeout, Duration::from_millis(1)..=MAX_DURATION);
        faults.range("jitter", self.jitter, 0.0..=0.5);
        faults.range("refresh_workers", self.refresh_workers, 1..=256);
        faults.range("refresh_queue", self.refresh_queue, 0..=1_000_000);
        faults.range("max_waiters", self.max_waiters, 0..=1_000_000);
        faults.range("max_holds", self.max_holds, 0..=10_000_000);
        faults.range("max_key_bytes", self.max_key_bytes, 1..=1 << 30);
        faults.duration("drain", self.drain, Duration::ZERO..=Duration::from_secs(3600));
        faults.finish()
    }

    /// Whether the flights, refreshes and holds of the smart cache are in use.
    pub(super) fn is_smart(&self) -> bool {
        self.mode == CacheMode::Smart
    }
}
