//! Handles of one validator.

use super::report_builder::Levels;
use super::{Dimension, QualityReport, Rule};
use crate::metrics::{Counter, Gauge, Metrics};

pub(super) struct QualityMetrics {
    score: Gauge,
    valid: Gauge,
    scores: Vec<(Dimension, Gauge)>,
    findings: Vec<(Rule, Counter)>,
}

impl QualityMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str, levels: &Levels) -> Self {
        let findings =
            levels.rules().map(|(rule, severity)| (rule, metrics.findings(rule.as_str(), severity.as_str())));
        Self {
            score: metrics.data_quality(name, "score"),
            valid: metrics.data_quality(name, "valid"),
            scores: Dimension::ALL.iter().map(|of| (*of, metrics.data_quality(name, of.as_str()))).collect(),
            findings: findings.collect(),
        }
    }

    pub(super) fn record(&self, report: &QualityReport) {
        self.score.set(report.score);
        self.valid.set(if report.valid { 100.0 } else { 0.0 });
        for (dimension, score) in &self.scores {
            score.set(report.scores.of(*dimension));
        }
        self.count(report);
    }

    /// Counts findings; the scores of a series stay those of its last check.
    pub(super) fn count(&self, report: &QualityReport) {
        for total in &report.totals {
            if let Some((_, counter)) = self.findings.iter().find(|(rule, _)| *rule == total.rule) {
                counter.add(total.rows as u64);
            }
        }
    }
}
