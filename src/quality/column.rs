//! The columns of a series by name.

use serde::Serialize;

/// A column of a [`Series`](super::Series).
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Column, Series};
/// let price = [10.0, 10.1, 10.2];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e5, 1e5, 1e5] };
/// let series = Series::new(&[1, 2, 3], bars)?;
/// assert_eq!(series.column(Column::Close), Some(&price[..]));
/// assert_eq!(series.column(Column::Amount), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Column {
    /// First price of the interval.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    Close,
    /// Units traded.
    Volume,
    /// Money traded.
    Amount,
    /// Close adjusted for splits and dividends.
    AdjClose,
    /// Dividend per share on its ex-date.
    Dividends,
    /// Split ratio on its ex-date.
    Splits,
    /// Reference price of the day.
    PreClose,
    /// Highest price allowed.
    LimitUp,
    /// Lowest price allowed.
    LimitDown,
}

impl Column {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Volume => "volume",
            Self::Amount => "amount",
            Self::AdjClose => "adj_close",
            Self::Dividends => "dividends",
            Self::Splits => "splits",
            Self::PreClose => "pre_close",
            Self::LimitUp => "limit_up",
            Self::LimitDown => "limit_down",
        }
    }
}
