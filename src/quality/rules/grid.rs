//! The grid of the timestamps, learned from the series: bars off it, days too many, stretches that are missing.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::quality::median::{median, median_of_integers};
use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::robust::GridStep;
use crate::quality::rules::week::Week;
use crate::quality::time::Stamps;
use crate::quality::{RowSet, Rule, Series};

/// Rows that tell a grid.
const MIN_ROWS: usize = 10;
/// Share of the rows that may leave the usual step: beyond there is no grid.
const MAX_BREAKS: f64 = 0.6;
/// Share of the rows that may be off the grid: beyond it is another grid.
const MAX_OFF: f64 = 0.5;
/// Stretches at one place of the grid from which on it is a habit.
const HABIT: usize = 3;
/// Sessions that tell what a session is.
const MIN_SESSIONS: usize = 5;
/// A pause that ends a session, in seconds; four steps at least.
const PAUSE_SECS: i64 = 3 * 3600;
/// Part of a usual session that half days and late starts have.
const SHORT_SESSION: f64 = 0.45;
/// Share of the sessions that may be short before that is what sessions are.
const MAX_SHORT: f64 = 0.1;
const DAY: i64 = 86_400;

/// A series with a grid.
struct Grid<'a> {
    series: &'a Series<'a>,
    stamps: Stamps,
    /// Usual step in seconds.
    step: i64,
    breaks: &'a RowSet,
}

/// Bars without a pause.
#[derive(Debug, Clone)]
struct Session {
    rows: Range<usize>,
    /// Seconds of the day at its start and end.
    opens: i64,
    closes: i64,
}

/// `breaks` are the rows that do not follow the one before by the usual step.
pub(in crate::quality) fn check(series: &Series<'_>, breaks: &RowSet, report: &mut ReportBuilder<'_>) {
    let Some(stamps) = series.stamps() else {
        report.skip(Rule::OffGrid, "time_unit");
        if series.trading_calendar().is_none() {
            report.skip(Rule::Gap, "time_unit");
            report.skip(Rule::OffCalendar, "time_unit");
        }
        return;
    };
    let learned = stamps.seconds_of(GridStep::of(series).ticks);
    let told = series.feed().interval.map(|interval| i64::try_from(interval.as_secs()).unwrap_or(i64::MAX));
    let grid = Grid { series, stamps, step: told.or(learned).unwrap_or(DAY).max(1), breaks };
    if series.len() < MIN_ROWS {
        return;
    }
    if breaks.len() as f64 > MAX_BREAKS * series.len() as f64 {
        report.skip(Rule::OffGrid, "a regular step from row to row");
        return;
    }
    if grid.step >= 20 * DAY {
        grid.judge_sparse(20, 80, report);
    } else if grid.step >= 4 * DAY {
        grid.judge_sparse(5, 35, report);
    } else if grid.step >= DAY / 2 {
        grid.judge_days(report);
    } else {
        grid.judge_phases(report);
        grid.judge_sessions(report);
    }
}

impl Grid<'_> {
    fn seconds(&self, row: usize) -> i64 {
        self.stamps.local_seconds(self.series.timestamps()[row]).unwrap_or_default()
    }

    fn day(&self, row: usize) -> i64 {
        self.seconds(row).div_euclid(DAY)
    }

    /// The rows from one break to the next, of those breaks that count.
    fn parts(&self, counts: impl Fn(&usize) -> bool) -> Vec<Range<usize>> {
        let starts: Vec<usize> = std::iter::once(0).chain(self.breaks.iter().filter(counts)).collect();
        let ends = starts.iter().skip(1).copied().chain([self.series.len()]);
        starts.iter().copied().zip(ends).map(|(first, end)| first..end).collect()
    }

    /// Weekly and monthly bars: one too many, or several missing.
    fn judge_sparse(&self, least: i64, most: i64, report: &mut ReportBuilder<'_>) {
        let usual = (self.step / DAY).max(1);
        let mut phases: Vec<i64> = (0..self.series.len()).map(|row| self.day(row).rem_euclid(usual)).collect();
        let phase = median_of_integers(&mut phases).unwrap_or_default();
        let mut booked = None;
        for row in self.breaks.iter() {
            let days = self.day(row) - self.day(row - 1);
            if days < least {
                // Of two that are too near the one is extra that is on another day than most.
                let is_usual = |row: usize| self.day(row).rem_euclid(usual) == phase;
                let extra = if is_usual(row) && !is_usual(row - 1) { row - 1 } else { row };
                if booked != Some(extra) && booked != Some(row - 1) {
                    report.hit(Rule::OffGrid, extra, days as f64, usual as f64);
                    booked = Some(extra);
                }
            } else if days > most && self.series.trading_calendar().is_none() {
                report.hit(Rule::Gap, row, (days * DAY / self.step - 1) as f64, 0.0);
            }
        }
    }

    /// Daily bars: days on which there is no trading otherwise, and long holes.
    fn judge_days(&self, report: &mut ReportBuilder<'_>) {
        if self.series.trading_calendar().is_some() {
            return;
        }
        let runs = self.parts(|_| true);
        let mut week = Week::new(self.series.feed().days);
        for run in &runs {
            week.count(self.day(run.start), run.len());
        }
        for run in &runs {
            for row in run.clone().take(7) {
                if week.is_closed(self.day(row)) {
                    report.hit(Rule::OffCalendar, row, f64::NAN, f64::NAN);
                }
            }
        }
        let missing = |row: usize| week.open_between(self.day(row - 1), self.day(row));
        let holes: Vec<(usize, i64)> = runs.iter().skip(1).map(|run| (run.start, missing(run.start))).collect();
        self.book_holes(holes.into_iter().filter(|(_, missing)| *missing >= week.long_hole()), report);
    }

    /// Holes are found where they are the exception.
    fn book_holes(&self, holes: impl Iterator<Item = (usize, i64)>, report: &mut ReportBuilder<'_>) {
        let holes: Vec<(usize, i64)> = holes.collect();
        if holes.len() > 2 && holes.len() * 50 > self.series.len() {
            report.skip(Rule::Gap, "bars that come regularly");
            return;
        }
        for (row, missing) in holes {
            report.hit(Rule::Gap, row, missing as f64, 0.0);
        }
    }

    /// Intraday bars: stretches beside the minutes of the others.
    fn judge_phases(&self, report: &mut ReportBuilder<'_>) {
        let rows = self.series.len();
        let Some(step) = self.stamps.ticks_of(self.step) else { return };
        let phase = |row: usize| self.series.timestamps()[row].rem_euclid(step);
        let mut runs: Vec<(Range<usize>, i64)> = Vec::new();
        for part in self.parts(|_| true) {
            match runs.last_mut() {
                Some((run, last)) if *last == phase(part.start) => run.end = part.end,
                _ => runs.push((part.clone(), phase(part.start))),
            }
        }
        let mut by_phase: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
        for (run, phase) in &runs {
            let (count, covered) = by_phase.entry(*phase).or_default();
            (*count, *covered) = (*count + 1, *covered + run.len());
        }
        let Some((usual, (_, covered))) = by_phase.iter().max_by_key(|(_, (_, covered))| *covered) else { return };
        if (rows - covered) as f64 > MAX_OFF * rows as f64 {
            report.skip(Rule::OffGrid, "one grid for most rows");
            return;
        }
        for (run, phase) in runs.iter().filter(|(_, phase)| phase != usual && by_phase[phase].0 < HABIT) {
            let off = (phase - usual).rem_euclid(step);
            let off = if off * 2 > step { off - step } else { off };
            let detail = Detail::new(self.stamps.seconds_of(off).unwrap_or(off) as f64, 0.0);
            report.hit_range(Rule::OffGrid, run.clone(), detail);
        }
    }

    /// Intraday bars: sessions that are short, shifted, on a day without trading, or far apart.
    fn judge_sessions(&self, report: &mut ReportBuilder<'_>) {
        let sessions = self.sessions();
        if sessions.len() < MIN_SESSIONS {
            self.judge_holes(&[], (DAY / self.step) as f64, report);
            return;
        }
        let mut lengths: Vec<f64> = sessions.iter().map(|session| session.rows.len() as f64).collect();
        let usual = median(&mut lengths).unwrap_or(1.0);
        let usual = self.series.feed().bars_per_day.map_or(usual, f64::from);
        if self.series.trading_calendar().is_none() {
            self.judge_session_days(&sessions, usual, report);
        }
        let inner = 1..sessions.len() - 1;
        let is_short = |at: &usize| {
            let rows = sessions[*at].rows.len() as f64;
            rows < SHORT_SESSION * usual && usual - rows >= 4.0
        };
        let short: Vec<usize> = inner.clone().filter(is_short).collect();
        if short.len() as f64 <= (MAX_SHORT * sessions.len() as f64).max(2.0) {
            // What a hole has cut in two is one day.
            let day = |at: usize| self.day(sessions[at].rows.start);
            for at in short.iter().copied().filter(|at| !short.contains(&(at - 1)) || day(at - 1) != day(*at)) {
                let session = &sessions[at];
                report.hit(Rule::Gap, session.rows.start, usual - session.rows.len() as f64, 0.0);
            }
        }
        for at in inner {
            let [before, this, after] = [&sessions[at - 1], &sessions[at], &sessions[at + 1]];
            let shift = this.opens - before.opens;
            let is_shifted = shift.abs() >= self.step
                && this.rows.len() as f64 >= SHORT_SESSION * usual
                && before.opens == after.opens
                && at.checked_sub(2).is_none_or(|at| sessions[at].opens == before.opens)
                && sessions.get(at + 2).is_none_or(|next| next.opens == before.opens)
                && this.closes - before.closes == shift;
            if is_shifted {
                report.hit_range(Rule::OffGrid, this.rows.clone(), Detail::new(shift as f64, 0.0));
            }
        }
        self.judge_holes(&sessions, usual, report);
    }

    fn sessions(&self) -> Vec<Session> {
        let pause = PAUSE_SECS.max(4 * self.step);
        let is_pause = |row: &usize| self.seconds(*row) - self.seconds(*row - 1) >= pause;
        let session = |rows: Range<usize>| Session {
            opens: self.seconds(rows.start).rem_euclid(DAY),
            closes: self.seconds(rows.end - 1).rem_euclid(DAY),
            rows,
        };
        self.parts(is_pause).into_iter().map(session).collect()
    }

    fn judge_session_days(&self, sessions: &[Session], usual: f64, report: &mut ReportBuilder<'_>) {
        let mut week = Week::new(self.series.feed().days);
        for session in sessions {
            // A session of currencies lasts a week.
            let (first, last) = (self.day(session.rows.start), self.day(session.rows.end - 1));
            week.count(first, usize::try_from(last - first + 1).unwrap_or(1));
        }
        for session in sessions.iter().filter(|session| week.is_closed(self.day(session.rows.start))) {
            report.hit_range(Rule::OffCalendar, session.rows.clone(), Detail::new(f64::NAN, f64::NAN));
        }
        let ends = sessions.iter().map(|session| session.rows.end - 1);
        let holes = ends
            .zip(sessions.iter().skip(1))
            .map(|(last, next)| (next.rows.start, week.open_between(self.day(last), self.day(next.rows.start))));
        let holes = holes.filter(|(_, missing)| *missing >= week.long_hole());
        for (row, days) in holes.collect::<Vec<_>>() {
            report.hit(Rule::Gap, row, days as f64 * usual, 0.0);
        }
    }

    /// Holes within sessions, but for those that come every day at one time.
    fn judge_holes(&self, sessions: &[Session], usual: f64, report: &mut ReportBuilder<'_>) {
        let long = (usual / 5.0).clamp(5.0, 30.0);
        let starts: Vec<usize> = sessions.iter().map(|session| session.rows.start).collect();
        let mut holes: BTreeMap<i64, Vec<(usize, i64)>> = BTreeMap::new();
        for row in self.breaks.iter().filter(|row| starts.binary_search(row).is_err()) {
            let missing = (self.seconds(row) - self.seconds(row - 1)) / self.step - 1;
            if missing as f64 >= long {
                holes.entry(self.seconds(row).rem_euclid(DAY)).or_default().push((row, missing));
            }
        }
        let rare = holes.into_values().filter(|holes| holes.len() < HABIT).flatten();
        self.book_holes(rare.collect::<BTreeMap<_, _>>().into_iter(), report);
    }
}
