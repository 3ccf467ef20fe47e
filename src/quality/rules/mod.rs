//! The rules, one layer a file. A rule reads the series and tells the sink; it keeps no state.

pub(super) mod business;
pub(super) mod cross_source;
pub(super) mod logic;
pub(super) mod statistical;

use super::{Finding, QualityReport, Rule, RuleTotal, Series, Severity};

/// Collects findings: all are counted, the first of each rule are kept.
pub(super) struct Sink<'a> {
    series: Series<'a>,
    keep: usize,
    findings: Vec<Finding>,
    totals: Vec<RuleTotal>,
    broken: Vec<bool>,
    has_error: bool,
}

impl<'a> Sink<'a> {
    pub(super) fn new(series: Series<'a>, keep: usize) -> Self {
        Self {
            series,
            keep,
            findings: Vec::new(),
            totals: Vec::new(),
            broken: vec![false; series.len()],
            has_error: false,
        }
    }

    /// Books that `row` broke `rule`.
    pub(super) fn report(&mut self, rule: Rule, row: usize, value: f64, expected: f64) {
        let severity = rule.severity();
        self.broken[row] = true;
        self.has_error |= severity == Severity::Error;
        let at = self.totals.iter().position(|total| total.rule == rule).unwrap_or_else(|| {
            self.totals.push(RuleTotal { rule, rows: 0 });
            self.totals.len() - 1
        });
        self.totals[at].rows += 1;
        if self.totals[at].rows <= self.keep {
            let timestamp = self.series.timestamps()[row];
            self.findings.push(Finding { rule, severity, row, timestamp, value, expected });
        }
    }

    pub(super) fn finish(mut self) -> QualityReport {
        let total = self.series.len();
        let passed = self.broken.iter().filter(|broken| !**broken).count();
        self.totals.sort_by_key(|total| total.rule);
        self.findings.sort_by_key(|finding| (finding.rule, finding.timestamp, finding.row));
        QualityReport {
            total,
            passed,
            score: if total == 0 { 100.0 } else { 100.0 * passed as f64 / total as f64 },
            valid: !self.has_error,
            totals: self.totals,
            findings: self.findings,
        }
    }
}
