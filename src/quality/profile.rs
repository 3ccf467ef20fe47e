//! What a feed says about itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Faults, MAX_DURATION, human_opt, setters};
use crate::error::ConfigError;

/// What a feed's prices are adjusted for.
///
/// # Examples
/// ```
/// use feedguard::quality::{FeedProfile, PriceBasis};
/// assert_eq!(FeedProfile::a_share().prices, PriceBasis::Raw);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PriceBasis {
    /// Nobody knows: what only unadjusted prices explain is a warning.
    #[default]
    Unknown,
    /// As traded: steps at splits, dividends and rights are right.
    Raw,
    /// Adjusted for splits: a split that shows in the prices is an error.
    SplitAdjusted,
    /// Adjusted for splits and dividends, or an instrument that has neither.
    FullyAdjusted,
}

/// The days of the week on which there are bars.
///
/// # Examples
/// ```
/// use feedguard::quality::{FeedProfile, TradingDays};
/// assert_eq!(FeedProfile::crypto().days, TradingDays::EveryDay);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TradingDays {
    /// Those on which the series usually has bars.
    #[default]
    Learned,
    /// Monday to Friday.
    MondayToFriday,
    /// Sunday (evening) to Friday.
    SundayToFriday,
    /// All seven.
    EveryDay,
}

/// What a feed says about itself, so that the nature of its data raises no alarm and no doubt.
///
/// A validator has one ([`QualityConfig::profile`](super::QualityConfig#structfield.profile)); a series may bring its
/// own ([`Series::profile`](super::Series::profile)), which then holds in whole. The default says nothing and makes
/// the validator careful.
///
/// # Examples
/// ```
/// use feedguard::QualityConfig;
/// use feedguard::quality::{FeedProfile, PriceBasis};
/// let config = QualityConfig::default().profile(FeedProfile::us_equity().prices(PriceBasis::Raw));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FeedProfile {
    /// What prices are adjusted for. Default unknown.
    pub prices: PriceBasis,
    /// Prices may be zero or below, and move by any factor when they are near it: powers, spreads, a future now and
    /// then. Units, splits, blocks and wicks are then not looked for near and below zero. Default `false`.
    pub negative_prices: bool,
    /// The instrument has volumes. `false`: the column says nothing, whatever it holds. Default `true`; a column of
    /// nothing but NaN or zero says so by itself.
    pub volume: bool,
    /// Price step; the series' own and that of the robust settings come first. Default `None`: learned.
    pub tick: Option<f64>,
    /// Time from bar to bar. Weekly and monthly bars shift corporate actions by a row. Default `None`: learned.
    #[serde(with = "human_opt")]
    pub interval: Option<Duration>,
    /// Bars of a whole trading day, for intraday bars. Default `None`: learned.
    pub bars_per_day: Option<u32>,
    /// Days of the week with bars. Default learned.
    pub days: TradingDays,
}

impl Default for FeedProfile {
    fn default() -> Self {
        Self {
            prices: PriceBasis::Unknown,
            negative_prices: false,
            volume: true,
            tick: None,
            interval: None,
            bars_per_day: None,
            days: TradingDays::Learned,
        }
    }
}

setters!(FeedProfile {
    prices: PriceBasis,
    negative_prices: bool,
    volume: bool,
    tick: Option<f64>,
    interval: Option<Duration>,
    bars_per_day: Option<u32>,
    days: TradingDays,
});

impl FeedProfile {
    /// Mainland China's exchanges as traded: raw, steps of 0.01, Monday to Friday.
    pub fn a_share() -> Self {
        Self::default().prices(PriceBasis::Raw).tick(Some(0.01)).days(TradingDays::MondayToFriday)
    }

    /// Shares of the United States as most vendors serve them: adjusted for splits, Monday to Friday.
    pub fn us_equity() -> Self {
        Self::default().prices(PriceBasis::SplitAdjusted).days(TradingDays::MondayToFriday)
    }

    /// Currencies: nothing to adjust for; whether the volumes are any is learned.
    pub fn fx() -> Self {
        Self::default().prices(PriceBasis::FullyAdjusted).days(TradingDays::Learned)
    }

    /// Coins: every day of the week; redenominations happen.
    pub fn crypto() -> Self {
        Self::default().days(TradingDays::EveryDay)
    }

    /// Futures: prices may be below zero, contracts roll.
    pub fn futures() -> Self {
        Self::default().negative_prices(true)
    }

    /// Indices: nothing to adjust for, and volumes that say nothing.
    pub fn index() -> Self {
        Self::default().prices(PriceBasis::FullyAdjusted).volume(false)
    }

    /// Values of funds: one price a day, no volume.
    pub fn fund_nav() -> Self {
        Self::default().volume(false)
    }

    /// Power: prices below zero and of any size next to each other, every day.
    pub fn power() -> Self {
        Self::default().negative_prices(true).volume(false).days(TradingDays::EveryDay)
    }

    /// The preset of a name: `a_share`, `us_equity`, `fx`, `crypto`, `futures`, `index`, `fund_nav`, `power`.
    pub fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "a_share" => Self::a_share(),
            "us_equity" => Self::us_equity(),
            "fx" => Self::fx(),
            "crypto" => Self::crypto(),
            "futures" => Self::futures(),
            "index" => Self::index(),
            "fund_nav" => Self::fund_nav(),
            "power" => Self::power(),
            _ => return None,
        })
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        if let Some(tick) = self.tick {
            faults.range("tick", tick, 0.0..=1e9);
        }
        if let Some(interval) = self.interval {
            faults.duration("interval", interval, Duration::from_nanos(1)..=MAX_DURATION);
        }
        if let Some(bars) = self.bars_per_day {
            faults.range("bars_per_day", bars, 1..=1_000_000);
        }
        faults.finish()
    }
}
