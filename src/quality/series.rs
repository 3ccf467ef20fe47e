//! A price series as borrowed columns.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::time::{Stamps, Zone};
use super::{Board, Column, FeedProfile, QualityConfig, SeriesError, TimeUnit, TradingCalendar};

/// Price and volume columns of a series, all of one length.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Series};
/// let price = [10.0, 10.1, 10.2];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e5, 1e5, 1e5] };
/// assert_eq!(Series::new(&[1, 2, 3], bars)?.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars<'a> {
    /// First price of the interval.
    pub open: &'a [f64],
    /// Highest price.
    pub high: &'a [f64],
    /// Lowest price.
    pub low: &'a [f64],
    /// Last price.
    pub close: &'a [f64],
    /// Units traded.
    pub volume: &'a [f64],
}

/// Columns that a series may have besides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Extras<'a> {
    pub(super) amount: Option<&'a [f64]>,
    pub(super) adj_close: Option<&'a [f64]>,
    pub(super) dividends: Option<&'a [f64]>,
    pub(super) splits: Option<&'a [f64]>,
    pub(super) pre_close: Option<&'a [f64]>,
    pub(super) limit_up: Option<&'a [f64]>,
    pub(super) limit_down: Option<&'a [f64]>,
}

/// A price series of one instrument: timestamps in any unit, and its bars.
///
/// Rows may be in any order; what compares a row with the one before it goes by timestamp. Columns
/// beyond the bars are optional: a rule that needs one that is not there is skipped, and the report
/// says so.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Series};
/// let price = [10.0, 10.1];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[100.0, 90.0] };
/// assert_eq!(Series::new(&[1, 2], bars)?.adj_close(&[9.0, 9.1])?.len(), 2);
/// assert!(Series::new(&[1], bars).is_err());
/// # Ok::<(), feedguard::quality::SeriesError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'a> {
    timestamps: &'a [i64],
    bars: Bars<'a>,
    extras: Extras<'a>,
    stamps: Option<Stamps>,
    calendar: Option<&'a TradingCalendar>,
    board: Option<Board>,
    listed: Option<NaiveDate>,
    tick: Option<f64>,
    profile: Option<FeedProfile>,
}

macro_rules! extra_columns {
    ($($(#[doc = $doc:literal])+ $name:ident)+) => {
        impl<'a> Series<'a> {
            $(
                $(#[doc = $doc])+
                ///
                /// # Errors
                /// [`SeriesError`] if it has another length than the timestamps.
                pub fn $name(mut self, column: &'a [f64]) -> Result<Self, SeriesError> {
                    self.fits(stringify!($name), column)?;
                    self.extras.$name = Some(column);
                    Ok(self)
                }
            )+
        }
    };
}

extra_columns! {
    /// Adds the money traded.
    amount
    /// Adds the close adjusted for splits and dividends.
    adj_close
    /// Adds the dividend per share on its ex-date; 0 elsewhere.
    dividends
    /// Adds the split ratio on its ex-date (2 for two new for one old); 0 or 1 elsewhere.
    splits
    /// Adds the exchange's reference price of the day: the last close, less what the ex-date takes.
    pre_close
    /// Adds the highest price allowed on the day; wins over the board's rule.
    limit_up
    /// Adds the lowest price allowed on the day; wins over the board's rule.
    limit_down
}

impl<'a> Series<'a> {
    /// A series of these columns.
    ///
    /// # Errors
    /// [`SeriesError`] if a column has another length than the timestamps.
    pub fn new(timestamps: &'a [i64], bars: Bars<'a>) -> Result<Self, SeriesError> {
        let series = Self {
            timestamps,
            bars,
            extras: Extras::default(),
            stamps: None,
            calendar: None,
            board: None,
            listed: None,
            tick: None,
            profile: None,
        };
        series.fits("open", bars.open)?;
        series.fits("high", bars.high)?;
        series.fits("low", bars.low)?;
        series.fits("close", bars.close)?;
        series.fits("volume", bars.volume)?;
        Ok(series)
    }

    /// Says what the timestamps are, and how many seconds local time is ahead of them (for China's
    /// exchanges and UTC timestamps `8 * 3600`): rules with dates need it. Where clocks change with the
    /// season, [`time_zone`](Self::time_zone) is right.
    #[must_use]
    pub const fn time_unit(mut self, unit: TimeUnit, offset_secs: i32) -> Self {
        self.stamps = Some(Stamps { unit, zone: Zone::Fixed(offset_secs) });
        self
    }

    /// Says what the timestamps are, and in which time zone the exchange is: rules with dates need it.
    #[must_use]
    pub const fn time_zone(mut self, unit: TimeUnit, zone: Tz) -> Self {
        self.stamps = Some(Stamps { unit, zone: Zone::Named(zone) });
        self
    }

    /// Says the price step of the instrument, which open and close may be outside of low to high;
    /// otherwise that of the settings holds.
    #[must_use]
    pub const fn tick(mut self, tick: f64) -> Self {
        self.tick = Some(tick);
        self
    }

    /// Says what kind of feed the series is from; otherwise that of the settings holds.
    #[must_use]
    pub const fn profile(mut self, profile: FeedProfile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Says on which days there is trading: gaps need it, and the time unit.
    #[must_use]
    pub const fn calendar(mut self, calendar: &'a TradingCalendar) -> Self {
        self.calendar = Some(calendar);
        self
    }

    /// Says on which board the instrument trades: limits by board need it, the time unit, and
    /// `pre_close`.
    #[must_use]
    pub const fn board(mut self, board: Board) -> Self {
        self.board = Some(board);
        self
    }

    /// Says the first day of trading: there are no limits then.
    #[must_use]
    pub const fn listed(mut self, first_day: NaiveDate) -> Self {
        self.listed = Some(first_day);
        self
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// A column; `None` if the series has none.
    pub const fn column(&self, column: Column) -> Option<&'a [f64]> {
        match column {
            Column::Open => Some(self.bars.open),
            Column::High => Some(self.bars.high),
            Column::Low => Some(self.bars.low),
            Column::Close => Some(self.bars.close),
            Column::Volume => Some(self.bars.volume),
            Column::Amount => self.extras.amount,
            Column::AdjClose => self.extras.adj_close,
            Column::Dividends => self.extras.dividends,
            Column::Splits => self.extras.splits,
            Column::PreClose => self.extras.pre_close,
            Column::LimitUp => self.extras.limit_up,
            Column::LimitDown => self.extras.limit_down,
        }
    }

    /// The exchange's date of a row; `None` without a time unit, for a timestamp that is no date, or
    /// a row that is not there.
    pub fn date(&self, row: usize) -> Option<NaiveDate> {
        self.stamps?.date(*self.timestamps.get(row)?)
    }

    /// The timestamps.
    pub const fn timestamps(&self) -> &'a [i64] {
        self.timestamps
    }

    /// The bars.
    pub const fn bars(&self) -> &Bars<'a> {
        &self.bars
    }

    /// The series with the facts of the settings where it has none of its own: its price step and its profile.
    pub(super) fn informed(mut self, config: &QualityConfig) -> Self {
        let profile = self.profile.unwrap_or(config.profile);
        self.tick = self.tick.or(config.robust.tick).or(profile.tick).filter(|tick| *tick > 0.0 && tick.is_finite());
        self.profile = Some(profile);
        self
    }

    /// What kind of feed the series is from.
    pub(super) fn feed(&self) -> FeedProfile {
        self.profile.unwrap_or_default()
    }

    pub(super) const fn price_step(&self) -> Option<f64> {
        self.tick
    }

    pub(super) const fn extras(&self) -> &Extras<'a> {
        &self.extras
    }

    pub(super) const fn stamps(&self) -> Option<Stamps> {
        self.stamps
    }

    pub(super) const fn trading_calendar(&self) -> Option<&'a TradingCalendar> {
        self.calendar
    }

    pub(super) const fn trading_board(&self) -> Option<Board> {
        self.board
    }

    pub(super) const fn first_day(&self) -> Option<NaiveDate> {
        self.listed
    }

    /// The same facts about other columns.
    pub(super) const fn with_columns<'b>(&self, timestamps: &'b [i64], bars: Bars<'b>, extras: Extras<'b>) -> Series<'b>
    where
        'a: 'b,
    {
        Series {
            timestamps,
            bars,
            extras,
            stamps: self.stamps,
            calendar: self.calendar,
            board: self.board,
            listed: self.listed,
            tick: self.tick,
            profile: self.profile,
        }
    }

    fn fits(&self, column: &'static str, values: &[f64]) -> Result<(), SeriesError> {
        let expected = self.timestamps.len();
        if values.len() == expected { Ok(()) } else { Err(SeriesError { column, found: values.len(), expected }) }
    }
}
