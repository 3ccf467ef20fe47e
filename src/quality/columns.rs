//! Owned columns of a series.

use super::Column;
use super::series::{Bars, Extras, Series};

/// Owned columns of a series: open, high, low, close, volume; and amount, adjusted close, dividends, splits,
/// `pre_close` and the limits where there are any.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    time: Vec<i64>,
    bars: [Vec<f64>; 5],
    extras: [Option<Vec<f64>>; 7],
}

impl Columns {
    /// The rows of a series, in the order given.
    pub(super) fn gather(series: &Series<'_>, rows: &[usize]) -> Self {
        let gather = |column: &[f64]| rows.iter().map(|row| column[*row]).collect::<Vec<f64>>();
        Self {
            time: rows.iter().map(|row| series.timestamps()[*row]).collect(),
            bars: bars(series.bars()).map(gather),
            extras: extras(series.extras()).map(|column| column.map(gather)),
        }
    }

    /// The rows of one series after those of another. A column that only one of them has is NaN in the other's rows.
    pub(super) fn joined(history: &Series<'_>, new: &Series<'_>) -> Self {
        let (old_bars, new_bars) = (bars(history.bars()), bars(new.bars()));
        let (old_extras, new_extras) = (extras(history.extras()), extras(new.extras()));
        let new_rows = new.len();
        let join = |old: Option<&[f64]>, new: Option<&[f64]>| {
            let part = |column: Option<&[f64]>, rows| column.map_or_else(|| vec![f64::NAN; rows], <[f64]>::to_vec);
            (old.is_some() || new.is_some()).then(|| [part(old, history.len()), part(new, new_rows)].concat())
        };
        Self {
            time: [history.timestamps(), new.timestamps()].concat(),
            bars: std::array::from_fn(|at| [old_bars[at], new_bars[at]].concat()),
            extras: std::array::from_fn(|at| join(old_extras[at], new_extras[at])),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.time.len()
    }

    /// The columns with the facts of the series they were made from.
    pub(super) fn series<'a>(&'a self, facts: &Series<'a>) -> Series<'a> {
        let [open, high, low, close, volume] = &self.bars;
        let [amount, adj_close, dividends, splits, pre_close, limit_up, limit_down] =
            [0, 1, 2, 3, 4, 5, 6].map(|at: usize| self.extras[at].as_deref());
        let extras = Extras { amount, adj_close, dividends, splits, pre_close, limit_up, limit_down };
        facts.with_columns(&self.time, Bars { open, high, low, close, volume }, extras)
    }

    pub(super) fn column_mut(&mut self, column: Column) -> Option<&mut Vec<f64>> {
        let [open, high, low, close, volume] = &mut self.bars;
        let [amount, adj_close, dividends, splits, pre_close, limit_up, limit_down] = &mut self.extras;
        match column {
            Column::Open => Some(open),
            Column::High => Some(high),
            Column::Low => Some(low),
            Column::Close => Some(close),
            Column::Volume => Some(volume),
            Column::Amount => amount.as_mut(),
            Column::AdjClose => adj_close.as_mut(),
            Column::Dividends => dividends.as_mut(),
            Column::Splits => splits.as_mut(),
            Column::PreClose => pre_close.as_mut(),
            Column::LimitUp => limit_up.as_mut(),
            Column::LimitDown => limit_down.as_mut(),
        }
    }
}

const fn bars<'a>(bars: &Bars<'a>) -> [&'a [f64]; 5] {
    [bars.open, bars.high, bars.low, bars.close, bars.volume]
}

pub(super) const fn extras<'a>(extras: &Extras<'a>) -> [Option<&'a [f64]>; 7] {
    let Extras { amount, adj_close, dividends, splits, pre_close, limit_up, limit_down } = *extras;
    [amount, adj_close, dividends, splits, pre_close, limit_up, limit_down]
}
