//! The named checks and what they say.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Column, Dimension, Severity};

macro_rules! rules {
    ($( $(#[doc = $doc:literal])+ $name:ident, $text:literal, $severity:ident, $dimension:ident; )+) => {
        /// A named check.
        ///
        /// Reports, labels, configuration and logs use [`as_str`](Self::as_str). Some rules belong to one
        /// [`Policy`](super::Policy), the others to both.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $( $(#[doc = $doc])+ $name, )+
            /// A rule of the host, by the name it was given.
            Custom(&'static str),
        }

        impl Rule {
            /// Every rule of this crate.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in reports, labels and configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )+
                    Self::Custom(name) => name,
                }
            }

            /// How bad a finding of this rule is, unless the configuration says otherwise.
            pub const fn severity(self) -> Severity {
                match self {
                    $( Self::$name => Severity::$severity, )+
                    Self::Custom(_) => Severity::Warning,
                }
            }

            /// Which side of quality it measures.
            pub const fn dimension(self) -> Dimension {
                match self {
                    $( Self::$name => Dimension::$dimension, )+
                    Self::Custom(_) => Dimension::Validity,
                }
            }

            /// Place in [`ALL`](Self::ALL); rules of the host have none.
            pub(super) const fn index(self) -> Option<usize> {
                #[derive(Clone, Copy)]
                enum Place { $( $name, )+ }
                match self {
                    $( Self::$name => Some(Place::$name as usize), )+
                    Self::Custom(_) => None,
                }
            }
        }
    };
}

rules! {
    /// No row of the series can be used: there are none, or all are placeholders. The series is invalid and its
    /// score 0.
    Unusable, "unusable", Error, Completeness;
    /// Prices are missing in a tenth of the rows and more, or in twenty rows and more one after the other; suspended
    /// rows (all prices zero) in half of them.
    MissingPrices, "missing_prices", Error, Completeness;
    /// A price or volume is NaN or infinite while others of its row are not.
    NotFinite, "not_finite", Error, Completeness;
    /// No price of the row is a number: a placeholder.
    EmptyRow, "empty_row", Warning, Completeness;
    /// Rows have no volume (NaN, or 0 in bars that move) in a series that has volumes.
    MissingVolume, "missing_volume", Warning, Completeness;
    /// Trading days of the calendar, or rows of the learned grid, are missing before the row; the value is how many.
    Gap, "gap", Warning, Completeness;
    /// The row is on a day on which the calendar, or the rest of the series, has no trading.
    OffCalendar, "off_calendar", Warning, Validity;
    /// The timestamp is not on the grid of the others: another minute, another hour, a bar too many.
    OffGrid, "off_grid", Warning, Validity;
    /// Another row with this timestamp says the same.
    DuplicateRow, "duplicate_row", Warning, Consistency;
    /// Another row with this timestamp says something else.
    ConflictingRows, "conflicting_rows", Error, Consistency;
    /// The rows are neither in ascending nor in descending order; found at the first that is not.
    OutOfOrder, "out_of_order", Warning, Consistency;
    /// The high is below the low.
    HighBelowLow, "high_below_low", Error, Validity;
    /// The open is outside low to high.
    OpenOutside, "open_outside", Error, Validity;
    /// The close is outside low to high.
    CloseOutside, "close_outside", Error, Validity;
    /// Open or close is a little outside low to high: auction prices often are (robust policy).
    AuctionPrint, "auction_print", Warning, Validity;
    /// The volume is negative.
    NegativeVolume, "negative_volume", Error, Validity;
    /// A price is zero or negative.
    NonPositivePrice, "non_positive_price", Error, Validity;
    /// A price is beyond the day's limit.
    LimitExceeded, "limit_exceeded", Error, Validity;
    /// Amount and volume give a mean price far from the row's prices.
    AmountMismatch, "amount_mismatch", Error, Validity;
    /// The prices of one row differ among themselves by 10, 100 or 1000 (robust policy).
    MixedUnits, "mixed_units", Error, Validity;
    /// Prices are off by 10, 100 or 1000 (robust policy).
    UnitError, "unit_error", Error, Plausibility;
    /// A split was not applied to the prices, or twice (robust policy).
    MissedSplit, "missed_split", Error, Plausibility;
    /// One row jumps away and the next comes back (robust policy).
    Spike, "spike", Error, Plausibility;
    /// A few rows jump away together and come back (robust policy).
    Block, "block", Error, Plausibility;
    /// High or low (and the close with it) leaves the bar and its neighbours behind by what no market does (robust
    /// policy).
    Wick, "wick", Error, Plausibility;
    /// A new row is on another level than the stored history, on ordinary volume
    /// ([`check_new`](super::DataQualityValidator::check_new)).
    OffLevel, "off_level", Error, Plausibility;
    /// The volume is off by a factor of many (robust policy).
    VolumeUnit, "volume_unit", Error, Plausibility;
    /// The volumes change by a unit and stay; nobody can tell which side is wrong (robust policy).
    VolumeShift, "volume_shift", Warning, Plausibility;
    /// A bar is repeated: the feed is frozen (robust policy).
    Frozen, "frozen", Error, Plausibility;
    /// A bar is the one before, volume included, under another timestamp (robust policy).
    RepeatedRow, "repeated_row", Warning, Plausibility;
    /// A jump that a split explains: the prices are unadjusted there (robust policy).
    CorporateAction, "corporate_action", Info, Plausibility;
    /// A declared split that prices and volumes show: the feed seems unadjusted (robust policy).
    UnadjustedSplit, "unadjusted_split", Warning, Plausibility;
    /// A jump that looks like a split, in a series that has neither splits nor an adjusted close to
    /// tell whether it is one (robust policy).
    UndeclaredSplit, "undeclared_split", Warning, Plausibility;
    /// The close moved by more than `max_change`.
    LargeChange, "large_change", Warning, Plausibility;
    /// The volume is more than `max_volume_ratio` times the mean (literal policy).
    VolumeSpike, "volume_spike", Warning, Plausibility;
    /// `max_flat_rows` or more rows without volume and change: suspended, or nobody trades.
    FlatRows, "flat_rows", Warning, Plausibility;
    /// A return is more than `max_sigma` standard deviations from the mean (literal policy).
    SigmaOutlier, "sigma_outlier", Warning, Plausibility;
    /// A dividend is off by 10, 100 or 1000 against the adjustment, the price or its like.
    DividendUnit, "dividend_unit", Error, Consistency;
    /// A dividend that was paid only once stands there twice.
    PhantomDividend, "phantom_dividend", Error, Consistency;
    /// A dividend and the step of the adjusted close do not agree.
    DividendMismatch, "dividend_mismatch", Warning, Consistency;
    /// The adjusted close lacks a dividend, or has one that was not paid.
    AdjustmentError, "adjustment_error", Error, Consistency;
    /// An adjusted close is zero, below, or no number.
    AdjustmentCell, "adjustment_cell", Error, Consistency;
    /// A dividend is below zero or infinite.
    DividendCell, "dividend_cell", Error, Consistency;
    /// The adjusted close of a few rows has another factor than the rows around.
    AdjustmentOutlier, "adjustment_outlier", Error, Consistency;
    /// The adjusted close steps without dividend or split.
    UnexplainedAdjustment, "unexplained_adjustment", Warning, Consistency;
    /// The closes of two sources differ by more than `max_source_difference`.
    SourceDifference, "source_difference", Error, Consistency;
    /// The closes of two sources differ by one factor: unit or adjustment; found at its first row.
    SourceScale, "source_scale", Error, Consistency;
    /// A timestamp of one source is missing in the other.
    MissingInOther, "missing_in_other", Warning, Completeness;
    /// A timestamp of the other source is missing here; found at the row after it.
    MissingHere, "missing_here", Warning, Completeness;
    /// The last row is older than `max_age`.
    OutOfDate, "out_of_date", Warning, Timeliness;
    /// The timestamp is no date in its unit.
    BadTimestamp, "bad_timestamp", Error, Validity;
    /// The timestamp is in the future.
    FutureRow, "future_row", Error, Timeliness;
}

impl Rule {
    /// The columns that a finding's factor mends; none if its findings have no factor.
    ///
    /// After an error of the prices an adjusted close needs the factor too, unless it went on as if
    /// nothing had been: the next check says so.
    pub const fn mends(self) -> &'static [Column] {
        match self {
            Self::UnitError
            | Self::MissedSplit
            | Self::Spike
            | Self::Block
            | Self::SourceScale
            | Self::SourceDifference => &[Column::Open, Column::High, Column::Low, Column::Close],
            Self::VolumeUnit => &[Column::Volume],
            Self::AmountMismatch => &[Column::Amount],
            Self::DividendUnit | Self::PhantomDividend => &[Column::Dividends],
            Self::AdjustmentError | Self::AdjustmentOutlier => &[Column::AdjClose],
            _ => &[],
        }
    }

    /// The rule of this crate with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
