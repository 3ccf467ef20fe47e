//! Why a rule believes what it says.

use serde::Serialize;

use super::Rule;

/// What speaks for a finding, what else it could be, and how sure the rule is.
///
/// # Examples
/// ```
/// use feedguard::quality::Rule;
/// let reason = Rule::Frozen.reason();
/// assert!(reason.confidence > 0.5 && !reason.witness.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// What was seen that made the rule speak.
    pub witness: &'static str,
    /// The next best explanation; empty if there is none worth a word.
    pub alternative: &'static str,
    /// How sure the rule is, 0 to 1: by judgement, not by statistics.
    pub confidence: f64,
}

impl Reason {
    pub(super) const fn new(witness: &'static str, confidence: f64, alternative: &'static str) -> Self {
        Self { witness, alternative, confidence }
    }

    /// What a rule says where the row has no more to tell.
    #[rustfmt::skip]
    pub(super) const fn of(rule: Rule) -> Self {
        match rule {
            Rule::Unusable => Self::new("no row of the series has a price", 1.0, ""),
            Rule::MissingPrices => Self::new("prices are missing in more rows than holidays explain", 0.9, "a suspension"),
            Rule::NotFinite => Self::new("a cell is no number while others of its row are", 1.0, ""),
            Rule::EmptyRow => Self::new("a placeholder: the row has no prices", 1.0, "a holiday or a suspension"),
            Rule::MissingVolume => Self::new("no volume although other rows have one", 0.8, "quotes without trades"),
            Rule::Gap => Self::new("rows are missing before this one", 0.8, "a suspension or a holiday"),
            Rule::OffCalendar => Self::new("a day on which the market does not trade", 0.8, "a special session"),
            Rule::OffGrid => Self::new("the timestamp is not on the grid of the other bars", 0.8, "a bar that is not complete"),
            Rule::DuplicateRow => Self::new("another row has the timestamp and says the same", 1.0, ""),
            Rule::ConflictingRows => Self::new("another row has the timestamp and says something else", 1.0, ""),
            Rule::OutOfOrder => Self::new("timestamps neither ascend nor descend", 1.0, ""),
            Rule::HighBelowLow => Self::new("the high is below the low", 1.0, ""),
            Rule::OpenOutside => Self::new("the open is outside of low to high by more than auctions are", 0.95, ""),
            Rule::CloseOutside => Self::new("the close is outside of low to high by more than auctions are", 0.95, ""),
            Rule::AuctionPrint => Self::new("open or close is a little outside of low to high", 0.6, "an auction that high and low leave out"),
            Rule::NegativeVolume => Self::new("the volume is below zero", 1.0, ""),
            Rule::NonPositivePrice => Self::new("a price is zero or below", 0.98, "a market with negative prices: tell the profile"),
            Rule::LimitExceeded => Self::new("a price beyond the limits of the day", 0.95, "a wrong limit or board"),
            Rule::AmountMismatch => Self::new("amount by volume is no price of the bar, and the volume is as around", 0.9, "the volume is in another unit"),
            Rule::MixedUnits => Self::new("one price of the bar is in another unit than the others", 0.95, ""),
            Rule::UnitError => Self::new("whole bars jump by a unit and the jump is no day of news", 0.95, "a split or a redenomination"),
            Rule::MissedSplit => Self::new("prices step by a split that other columns do not have, or have already", 0.9, "unadjusted prices: tell the profile"),
            Rule::UnadjustedSplit => Self::new("prices and volumes step at a declared split: the feed seems unadjusted", 0.8, "a split missed in older rows"),
            Rule::Spike => Self::new("one bar jumps away and back by gaps of one size, on ordinary volume", 0.9, "news that was denied"),
            Rule::Block => Self::new("bars jump away and back by gaps of one size, on ordinary volume", 0.85, "news that was denied"),
            Rule::Wick => Self::new("a price leaves its bar and all bars around behind, on ordinary volume", 0.9, "a trade that was busted"),
            Rule::OffLevel => Self::new("the new bar leaves the stored level on ordinary volume", 0.85, "a corporate action that was not declared"),
            Rule::VolumeUnit => Self::new("the volume is another order of magnitude than around, the prices are as usual", 0.85, "a block trade"),
            Rule::VolumeShift => Self::new("volumes change by a unit and stay; which side is wrong cannot be told", 0.5, "another kind of market"),
            Rule::Frozen => Self::new("the same bar again and again", 0.9, "an instrument that hardly trades"),
            Rule::RepeatedRow => Self::new("the same bar, volume included, under the next timestamp", 0.8, "chance"),
            Rule::CorporateAction => Self::new("the adjusted close does not have the jump", 0.9, ""),
            Rule::UndeclaredSplit => Self::new("price and volume step inversely by a usual ratio", 0.6, "the market"),
            Rule::LargeChange => Self::new("a large move, which markets make", 0.9, "an error that nothing else speaks for"),
            Rule::VolumeSpike => Self::new("volume far above the mean", 0.5, "news"),
            Rule::FlatRows => Self::new("one price without volume", 0.9, "a suspension"),
            Rule::SigmaOutlier => Self::new("a return far from the mean", 0.3, "the market"),
            Rule::DividendUnit => Self::new("the dividend is in another unit than price and adjustment say", 0.85, "a special dividend"),
            Rule::PhantomDividend => Self::new("the same dividend again within days", 0.85, "two payments"),
            Rule::DividendMismatch => Self::new("dividend and adjustment differ by nothing that is known", 0.5, "rights, spin-offs, taxes"),
            Rule::AdjustmentError => Self::new("the adjusted close steps by what price and dividends do not", 0.9, "a dividend that is missing"),
            Rule::AdjustmentCell => Self::new("the adjusted close is no price", 1.0, ""),
            Rule::DividendCell => Self::new("the dividend is no amount of money", 1.0, ""),
            Rule::AdjustmentOutlier => Self::new("the adjustment factor goes away and comes back", 0.9, ""),
            Rule::UnexplainedAdjustment => Self::new("the adjustment factor steps without a dividend or a split", 0.6, "an action that is not in the columns"),
            Rule::SourceDifference => Self::new("two sources differ", 0.7, "the other source is wrong"),
            Rule::SourceScale => Self::new("two sources differ by one ratio in all rows", 0.9, "the other source is wrong"),
            Rule::MissingInOther | Rule::MissingHere => Self::new("one source has rows that the other has not", 0.9, ""),
            Rule::OutOfDate => Self::new("the newest row is older than allowed", 1.0, "a suspension"),
            Rule::BadTimestamp => Self::new("the timestamp is no date", 1.0, ""),
            Rule::FutureRow => Self::new("the row is ahead of the clock", 1.0, "another time zone or unit"),
            Rule::Custom(_) => Self::new("a rule of the host", 1.0, ""),
        }
    }
}

impl Rule {
    /// What speaks for a finding of this rule where the row has no more to tell.
    pub const fn reason(self) -> Reason {
        Reason::of(self)
    }
}
