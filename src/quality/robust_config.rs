//! Settings of the robust policy.

use serde::{Deserialize, Serialize};

use crate::config::{Faults, setters};
use crate::error::ConfigError;

/// Settings of the robust policy: what separates an error of the data from a move of the market.
///
/// The defaults are set on real daily and hourly files with labelled errors and on clean ones, see
/// `docs/DESIGN.md`.
///
/// # Examples
/// ```
/// use feedguard::QualityConfig;
/// use feedguard::quality::RobustConfig;
/// let config = QualityConfig::default().robust(RobustConfig::default().frozen_rows(10));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RobustConfig {
    /// How far open and close may be outside of low to high, as a share of the price. Default 0.001.
    pub ohlc_tolerance: f64,
    /// Up to here open and close outside of low to high are a warning, since auctions print there
    /// (up to 4 % in clean files of thin shares); beyond an error. Default 0.08.
    pub auction_tolerance: f64,
    /// Price step of the instrument, which open and close may be outside of low to high; `None` if
    /// unknown. Default `None`.
    pub tick: Option<f64>,
    /// Standard deviations (of the opens against the closes before, around) that a jump there and back
    /// must have to be an error, and 8 % at least. Default 5.
    pub jump_sigma: f64,
    /// Standard deviation of a return that is taken at least, as a share. Default 0.005.
    pub sigma_floor: f64,
    /// Longest run of rows that jump away and come back by a factor which is no unit. Default 60.
    pub max_block_rows: usize,
    /// Rows on either side in which a declared split explains a jump: sources are days late with splits.
    /// Default 15.
    pub split_window: usize,
    /// Factor against the median volume around that a volume must have to be an error: block trades of
    /// thin instruments reach 60 and more. Default 70.
    pub volume_factor: f64,
    /// Standard deviations of the volumes' logarithms that a volume must have to be an error.
    /// Default 6.
    pub volume_sigma: f64,
    /// Equal bars in a row from which on they are frozen, the first included, which is no finding; of
    /// bars of one price one more. Default 3.
    pub frozen_rows: usize,
    /// Difference of two adjustment factors (adjusted close by close) that counts, as a share.
    /// Default 0.005.
    pub adjustment_tolerance: f64,
}

impl Default for RobustConfig {
    fn default() -> Self {
        Self {
            ohlc_tolerance: 0.001,
            auction_tolerance: 0.08,
            tick: None,
            jump_sigma: 5.0,
            sigma_floor: 0.005,
            max_block_rows: 60,
            split_window: 15,
            volume_factor: 70.0,
            volume_sigma: 6.0,
            frozen_rows: 3,
            adjustment_tolerance: 0.005,
        }
    }
}

setters!(RobustConfig {
    ohlc_tolerance: f64,
    auction_tolerance: f64,
    tick: Option<f64>,
    jump_sigma: f64,
    sigma_floor: f64,
    max_block_rows: usize,
    split_window: usize,
    volume_factor: f64,
    volume_sigma: f64,
    frozen_rows: usize,
    adjustment_tolerance: f64,
});

impl RobustConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("ohlc_tolerance", self.ohlc_tolerance, 0.0..=0.5);
        faults.range("auction_tolerance", self.auction_tolerance, 0.0..=0.5);
        faults.require(
            self.auction_tolerance >= self.ohlc_tolerance,
            "auction_tolerance",
            self.auction_tolerance,
            format!("at least ohlc_tolerance, {}", self.ohlc_tolerance),
        );
        if let Some(tick) = self.tick {
            faults.range("tick", tick, 0.0..=1e9);
        }
        faults.range("jump_sigma", self.jump_sigma, 2.0..=1e6);
        faults.range("sigma_floor", self.sigma_floor, 1e-6..=1.0);
        faults.range("max_block_rows", self.max_block_rows, 1..=250);
        faults.range("split_window", self.split_window, 0..=1000);
        faults.range("volume_factor", self.volume_factor, 20.0..=1e12);
        faults.range("volume_sigma", self.volume_sigma, 2.0..=1e6);
        faults.range("frozen_rows", self.frozen_rows, 2..=1_000_000);
        faults.range("adjustment_tolerance", self.adjustment_tolerance, 1e-6..=0.5);
        faults.finish()
    }
}
