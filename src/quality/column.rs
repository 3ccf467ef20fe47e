//! The columns of a series by name.

use serde::Serialize;

/// A column of a [`Series`](super::Series).
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
