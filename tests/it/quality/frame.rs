//! A calm series to spoil, and a check of what is found in it.

use chrono::NaiveDate;
use feedguard::quality::{Bars, Board, Finding, QualityReport, Rule, Series, TimeUnit, TradingCalendar};
use feedguard::{DataQualityValidator, QualityConfig};

/// Owned columns of a series and the facts about it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) time: Vec<i64>,
    pub(crate) open: Vec<f64>,
    pub(crate) high: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) close: Vec<f64>,
    pub(crate) volume: Vec<f64>,
    pub(crate) amount: Option<Vec<f64>>,
    pub(crate) adj_close: Option<Vec<f64>>,
    pub(crate) dividends: Option<Vec<f64>>,
    pub(crate) splits: Option<Vec<f64>>,
    pub(crate) pre_close: Option<Vec<f64>>,
    pub(crate) limit_up: Option<Vec<f64>>,
    pub(crate) limit_down: Option<Vec<f64>>,
    pub(crate) unit: Option<TimeUnit>,
    pub(crate) calendar: Option<TradingCalendar>,
    pub(crate) board: Option<Board>,
    pub(crate) listed: Option<NaiveDate>,
}

impl Frame {
    /// Prices around 100 that move by up to one per cent a day, volumes around 1000; days since 1970.
    pub(crate) fn calm(rows: usize) -> Self {
        let close: Vec<f64> = (0..rows).map(|row| 100.0 + (row as f64 * 0.7).sin()).collect();
        let open: Vec<f64> = (0..rows).map(|row| if row == 0 { 100.1 } else { close[row - 1] + 0.1 }).collect();
        Self {
            time: (19_000..).take(rows).collect(),
            high: open.iter().zip(&close).map(|(open, close)| open.max(*close) + 0.5).collect(),
            low: open.iter().zip(&close).map(|(open, close)| open.min(*close) - 0.5).collect(),
            volume: (0..rows).map(|row| 1000.0 + 37.0 * ((row * 7) % 10) as f64).collect(),
            open,
            close,
            amount: None,
            adj_close: None,
            dividends: None,
            splits: None,
            pre_close: None,
            limit_up: None,
            limit_down: None,
            unit: None,
            calendar: None,
            board: None,
            listed: None,
        }
    }

    /// Lively clean bars at about a price, on weekdays up to the end of 2023.
    pub(crate) fn bars(rows: usize, price: f64) -> Self {
        let last = 19_720_i64; // 2023-12-29, a Friday.
        let mut days: Vec<i64> =
            (0..).map(|back| last - back).filter(|day| (day + 3).rem_euclid(7) < 5).take(rows).collect();
        days.reverse();
        let round = |price: f64| (price * 100.0).round() / 100.0;
        let at = |row: usize| row as f64;
        let close = |row: usize| {
            price * (1.0 + 0.05 * (0.11 * at(row)).sin() + 0.02 * (1.7 * at(row)).sin() + 0.01 * (2.9 * at(row)).cos())
        };
        let open = |row: usize| close(row.saturating_sub(1)) * (1.0 + 0.004 * (2.3 * at(row)).sin());
        let high = |row: usize| open(row).max(close(row)) * (1.003 + 0.004 * (1.3 * at(row)).sin().abs());
        let low = |row: usize| open(row).min(close(row)) * (0.997 - 0.004 * (0.7 * at(row)).sin().abs());
        let volume = |row: usize| 2e6 * (1.0 + 0.5 * (0.9 * at(row)).sin() + 0.2 * (4.1 * at(row)).cos());
        let column = |cell: &dyn Fn(usize) -> f64| (0..rows).map(cell).collect::<Vec<f64>>();
        Self {
            time: days,
            unit: Some(TimeUnit::Days),
            open: column(&|row| round(open(row))),
            high: column(&|row| round(high(row))),
            low: column(&|row| round(low(row))),
            close: column(&|row| round(close(row))),
            volume: column(&|row| volume(row).round()),
            ..Self::calm(0)
        }
    }

    fn columns_mut(&mut self) -> Vec<&mut Vec<f64>> {
        let Self { open, high, low, close, volume, amount, adj_close, dividends, splits, .. } = self;
        let extras = [amount, adj_close, dividends, splits].into_iter().flatten();
        [open, high, low, close, volume].into_iter().chain(extras).collect()
    }

    /// Some rows of it.
    pub(crate) fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let mut part = self.clone();
        part.time = part.time[rows.clone()].to_vec();
        part.columns_mut().into_iter().for_each(|column| *column = column[rows.clone()].to_vec());
        part
    }

    /// The same in the order of a vendor who begins with today.
    pub(crate) fn reverse(&mut self) {
        self.time.reverse();
        self.columns_mut().into_iter().for_each(|column| column.reverse());
    }

    /// Takes rows out.
    pub(crate) fn cut(&mut self, rows: std::ops::Range<usize>) {
        self.time.drain(rows.clone());
        self.columns_mut().into_iter().for_each(|column| drop(column.drain(rows.clone())));
    }

    /// Puts the row once more behind itself, under another time.
    pub(crate) fn insert_copy(&mut self, row: usize, time: i64) {
        self.time.insert(row + 1, time);
        self.columns_mut().into_iter().for_each(|column| column.insert(row + 1, column[row]));
    }

    /// Multiplies the prices of a row, the adjusted close too.
    pub(crate) fn scale(&mut self, row: usize, factor: f64) {
        for column in [&mut self.open, &mut self.high, &mut self.low, &mut self.close] {
            column[row] *= factor;
        }
        if let Some(column) = &mut self.adj_close {
            column[row] *= factor;
        }
    }

    pub(crate) fn scale_all(&mut self, rows: std::ops::Range<usize>, factor: f64) {
        rows.for_each(|row| self.scale(row, factor));
    }

    pub(crate) fn set(&mut self, row: usize, price: f64) {
        for column in [&mut self.open, &mut self.high, &mut self.low, &mut self.close] {
            column[row] = price;
        }
    }

    /// Copies bar and volume of the row before `first` to the rows from there.
    pub(crate) fn freeze(&mut self, first: usize, rows: usize) {
        for column in [&mut self.open, &mut self.high, &mut self.low, &mut self.close, &mut self.volume] {
            let value = column[first - 1];
            column[first..first + rows].fill(value);
        }
    }

    /// Adds dividends of one per cent on the rows and the adjusted close that belongs to them.
    pub(crate) fn pay(&mut self, rows: &[usize]) {
        let mut dividends = vec![0.0; self.time.len()];
        let mut adj_close = self.close.clone();
        for &row in rows {
            dividends[row] = 1.0;
            let factor = 1.0 - 1.0 / self.close[row - 1];
            adj_close[..row].iter_mut().for_each(|close| *close *= factor);
        }
        (self.dividends, self.adj_close) = (Some(dividends), Some(adj_close));
    }

    /// Adds a dividend of a share of the close before.
    pub(crate) fn pay_once(&mut self, row: usize, share: f64) {
        let mut dividends = vec![0.0; self.time.len()];
        dividends[row] = self.close[row - 1] * share;
        self.dividends = Some(dividends);
    }

    /// Adds the adjusted close: the close, before `row` times a factor.
    pub(crate) fn adjust_before(&mut self, row: usize, factor: f64) {
        let mut adj_close = self.close.clone();
        adj_close[..row].iter_mut().for_each(|close| *close *= factor);
        self.adj_close = Some(adj_close);
    }

    /// Makes the closes of now the adjusted ones, and the prices before `row` another multiple.
    pub(crate) fn unadjust_before(&mut self, row: usize, ratio: f64) {
        self.adj_close = Some(self.close.clone());
        for column in [&mut self.open, &mut self.high, &mut self.low, &mut self.close] {
            column[..row].iter_mut().for_each(|price| *price *= ratio);
        }
    }

    pub(crate) fn declare_split(&mut self, row: usize, ratio: f64) {
        self.splits.get_or_insert_with(|| vec![0.0; self.time.len()])[row] = ratio;
    }

    pub(crate) fn series(&self) -> Series<'_> {
        let bars =
            Bars { open: &self.open, high: &self.high, low: &self.low, close: &self.close, volume: &self.volume };
        let mut series = Series::new(&self.time, bars).unwrap();
        type Add = for<'a> fn(Series<'a>, &'a [f64]) -> Result<Series<'a>, feedguard::quality::SeriesError>;
        let extras: [(&Option<Vec<f64>>, Add); 7] = [
            (&self.amount, |series, column| series.amount(column)),
            (&self.adj_close, |series, column| series.adj_close(column)),
            (&self.dividends, |series, column| series.dividends(column)),
            (&self.splits, |series, column| series.splits(column)),
            (&self.pre_close, |series, column| series.pre_close(column)),
            (&self.limit_up, |series, column| series.limit_up(column)),
            (&self.limit_down, |series, column| series.limit_down(column)),
        ];
        for (column, add) in extras {
            if let Some(column) = column {
                series = add(series, column).unwrap();
            }
        }
        if let Some(unit) = self.unit {
            series = series.time_unit(unit, 0);
        }
        if let Some(calendar) = &self.calendar {
            series = series.calendar(calendar);
        }
        if let Some(board) = self.board {
            series = series.board(board);
        }
        self.listed.map_or(series, |day| series.listed(day))
    }

    pub(crate) fn report(&self, config: QualityConfig) -> QualityReport {
        DataQualityValidator::new("quality", config).unwrap().validate(&self.series())
    }
}

/// The rows of a finding as given, where those are ascending or descending.
pub(crate) fn rows_of(finding: &Finding) -> std::ops::RangeInclusive<usize> {
    finding.row.min(finding.last_row)..=finding.row.max(finding.last_row)
}

/// Rule and rows of all findings, by rule.
pub(crate) fn found(report: &QualityReport) -> Expected {
    let rows = |rule| report.findings.iter().filter(move |finding| finding.rule == rule).flat_map(rows_of);
    report.totals.iter().map(|total| (total.rule, rows(total.rule).collect())).collect()
}

/// Rules and the rows they must be found in.
pub(crate) type Expected = Vec<(Rule, Vec<usize>)>;

/// A named case: what is done to a calm series of 60 rows, and what must be found, nothing else.
pub(crate) type Case = (&'static str, fn(&mut Frame), Expected);

pub(crate) fn check(cases: Vec<Case>, config: &QualityConfig) {
    let mut faults = Vec::new();
    for (name, spoil, mut expected) in cases {
        let mut frame = Frame::calm(60);
        spoil(&mut frame);
        let mut found = found(&frame.report(config.clone()));
        found.sort();
        expected.sort();
        if found != expected {
            faults.push(format!("{name}: found {found:?}, expected {expected:?}"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
