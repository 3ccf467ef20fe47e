//! A series in order of time with one row a timestamp.

use std::cmp::Ordering;

use super::columns::{Columns, extras};
use super::series::Series;

/// A series in strictly ascending order of time, and where its rows came from.
///
/// Findings are booked by *place*: places below [`len`](Self::len) are the rows in order of time,
/// places from there on the rows that were dropped since an earlier one has their timestamp.
pub(super) struct Ordered {
    columns: Columns,
    /// Row as given of each place.
    rows: Vec<usize>,
    /// Of each dropped row the place of the row that was kept.
    kept: Vec<usize>,
}

impl Ordered {
    pub(super) fn new(series: &Series<'_>) -> Self {
        let time = series.timestamps();
        let mut order: Vec<usize> = (0..time.len()).collect();
        if is_descending(time) {
            order.reverse();
        } else if !time.is_sorted() {
            order.sort_by_key(|row| time[*row]);
        }
        let (rows, kept) = drop_duplicates(series, &order);
        let columns = Columns::gather(series, &rows[..rows.len() - kept.len()]);
        Self { columns, rows, kept }
    }

    /// The series, with the facts of the one it was made from.
    pub(super) fn series<'a>(&'a self, facts: &Series<'a>) -> Series<'a> {
        self.columns.series(facts)
    }

    /// Rows with a timestamp of their own.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Of each dropped row: its place, and the place of the row that was kept.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.kept.iter().enumerate().map(|(at, kept)| (self.len() + at, *kept))
    }

    /// Row as given.
    pub(super) fn row(&self, place: usize) -> usize {
        self.rows[place]
    }

    /// Place of each row as given.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.rows.len()];
        for (place, row) in self.rows.iter().enumerate() {
            places[*row] = place;
        }
        places
    }

    /// Number of the timestamp in order of time.
    pub(super) fn position(&self, place: usize) -> usize {
        place.checked_sub(self.len()).map_or(place, |dropped| self.kept[dropped])
    }
}

/// Whether every timestamp is below the one before it.
fn is_descending(time: &[i64]) -> bool {
    time.len() > 1 && time.is_sorted_by(|before, after| before > after)
}

/// Rows with one timestamp each, then the dropped ones, and of each dropped one the place of the
/// row that was kept.
///
/// Kept is the row with the largest volume, the most complete bar; among equal ones the greatest by
/// its values, so that the choice does not depend on the order of rows.
fn drop_duplicates(series: &Series<'_>, order: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let time = series.timestamps();
    let (mut rows, mut dropped, mut kept) = (Vec::with_capacity(order.len()), Vec::new(), Vec::new());
    for group in order.chunk_by(|a, b| time[*a] == time[*b]) {
        let better = |a: usize, b: usize| if compare_rows(series, a, b) == Ordering::Less { b } else { a };
        let best = group.iter().copied().reduce(better);
        dropped.extend(group.iter().copied().filter(|row| Some(*row) != best));
        kept.resize(dropped.len(), rows.len());
        rows.extend(best);
    }
    rows.append(&mut dropped);
    (rows, kept)
}

fn values<'a>(series: &Series<'a>) -> impl Iterator<Item = &'a [f64]> {
    let bars = series.bars();
    [bars.volume, bars.close, bars.high, bars.low, bars.open]
        .into_iter()
        .chain(extras(series.extras()).into_iter().flatten())
}

fn compare_rows(series: &Series<'_>, a: usize, b: usize) -> Ordering {
    // A row of numbers is better than one of NaN, whose sign would decide otherwise.
    let is_number = |row: usize| values(series).all(|column| column[row].is_finite());
    is_number(a).cmp(&is_number(b)).then_with(|| {
        values(series)
            .map(|column| column[a].total_cmp(&column[b]))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

/// Whether two rows say the same.
#[expect(clippy::float_cmp, reason = "the same is the same bits")]
pub(super) fn is_same_row(series: &Series<'_>, a: usize, b: usize) -> bool {
    values(series).all(|column| column[a] == column[b] || (column[a].is_nan() && column[b].is_nan()))
}
