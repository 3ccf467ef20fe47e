//! Handles of one validator.

use super::report_builder::Levels;
use super::{Dimension, QualityReport, Rule};
use crate::metrics::{Counter, Gauge, Metrics};

pub(super) struct QualityMetrics {
    pub(super) scores: ScoreMetrics,
    findings: Vec<(Rule, Counter)>,
}

/// What the last check of a source's data said.
pub(crate) struct ScoreMetrics {
    score: Gauge,
    valid: Gauge,
    scores: Vec<(Dimension, Gauge)>,
}

impl ScoreMetrics {
    pub(crate) fn new(metrics: &Metrics, source: &str) -> Self {
        Self {
            score: metrics.data_quality(source, "score"),
            valid: metrics.data_quality(source, "valid"),
            scores: Dimension::ALL.iter().map(|of| (*of, metrics.data_quality(source, of.as_str()))).collect(),
        }
    }

    /// Out of use, whoever holds it.
    pub(crate) fn end(&self) {
        self.scores.iter().map(|(_, gauge)| gauge).chain([&self.score, &self.valid]).for_each(Gauge::end);
    }

    pub(super) fn show(&self, report: &QualityReport) {
        self.score.set(report.score);
        self.valid.set(if report.valid { 100.0 } else { 0.0 });
        for (dimension, score) in &self.scores {
            score.set(report.scores.of(*dimension));
        }
    }
}

impl QualityMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str, levels: &Levels) -> Self {
        let findings =
            levels.rules().map(|(rule, severity)| (rule, metrics.findings(rule.as_str(), severity.as_str())));
        Self { scores: ScoreMetrics::new(metrics, name), findings: findings.collect() }
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
