//! How far a price may move in a day, by board and date: a table that an operator can replace.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::config::Faults;
use crate::error::ConfigError;

/// A board with price limits of its own.
///
/// # Examples
/// ```
/// use feedguard::quality::{Bars, Board, Series};
/// let price = [10.0, 10.1, 10.2];
/// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e5, 1e5, 1e5] };
/// let series = Series::new(&[1, 2, 3], bars)?.board(Board::Main);
/// # drop(series);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Board {
    /// Main boards of Shanghai and Shenzhen.
    Main,
    /// Main boards, under special treatment (ST, *ST).
    MainSt,
    /// `ChiNext` of Shenzhen.
    ChiNext,
    /// STAR of Shanghai.
    Star,
    /// Beijing.
    Bse,
}

/// One line of the table: the limit of a board from a day on.
///
/// # Examples
/// ```
/// use chrono::NaiveDate;
/// use feedguard::quality::{Board, BoardLimit, PriceLimits};
/// let from = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
/// let limits = PriceLimits::new([BoardLimit::new(Board::Main, from, 0.10, 5, 0.01)]);
/// assert_eq!(limits.of(Board::Main, from).unwrap().limit, 0.10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BoardLimit {
    /// The board.
    pub board: Board,
    /// First day on which the line holds; it ends where the board's next line starts.
    pub from: NaiveDate,
    /// Largest change against the reference price, as a share.
    pub limit: f64,
    /// Trading days after the listing without a limit, the first day included.
    pub free_days: u32,
    /// Price step to which a limit price is rounded.
    pub tick: f64,
}

impl BoardLimit {
    /// A line of the table.
    pub const fn new(board: Board, from: NaiveDate, limit: f64, free_days: u32, tick: f64) -> Self {
        Self { board, from, limit, free_days, tick }
    }

    /// Lowest and highest price of a day, rounded to the tick, half up.
    pub(super) fn prices(&self, pre_close: f64) -> (f64, f64) {
        // The product of two decimals lies a hair below its half tick as often as above it.
        let rounded = |price: f64| (price / self.tick + 0.5 + 1e-6).floor() * self.tick;
        let (low, high) = (rounded(pre_close * (1.0 - self.limit)), rounded(pre_close * (1.0 + self.limit)));
        // One tick is always allowed, however cheap the share.
        (low.min(pre_close - self.tick), high.max(pre_close + self.tick))
    }
}

/// Price limits by board and date, as in `[{board: main, from: 1996-12-16, limit: 0.1, ...}]`.
///
/// The default is China's: main boards 10 %, ST 5 % until 2026-07-05 and 10 % after, `ChiNext` 10 %
/// and 20 % from 2020-08-24, STAR 20 %, Beijing 30 %; new shares are free for one day, under the
/// registration system for five (Beijing one).
///
/// # Examples
/// ```
/// use feedguard::quality::{Board, PriceLimits};
/// let day = |text: &str| text.parse().unwrap();
/// let limit = |date| PriceLimits::default().of(Board::MainSt, day(date)).map(|line| line.limit);
/// assert_eq!(limit("2026-07-05"), Some(0.05));
/// assert_eq!(limit("2026-07-06"), Some(0.10));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceLimits {
    lines: Vec<BoardLimit>,
}

impl Default for PriceLimits {
    fn default() -> Self {
        use Board::{Bse, ChiNext, Main, MainSt, Star};
        const TICK: f64 = 0.01;
        let lines = [
            (Main, (1996, 12, 16), 0.10, 1),
            (Main, (2023, 4, 10), 0.10, 5),
            (MainSt, (1998, 4, 22), 0.05, 1),
            (MainSt, (2026, 7, 6), 0.10, 1),
            (ChiNext, (2009, 10, 30), 0.10, 1),
            (ChiNext, (2020, 8, 24), 0.20, 5),
            (Star, (2019, 7, 22), 0.20, 5),
            (Bse, (2021, 11, 15), 0.30, 1),
        ];
        let line = |(board, (year, month, day), limit, free_days)| {
            let from = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
            BoardLimit::new(board, from, limit, free_days, TICK)
        };
        Self { lines: lines.into_iter().map(line).collect() }
    }
}

impl PriceLimits {
    /// A table of these lines, in any order.
    pub fn new(lines: impl IntoIterator<Item = BoardLimit>) -> Self {
        Self { lines: lines.into_iter().collect() }
    }

    /// The lines.
    pub fn lines(&self) -> &[BoardLimit] {
        &self.lines
    }

    /// The line that holds for a board on a day.
    pub fn of(&self, board: Board, day: NaiveDate) -> Option<&BoardLimit> {
        self.lines.iter().filter(|line| line.board == board && line.from <= day).max_by_key(|line| line.from)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        for (at, line) in self.lines.iter().enumerate() {
            faults.range(&format!("{at}.limit"), line.limit, 0.001..=10.0);
            faults.range(&format!("{at}.tick"), line.tick, 1e-9..=1e6);
            faults.range(&format!("{at}.free_days"), line.free_days, 0..=1000);
        }
        faults.finish()
    }
}
