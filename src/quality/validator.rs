//! The face of the quality room.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::columns::Columns;
use super::custom::CustomRule;
use super::metrics::{QualityMetrics, ScoreMetrics};
use super::ordered::Ordered;
use super::report_builder::{Levels, ReportBuilder};
use super::robust::{Disorder, Marks, Robust};
use super::rules::{amount, calendar, cross_source, duplicates, freshness, grid, limits, literal};
use super::threads::Threads;
use super::{Policy, QualityConfig, QualityReport, Rule, Series};
use crate::clock::Clock;
use crate::name::Name;

/// Checks price series: tells errors of the data from moves of the market.
///
/// The default, robust policy judges a row by the rows around it; the literal one by fixed
/// thresholds. An error makes a series invalid and puts the row in quarantine, a warning is worth
/// a look. What a rule needs and the series does not bring is listed in the report as skipped.
///
/// # Concurrency
/// Thread-safe; keeps no state between checks. Rules of the host run on the caller's thread and
/// under no lock. With `threads` other than 1, long series are shared out to threads of its own,
/// started when first needed.
///
/// # Examples
/// ```
/// use feedguard::DataQualityValidator;
/// use feedguard::quality::{Bars, Rule, Series};
/// let validator = DataQualityValidator::new("quality", Default::default())?;
/// let bars = Bars { open: &[10.0, 10.0], high: &[11.0, 9.0], low: &[9.0, 12.0], close: &[10.5, 10.0], volume: &[1e3, 1e3] };
/// let report = validator.validate(&Series::new(&[1, 2], bars)?);
/// assert!(!report.valid && report.quarantine.contains(1));
/// assert_eq!(report.findings[0].rule, Rule::HighBelowLow);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataQualityValidator {
    pub(super) name: Name,
    pub(super) config: QualityConfig,
    pub(super) clock: Clock,
    pub(super) custom: Vec<CustomRule>,
    pub(super) levels: Levels,
    pub(super) metrics: QualityMetrics,
    pub(super) threads: Threads,
    /// Rules whose being skipped is in the log already, by their place.
    pub(super) told: AtomicU64,
}

/// Rows of a history that judge new ones.
const HISTORY_ROWS: usize = 1000;

impl DataQualityValidator {
    /// Checks one series.
    pub fn validate(&self, series: &Series<'_>) -> QualityReport {
        self.validate_for(series, &self.metrics.scores)
    }

    /// As [`validate`](Self::validate), of a source with scores of its own.
    pub(crate) fn validate_for(&self, series: &Series<'_>, scores: &ScoreMetrics) -> QualityReport {
        let (report, _) = self.judged(series, self.config.max_findings_per_rule);
        scores.show(&report);
        self.metrics.count(&report);
        self.tell_skipped(&report);
        report
    }

    /// The report with the first and the last `keep` findings of each rule, and the row of each position where that
    /// is not the row itself.
    pub(super) fn judged(&self, series: &Series<'_>, keep: usize) -> (QualityReport, Option<Vec<usize>>) {
        let mut report = ReportBuilder::new(&self.levels, keep);
        let mut ordered = None;
        if self.config.enabled && self.judge(series, &mut report).is_err() {
            report = ReportBuilder::new(&self.levels, keep);
            let sorted = ordered.insert(Ordered::new(series));
            duplicates::check(series, sorted, &mut report);
            // In order now: it cannot be in disorder again.
            let _ = self.judge(&sorted.series(series), &mut report);
        }
        self.judge_by_host(series, ordered.as_ref(), &mut report);
        let order = ordered.as_ref().map(|ordered| (0..ordered.len()).map(|place| ordered.row(place)).collect());
        (report.finish(series, ordered.as_ref()), order)
    }

    /// Checks new rows against stored ones, which are known to be right: only new rows are judged, by the level,
    /// units and habits of the history. A new row that leaves the stored level on an ordinary day is an error
    /// ([`Rule::OffLevel`](super::Rule::OffLevel)); a declared split in the new rows explains it.
    ///
    /// Rows of the history from the first new timestamp on are not looked at; of a long history the last thousand
    /// rows are. The report's rows are those of `new`. Rules of the host see `new` alone.
    ///
    /// # Examples
    /// ```
    /// use feedguard::DataQualityValidator;
    /// use feedguard::quality::{Bars, Rule, Series};
    /// let price: Vec<f64> = (0..60).map(|row| 100.0 + (0.7 * row as f64).sin()).collect();
    /// let time: Vec<i64> = (0..60).collect();
    /// let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &[1e3; 60] };
    /// let history = Series::new(&time, bars)?;
    /// let twice = [201.0];
    /// let bars = Bars { open: &twice, high: &twice, low: &twice, close: &twice, volume: &[1e3] };
    /// let validator = DataQualityValidator::new("daily", Default::default())?;
    /// let report = validator.check_new(&history, &Series::new(&[60], bars)?);
    /// assert_eq!((report.total, report.rows_of(Rule::OffLevel)), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_new(&self, history: &Series<'_>, new: &Series<'_>) -> QualityReport {
        let sorted = Ordered::new(new);
        let mut report = self.report();
        if self.config.enabled {
            let stored = self.ordered(history);
            let stored = stored.as_ref().map_or(*history, |stored| stored.series(history));
            let first = sorted.series(new).timestamps().first().copied().unwrap_or(i64::MAX);
            let end = stored.timestamps().partition_point(|time| *time < first);
            let known: Vec<usize> = (end.saturating_sub(HISTORY_ROWS)..end).collect();
            let known = Columns::gather(&stored, &known);
            let joined = Columns::joined(&known.series(history), &sorted.series(new));
            report = report.judging_from(known.len());
            duplicates::check(new, &sorted, &mut report);
            // Both are in order, and so is the one after the other.
            let _ = self.judge(&joined.series(new), &mut report);
        }
        self.judge_by_host(new, Some(&sorted), &mut report);
        let report = report.finish(new, Some(&sorted));
        self.metrics.scores.show(&report);
        self.metrics.count(&report);
        self.tell_skipped(&report);
        report
    }

    /// Runs the rules of the host on the series as given.
    fn judge_by_host(&self, series: &Series<'_>, ordered: Option<&Ordered>, report: &mut ReportBuilder<'_>) {
        if self.config.enabled && !self.custom.is_empty() {
            let places = ordered.map(Ordered::places);
            for rule in &self.custom {
                rule.run(series, places.as_deref(), report);
            }
        }
    }

    /// Compares the closes of a series with another source's, by timestamp; findings are rows of
    /// `series`.
    pub fn compare(&self, series: &Series<'_>, other: &Series<'_>) -> QualityReport {
        let mut report = self.report();
        let ordered = self.ordered(series);
        if self.config.enabled {
            let other_ordered = self.ordered(other);
            let here = ordered.as_ref().map_or(*series, |ordered| ordered.series(series));
            let there = other_ordered.as_ref().map_or(*other, |ordered| ordered.series(other));
            cross_source::check(&here, &there, &self.config, &mut report);
        }
        let report = report.finish(series, ordered.as_ref());
        self.metrics.count(&report);
        report
    }

    /// The series in order of time, if it is not and anybody looks at it.
    fn ordered(&self, series: &Series<'_>) -> Option<Ordered> {
        let is_sorted = || series.timestamps().is_sorted_by(|before, after| before < after);
        (self.config.enabled && !is_sorted()).then(|| Ordered::new(series))
    }

    fn report(&self) -> ReportBuilder<'_> {
        ReportBuilder::new(&self.levels, self.config.max_findings_per_rule)
    }

    /// All rules of this crate, on a series in order of time.
    fn judge(&self, series: &Series<'_>, report: &mut ReportBuilder<'_>) -> Result<(), Disorder> {
        let series = &series.informed(&self.config);
        match self.config.policy {
            Policy::Robust => self.judge_robust(series, report)?,
            Policy::Literal => self.judge_literal(series, report)?,
        }
        limits::check(series, &self.config.price_limits, report);
        calendar::check(series, report);
        freshness::check(series, &self.config, self.clock.wall(), report);
        let new = report.from()..series.len();
        if !new.clone().any(|row| is_usable(series, row)) {
            report.unusable(new.len());
        }
        Ok(())
    }

    fn judge_robust(&self, series: &Series<'_>, report: &mut ReportBuilder<'_>) -> Result<(), Disorder> {
        let robust = Robust::new(series, &self.config);
        let mut marks = Marks::default();
        for part in self.threads.map(series.len(), |rows| robust.sweep(rows)) {
            marks.merge(&part?);
        }
        let breaks = robust.judge(marks, report);
        grid::check(series, &breaks, report);
        Ok(())
    }

    fn judge_literal(&self, series: &Series<'_>, report: &mut ReportBuilder<'_>) -> Result<(), Disorder> {
        let sums = self.threads.map(series.len(), |rows| literal::sums(series, rows));
        let bounds = literal::Bounds::new(&self.config, sums.into_iter().flatten());
        let mut broken = literal::Broken::default();
        for part in self.threads.map(series.len(), |rows| literal::sweep(series, &bounds, rows)) {
            broken.merge(&part?);
        }
        broken.book(series, &bounds, self.config.max_flat_rows, report);
        amount::check(series, report);
        if series.trading_calendar().is_none() {
            report.skip(Rule::Gap, "calendar and time_unit");
            report.skip(Rule::OffCalendar, "calendar and time_unit");
        }
        Ok(())
    }

    /// Each skipped rule stands in the log once a validator.
    fn tell_skipped(&self, report: &QualityReport) {
        for skipped in &report.skipped {
            let bit = skipped.rule.index().map_or(0, |index| 1 << (index % 64));
            if self.told.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                tracing::info!(
                    validator = &*self.name,
                    rule = skipped.rule.as_str(),
                    needs = skipped.needs,
                    "quality rule skipped"
                );
            }
        }
    }
}

impl fmt::Debug for DataQualityValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataQualityValidator")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("custom", &self.custom)
            .finish_non_exhaustive()
    }
}

/// Whether a row has a price that somebody could use.
fn is_usable(series: &Series<'_>, row: usize) -> bool {
    let bars = series.bars();
    let is_price = |price: f64| price.is_finite() && (price > 0.0 || (series.feed().negative_prices && price != 0.0));
    is_price(bars.close[row]) && [bars.open, bars.high, bars.low].iter().any(|cell| is_price(cell[row]))
}
