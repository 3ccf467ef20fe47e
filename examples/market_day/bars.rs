//! Real daily bars, as the sources keep them and as they travel.

use std::fmt::Write;

use feedguard::quality::{Bars, Series, SeriesError};

/// Rows of one answer.
pub(crate) const WINDOW: usize = 250;

pub(crate) const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "IBM"];

const FILES: [&str; 3] = [
    include_str!("../data/AAPL-1d-unadjusted.csv"),
    include_str!("../data/MSFT-1d-unadjusted.csv"),
    include_str!("../data/IBM-1d-unadjusted.csv"),
];

/// A window of bars as columns.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) days: Vec<i64>,
    pub(crate) open: Vec<f64>,
    pub(crate) high: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) close: Vec<f64>,
    pub(crate) volume: Vec<f64>,
}

impl Columns {
    pub(crate) fn series(&self) -> Result<Series<'_>, SeriesError> {
        let bars =
            Bars { open: &self.open, high: &self.high, low: &self.low, close: &self.close, volume: &self.volume };
        Series::new(&self.days, bars)
    }

    /// Reads CSV with the columns date, open, high, low, close, volume.
    pub(crate) fn parse(text: &str) -> Result<Self, csv::Error> {
        let mut columns = Self::default();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        for row in reader.deserialize() {
            let (date, open, high, low, close, volume): (String, f64, f64, f64, f64, f64) = row?;
            columns.days.push(date.replace('-', "").parse().unwrap_or_default());
            columns.open.push(open);
            columns.high.push(high);
            columns.low.push(low);
            columns.close.push(close);
            columns.volume.push(volume);
        }
        Ok(columns)
    }
}

/// All bars of the sources, a line a row.
pub(crate) struct Library(Vec<Vec<&'static str>>);

impl Library {
    pub(crate) fn load() -> Self {
        Self(FILES.iter().map(|file| file.lines().skip(1).collect()).collect())
    }

    /// The last `WINDOW` rows up to `end`, as CSV without adjusted closes.
    pub(crate) fn window(&self, symbol: usize, end: usize) -> String {
        let rows = &self.0[symbol % self.0.len()];
        let end = end.clamp(WINDOW, rows.len());
        let mut text = String::with_capacity(WINDOW * 60);
        for row in &rows[end - WINDOW..end] {
            let without_adjusted = row.rsplit_once(',').map_or(*row, |(head, _)| head);
            writeln!(text, "{without_adjusted}").unwrap_or_default();
        }
        text
    }
}

/// The same window with one broken row: the high is where the low should be.
pub(crate) fn spoil(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let middle = lines.len() / 2;
    let mut cells: Vec<String> = lines[middle].split(',').map(str::to_owned).collect();
    cells.swap(2, 3);
    "0.01".clone_into(&mut cells[2]);
    lines[middle] = cells.join(",");
    lines.join("\n") + "\n"
}
