//! Settings of a breaker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::seconds;
use crate::config::{Faults, MAX_DURATION, setters};
use crate::error::ConfigError;

/// What kind of source a breaker guards; sets the default of
/// [`failure_threshold`](BreakerConfig::failure_threshold).
///
/// # Examples
/// ```
/// use feedguard::BreakerConfig;
/// use feedguard::breaker::BreakerTier;
/// assert_eq!(BreakerConfig::default().tier(BreakerTier::Paid).threshold(), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerTier {
    /// Unknown: 5 failures in a row.
    #[default]
    Standard,
    /// Free: 3 failures in a row.
    Free,
    /// Paid: 10 failures in a row.
    Paid,
}

/// How much a [`RateWindow`] looks at; in a file `{"calls": 100}` or `{"time": "30s"}`.
///
/// # Examples
/// ```
/// use feedguard::breaker::{RateWindow, WindowSize};
/// use std::time::Duration;
/// let last_minute = RateWindow::default().size(WindowSize::Time(Duration::from_secs(60)));
/// # drop(last_minute);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WindowSize {
    /// The last calls, 1 to 100,000.
    Calls(u32),
    /// The calls of this time, in steps of a tenth of it.
    Time(#[serde(with = "crate::config::human")] Duration),
}

/// Opens a breaker on rates, beside the failures in a row. With a window every result takes a short
/// lock.
///
/// # Examples
/// ```
/// use feedguard::BreakerConfig;
/// use feedguard::breaker::{RateWindow, WindowSize};
/// use std::time::Duration;
/// let window = RateWindow::default()
///     .size(WindowSize::Time(Duration::from_secs(60)))
///     .slow_call_after(Some(Duration::from_secs(2)));
/// assert!(BreakerConfig::default().window(Some(window)).validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RateWindow {
    /// How much it looks at. Default the last 100 calls.
    pub size: WindowSize,
    /// No rate is taken from fewer calls than this. Default 20.
    pub minimum_calls: u32,
    /// Share of failed calls that opens the breaker, above 0 to 1. Default 0.5.
    pub failure_rate: f64,
    /// Share of slow calls that opens the breaker, above 0 to 1. Default 0.8.
    pub slow_call_rate: f64,
    /// A call that takes longer is slow; one that still runs counts from that moment on. A slow
    /// probe counts as a failed one. Default `None`: no call is slow.
    #[serde(with = "crate::config::human_opt")]
    pub slow_call_after: Option<Duration>,
}

impl Default for RateWindow {
    fn default() -> Self {
        Self {
            size: WindowSize::Calls(100),
            minimum_calls: 20,
            failure_rate: 0.5,
            slow_call_rate: 0.8,
            slow_call_after: None,
        }
    }
}

setters!(RateWindow {
    size: WindowSize,
    minimum_calls: u32,
    failure_rate: f64,
    slow_call_rate: f64,
    slow_call_after: Option<Duration>,
});

impl RateWindow {
    fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        let most = match self.size {
            WindowSize::Calls(calls) => {
                faults.range("size.calls", calls, 1..=100_000);
                calls
            }
            WindowSize::Time(time) => {
                faults.duration("size.time", time, Duration::from_millis(10)..=MAX_DURATION);
                u32::MAX
            }
        };
        faults.range("minimum_calls", self.minimum_calls, 1..=most.max(1));
        faults.range("failure_rate", self.failure_rate, 0.001..=1.0);
        faults.range("slow_call_rate", self.slow_call_rate, 0.001..=1.0);
        if let Some(limit) = self.slow_call_after {
            faults.duration("slow_call_after", limit, Duration::from_millis(1)..=MAX_DURATION);
        }
        faults.finish()
    }
}

/// Settings of a [`CircuitBreaker`](super::CircuitBreaker); the default suits a source of unknown
/// kind.
///
/// # Examples
/// ```
/// use feedguard::BreakerConfig;
/// use std::time::Duration;
/// let config = BreakerConfig::free().open_for(Duration::from_secs(30));
/// assert_eq!(config.threshold(), 3);
/// assert!(config.validate().is_ok());
/// let from_file: BreakerConfig = serde_json::from_str(r#"{"tier": "free", "open_for": "30s"}"#)?;
/// assert_eq!(from_file, config);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// `false`: every call is admitted and nothing is recorded. Default `true`.
    pub enabled: bool,
    /// `true`: the breaker works, counts what it would have refused, and admits it. Default `false`.
    pub observe_only: bool,
    /// Kind of source. Default `standard`.
    pub tier: BreakerTier,
    /// Consecutive failures that open the breaker. Default by tier: 5, free sources 3, paid 10.
    pub failure_threshold: Option<u32>,
    /// Opens on rates too. Default `None`.
    pub window: Option<RateWindow>,
    /// How long the breaker stays open before it admits probes. Default 60 s.
    #[serde(with = "crate::config::human")]
    pub open_for: Duration,
    /// Each opening in a row is this many times longer than the one before, 1 to 10; 1 is constant.
    /// Default 1.
    pub open_growth: f64,
    /// Closed for this long, the next opening starts the row again. Default `None`: as long as the last
    /// opening, so that a source that flaps is asked ever more rarely.
    #[serde(with = "crate::config::human_opt")]
    pub stable_after: Option<Duration>,
    /// Longest open time, for growth and for a source's own `Retry-After`, which lengthens an open time
    /// and never shortens it. Default 10 min.
    #[serde(with = "crate::config::human")]
    pub max_open_for: Duration,
    /// Share by which each open time is varied at random in both directions, 0 to 0.5, so that many
    /// hosts do not probe at one moment; 0.2 is usual. At the longest open time only downwards, of a
    /// source's own `Retry-After` only upwards. Default 0.
    pub open_jitter: f64,
    /// Probes admitted while half-open; all must succeed to close it. Default 3.
    pub half_open_permits: u32,
    /// The longest a call may take; a probe is given up after the larger of this and its open time.
    /// Default 30 s.
    #[serde(with = "crate::config::human")]
    pub call_timeout: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            observe_only: false,
            tier: BreakerTier::Standard,
            failure_threshold: None,
            window: None,
            open_for: Duration::from_secs(60),
            open_growth: 1.0,
            stable_after: None,
            max_open_for: Duration::from_secs(600),
            open_jitter: 0.0,
            half_open_permits: 3,
            call_timeout: Duration::from_secs(30),
        }
    }
}

setters!(BreakerConfig {
    enabled: bool,
    observe_only: bool,
    tier: BreakerTier,
    window: Option<RateWindow>,
    open_for: Duration,
    open_growth: f64,
    stable_after: Option<Duration>,
    max_open_for: Duration,
    open_jitter: f64,
    half_open_permits: u32,
    call_timeout: Duration,
});

impl BreakerConfig {
    /// For free sources: opens after 3 failures.
    pub fn free() -> Self {
        Self::default().tier(BreakerTier::Free)
    }

    /// For paid sources: opens after 10 failures.
    pub fn paid() -> Self {
        Self::default().tier(BreakerTier::Paid)
    }

    /// Admits everything.
    pub fn off() -> Self {
        Self::default().enabled(false)
    }

    /// Sets [`failure_threshold`](Self#structfield.failure_threshold), whatever the tier.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = Some(failures);
        self
    }

    /// Consecutive failures that open the breaker: as set, or by tier.
    pub fn threshold(&self) -> u32 {
        self.failure_threshold.unwrap_or(match self.tier {
            BreakerTier::Standard => 5,
            BreakerTier::Free => 3,
            BreakerTier::Paid => 10,
        })
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let millisecond = Duration::from_millis(1);
        let mut faults = Faults::new();
        faults.range("failure_threshold", self.threshold(), 1..=1_000_000);
        if let Some(window) = &self.window {
            faults.nested("window", window.validate());
        }
        faults.duration("open_for", self.open_for, millisecond..=MAX_DURATION);
        faults.range("open_growth", self.open_growth, 1.0..=10.0);
        if let Some(stable) = self.stable_after {
            faults.duration("stable_after", stable, Duration::ZERO..=MAX_DURATION);
        }
        faults.duration(
            "max_open_for",
            self.max_open_for,
            self.open_for.clamp(millisecond, MAX_DURATION)..=MAX_DURATION,
        );
        faults.range("open_jitter", self.open_jitter, 0.0..=0.5);
        faults.range("half_open_permits", self.half_open_permits, 1..=1_000);
        faults.duration("call_timeout", self.call_timeout, millisecond..=MAX_DURATION);
        faults.finish()
    }

    /// How long the breaker stays open after `openings` in a row: the base grown by them, or the source's
    /// own wish if that is longer, varied by `dice` in 0..1.
    pub(super) fn open_time(&self, openings: u32, wish: Option<Duration>, dice: f64) -> Duration {
        let most = self.max_open_for;
        let growth = self.open_growth.powi(i32::try_from(openings).unwrap_or(i32::MAX));
        let grown = if growth > 1.0 { seconds(self.open_for.as_secs_f64() * growth).min(most) } else { self.open_for };
        let wish = wish.filter(|wish| *wish > grown);
        let base = wish.unwrap_or(grown).min(most);
        if self.open_jitter <= 0.0 {
            return base;
        }
        // Where the cap cuts the spread it is moved, not narrowed: or all would come back at that moment.
        let (base, most) = (base.as_secs_f64(), most.as_secs_f64());
        let is_asked = wish.is_some() && base < most;
        let high = (base * (1.0 + self.open_jitter)).min(most);
        // A source that said when is not asked before.
        let low = if is_asked { base } else { high - 2.0 * self.open_jitter * base };
        seconds(low + (high - low) * dice)
    }

    /// How long a permit may be held.
    pub(super) fn lease(&self, open_for: Duration) -> Duration {
        open_for.max(self.call_timeout)
    }

    pub(super) fn slow_call_after(&self) -> Option<Duration> {
        self.window.as_ref().and_then(|window| window.slow_call_after)
    }
}
