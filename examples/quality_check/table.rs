//! Price files as columns.

use std::path::Path;

use chrono::{DateTime, NaiveDate};
use feedguard::quality::{Bars, Column, Repair, Series, SeriesError, TimeUnit};

/// The columns of a CSV file; missing cells are NaN.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) seconds: Vec<i64>,
    /// The day of each row as it stands in the file.
    pub(crate) dates: Vec<String>,
    columns: Vec<(String, Vec<f64>)>,
    volume_stand_in: Vec<f64>,
}

/// What may be mended, by the names of columns.
const COLUMNS: [(&str, Column); 8] = [
    ("open", Column::Open),
    ("high", Column::High),
    ("low", Column::Low),
    ("close", Column::Close),
    ("volume", Column::Volume),
    ("amount", Column::Amount),
    ("adjclose", Column::AdjClose),
    ("dividends", Column::Dividends),
];

const BARS: [&str; 4] = ["open", "high", "low", "close"];

impl Table {
    /// Reads a file whose first column is the time (ISO, with or without time and offset) and whose
    /// others are named as usual, in any order and case; unknown ones are ignored.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_path(path)?;
        let names: Vec<String> = reader.headers()?.iter().skip(1).map(normal).collect();
        let mut table = Self { columns: names.into_iter().map(|name| (name, Vec::new())).collect(), ..Self::default() };
        for (line, record) in reader.records().enumerate() {
            let record = record?;
            let time = record.get(0).unwrap_or_default();
            table.seconds.push(seconds(time).ok_or_else(|| format!("line {}: {time:?} is no time", line + 2))?);
            table.dates.push(time.split([' ', 'T']).next().unwrap_or_default().to_owned());
            for (at, (name, column)) in table.columns.iter_mut().enumerate() {
                let text = record.get(at + 1).unwrap_or_default();
                let is_missing =
                    ["", "null", "none", "na", "n/a", "-", "--"].contains(&text.to_ascii_lowercase().as_str());
                let value = if is_missing { Ok(f64::NAN) } else { text.parse() };
                let known = BARS.contains(&name.as_str()) || name == "volume";
                match value {
                    Ok(value) => column.push(value),
                    Err(_) if !known => column.push(f64::NAN),
                    Err(error) => return Err(format!("line {}: {name} {text:?}: {error}", line + 2).into()),
                }
            }
        }
        for name in BARS {
            table.column(name).ok_or_else(|| format!("no column {name:?}"))?;
        }
        table.volume_stand_in = vec![1.0; table.seconds.len()];
        Ok(table)
    }

    /// Writes the file once more, with the cells of a repair, as `FILE.mended.csv` beside it.
    pub(crate) fn write_mended(&self, path: &Path, repair: &Repair) -> std::io::Result<()> {
        let given = self.series().map_err(std::io::Error::other)?;
        let mended = repair.series(&given);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(std::io::Error::other)?;
        let headers = reader.headers().map_err(std::io::Error::other)?.clone();
        let mut writer = csv::WriterBuilder::new().flexible(true).from_path(path.with_extension("mended.csv"))?;
        writer.write_record(&headers).map_err(std::io::Error::other)?;
        let column =
            |at: usize| COLUMNS.iter().find(|(name, _)| *name == normal(&headers[at])).map(|(_, column)| *column);
        for (row, record) in reader.records().enumerate() {
            let record = record.map_err(std::io::Error::other)?;
            let cells = record.iter().enumerate().map(|(at, text)| {
                let column = if at < headers.len() { column(at) } else { None };
                let cells = column.map(|column| (given.column(column), mended.column(column)));
                match cells {
                    Some((Some(old), Some(new))) if old[row].to_bits() != new[row].to_bits() => {
                        format!("{:.6}", new[row])
                    }
                    _ => text.to_owned(),
                }
            });
            writer.write_record(cells.collect::<Vec<String>>()).map_err(std::io::Error::other)?;
        }
        writer.flush()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, column)| column.as_slice())
    }

    /// The table as a series. A file without volumes has a constant one, which says nothing.
    pub(crate) fn series(&self) -> Result<Series<'_>, SeriesError> {
        let column = |name| self.column(name).unwrap_or(&[]);
        let bars = Bars {
            open: column("open"),
            high: column("high"),
            low: column("low"),
            close: column("close"),
            volume: self.column("volume").unwrap_or(&self.volume_stand_in),
        };
        let mut series = Series::new(&self.seconds, bars)?.time_unit(TimeUnit::Seconds, 0);
        if let Some(column) = self.column("amount") {
            series = series.amount(column)?;
        }
        if let Some(column) = self.column("adjclose") {
            series = series.adj_close(column)?;
        }
        if let Some(column) = self.column("dividends") {
            series = series.dividends(column)?;
        }
        if let Some(column) = self.column("stocksplits").or(self.column("splits")) {
            series = series.splits(column)?;
        }
        if let Some(column) = self.column("preclose") {
            series = series.pre_close(column)?;
        }
        if let Some(column) = self.column("limitup") {
            series = series.limit_up(column)?;
        }
        if let Some(column) = self.column("limitdown") {
            series = series.limit_down(column)?;
        }
        Ok(series)
    }
}

/// `Adj Close` and `adj_close` are one name.
fn normal(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn seconds(text: &str) -> Option<i64> {
    let compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let zoned =
        DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").or_else(|_| DateTime::parse_from_rfc3339(text));
    if let Ok(time) = zoned {
        return Some(time.timestamp());
    }
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok());
    let formats = if compact { ["%Y%m%d"; 3] } else { ["%Y-%m-%d", "%m/%d/%Y", "%Y/%m/%d"] };
    let date = || formats.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())?.and_hms_opt(0, 0, 0);
    Some(naive.or_else(date)?.and_utc().timestamp())
}
