//! Small volumes that come with the hour or the day of the week: Sundays of currencies, stubs of sessions.

use super::evidence::Evidence;
use super::grid_step::GridStep;

/// Days or weeks to either side that are looked at.
const TURNS: i64 = 4;
/// The same, as a number of rows.
const WEEKS_AROUND: usize = 4;
/// Part of the usual volume that counts as small.
const SMALL: f64 = 8.0;
/// Rows of a week, where nobody knows what a timestamp is.
const WEEKS: [usize; 3] = [5, 6, 7];

/// Whether the volumes at this hour of other days, or on this day of other weeks, are small as well.
pub(super) fn is_habit(evidence: &Evidence<'_>, row: usize, usual: f64) -> bool {
    let volume = evidence.series.bars().volume;
    let is_small = |row: usize| volume[row] * SMALL <= usual;
    let Some(day) = evidence.series.stamps().and_then(|stamps| stamps.ticks_of(86_400)) else {
        let turns = |week: usize| {
            (1..=WEEKS_AROUND).flat_map(move |turn| [row.checked_sub(turn * week), row.checked_add(turn * week)])
        };
        let rows = |week: usize| turns(week).flatten().filter(|row| *row < volume.len()).collect::<Vec<_>>();
        return WEEKS.into_iter().any(|week| are_mostly(&rows(week), is_small));
    };
    let time = evidence.series.timestamps();
    let step = GridStep::of(&evidence.series).ticks;
    let nearest = |target: i64| {
        let at = time.partition_point(|time| *time < target);
        let found = [at.checked_sub(1), Some(at)].into_iter().flatten().filter(|at| *at < time.len());
        found.min_by_key(|at| time[*at].abs_diff(target)).filter(|at| time[*at].abs_diff(target) <= step.unsigned_abs())
    };
    let periods = [(day * 7, true), (day, step < day)];
    periods.into_iter().filter(|(_, is_one)| *is_one).any(|(period, _)| {
        let targets = (1..=TURNS)
            .flat_map(|turn| [time[row].saturating_sub(turn * period), time[row].saturating_add(turn * period)]);
        are_mostly(&targets.filter_map(nearest).filter(|at| *at != row).collect::<Vec<_>>(), is_small)
    })
}

/// Whether two in three of at least two are.
fn are_mostly(rows: &[usize], is_small: impl Fn(usize) -> bool) -> bool {
    let small = rows.iter().filter(|row| is_small(**row)).count();
    small >= 2 && small * 3 >= rows.len() * 2
}
