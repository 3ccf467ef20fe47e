//! Reads the price files of the tests.

use chrono::{DateTime, NaiveDate};
use feedguard::quality::{Bars, Series, TimeUnit};

/// The columns of a file; missing ones are `None`.
#[derive(Clone, Default)]
pub(crate) struct PriceFile {
    pub(crate) name: String,
    pub(crate) time: Vec<i64>,
    /// Open, high, low, close, volume.
    pub(crate) bars: [Vec<f64>; 5],
    pub(crate) adj_close: Option<Vec<f64>>,
    pub(crate) dividends: Option<Vec<f64>>,
    pub(crate) splits: Option<Vec<f64>>,
}

pub(crate) fn seconds(text: &str) -> i64 {
    match DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z") {
        Ok(time) => time.timestamp(),
        Err(_) => text.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp(),
    }
}

impl PriceFile {
    /// A file of `tests/data/quality` or `examples/data`.
    pub(crate) fn load(path: &str) -> Self {
        let mut reader = csv::Reader::from_path(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let column = |name: &str| {
            let at = names.iter().position(|other| other == name)?;
            Some(records.iter().map(|record| record[at].parse().unwrap_or(f64::NAN)).collect::<Vec<f64>>())
        };
        Self {
            name: path.rsplit('/').next().unwrap().to_owned(),
            time: records.iter().map(|record| seconds(&record[0])).collect(),
            bars: ["Open", "High", "Low", "Close", "Volume"].map(|name| column(name).unwrap()),
            adj_close: column("Adj Close"),
            dividends: column("Dividends"),
            splits: column("Stock Splits"),
        }
    }

    pub(crate) fn series(&self) -> Series<'_> {
        let [open, high, low, close, volume] = &self.bars;
        let mut series = Series::new(&self.time, Bars { open, high, low, close, volume }).unwrap();
        series = series.time_unit(TimeUnit::Seconds, 0);
        if let Some(column) = &self.adj_close {
            series = series.adj_close(column).unwrap();
        }
        if let Some(column) = &self.dividends {
            series = series.dividends(column).unwrap();
        }
        if let Some(column) = &self.splits {
            series = series.splits(column).unwrap();
        }
        series
    }

    /// Some rows.
    pub(crate) fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let part = |column: &Vec<f64>| column[rows.clone()].to_vec();
        Self {
            name: self.name.clone(),
            time: self.time[rows.clone()].to_vec(),
            bars: self.bars.each_ref().map(part),
            adj_close: self.adj_close.as_ref().map(part),
            dividends: self.dividends.as_ref().map(part),
            splits: self.splits.as_ref().map(part),
        }
    }

    /// The rows in order of time.
    pub(crate) fn sorted(mut self) -> Self {
        let mut order: Vec<usize> = (0..self.time.len()).collect();
        order.sort_by_key(|row| self.time[*row]);
        let pick = |column: &Vec<f64>| order.iter().map(|row| column[*row]).collect::<Vec<f64>>();
        self.bars = self.bars.each_ref().map(pick);
        self.adj_close = self.adj_close.as_ref().map(pick);
        self.dividends = self.dividends.as_ref().map(pick);
        self.splits = self.splits.as_ref().map(pick);
        self.time.sort_unstable();
        self
    }
}

/// Real series in which nothing is known to be wrong, in order of time.
pub(crate) fn clean() -> Vec<PriceFile> {
    let own = ["AAPL", "MSFT", "IBM"].map(|name| format!("examples/data/{name}-1d-unadjusted.csv"));
    let others = ["CALM", "IBE-MC", "KMR-L"].map(|name| format!("tests/data/quality/clean/{name}-1d-no-bad-divs.csv"));
    own.iter().chain(&others).map(|path| PriceFile::load(path).sorted()).collect()
}

/// The files with errors, as delivered, and the same as mended.
pub(crate) fn pairs() -> Vec<(PriceFile, PriceFile)> {
    let names = [
        "4063-T-1d-bad-stock-split",
        "8TRA-DE-1d-missing-div-adjust",
        "ABDP-L-1d-bad-div",
        "ASAI-L-1h-bad-unit",
        "KAP-IL-1d-bad-div",
        "LA-V-1d-bad-stock-split",
        "REL-L-1d-bad-div",
        "SSW-JO-1d-100x-error",
    ];
    let load = |folder: &str, name: String| PriceFile::load(&format!("tests/data/quality/{folder}/{name}.csv"));
    names.map(|name| (load("bad", name.to_owned()), load("fixed", format!("{name}-fixed")))).into()
}
