//! Rules of the host.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::report_builder::{Detail, ReportBuilder};
use super::{RowSet, Rule, Series, Severity};

type Check = dyn Fn(&Series<'_>, &mut CustomFindings) + Send + Sync;

/// A rule of the host: its name, how bad its findings are, and the code.
#[derive(Clone)]
pub(super) struct CustomRule {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    check: Arc<Check>,
}

impl CustomRule {
    pub(super) fn new(
        name: &'static str,
        severity: Severity,
        check: impl Fn(&Series<'_>, &mut CustomFindings) + Send + Sync + 'static,
    ) -> Self {
        Self { rule: Rule::Custom(name), severity, check: Arc::new(check) }
    }

    /// Runs the rule on the series as given, on the caller's thread; `places` are those of its rows,
    /// if they are not its own. A panic ends the rule, not the check.
    pub(super) fn run(&self, series: &Series<'_>, places: Option<&[usize]>, report: &mut ReportBuilder<'_>) {
        let mut findings = CustomFindings { rows: series.len(), seen: RowSet::default(), found: Vec::new() };
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.check)(series, &mut findings)));
        let place = |row: usize| places.map_or(row, |places| places[row]);
        findings.found.sort_by_key(|(row, ..)| place(*row));
        for (row, detail) in findings.found {
            let place = report.from() + place(row);
            report.hit_range(self.rule, place..place + 1, detail);
        }
        if let Err(payload) = outcome {
            // Its drop is code of the host as well.
            if catch_unwind(AssertUnwindSafe(move || drop(payload))).is_err() {
                tracing::error!(rule = self.rule.as_str(), "a panic of a quality rule panicked when it was dropped");
            }
            tracing::error!(rule = self.rule.as_str(), "a quality rule of the host panicked");
            report.panicked.push(self.rule);
        }
    }
}

impl fmt::Debug for CustomRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomRule").field("rule", &self.rule).field("severity", &self.severity).finish_non_exhaustive()
    }
}

/// Takes the findings of a rule of the host.
///
/// # Examples
/// ```
/// use feedguard::DataQualityValidator;
/// use feedguard::quality::Severity;
/// let builder = DataQualityValidator::builder("daily").rule("odd_lot", Severity::Warning, |series, found| {
///     for (row, volume) in series.bars().volume.iter().enumerate().filter(|(_, volume)| *volume % 100.0 != 0.0) {
///         found.report(row, *volume, (volume / 100.0).round() * 100.0);
///     }
/// });
/// assert!(builder.build().is_ok());
/// ```
#[derive(Debug)]
pub struct CustomFindings {
    rows: usize,
    seen: RowSet,
    found: Vec<(usize, Detail)>,
}

impl CustomFindings {
    /// Books that a row, numbered as in the series, broke the rule; `value` is what it has,
    /// `expected` the bound it broke (NaN if there is none). Of several findings of a row the first
    /// counts.
    ///
    /// # Panics
    /// If the series has no such row; like every panic of a rule it ends the rule, and the report
    /// lists it.
    pub fn report(&mut self, row: usize, value: f64, expected: f64) {
        self.report_with_factor(row, value, expected, f64::NAN);
    }

    /// The same with what the value has to be multiplied with to be right.
    ///
    /// # Panics
    /// As [`report`](Self::report).
    pub fn report_with_factor(&mut self, row: usize, value: f64, expected: f64, factor: f64) {
        assert!(row < self.rows, "row {row} of a series of {} rows", self.rows);
        if !self.seen.contains(row) {
            self.seen.insert(row);
            self.found.push((row, Detail::new(value, expected).factor(factor)));
        }
    }
}
