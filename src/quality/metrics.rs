//! Handles of one validator.

use crate::metrics::{Counter, Gauge, Metrics};

use super::{QualityReport, Rule};

pub(super) struct QualityMetrics {
    score: Gauge,
    valid: Gauge,
    findings: Vec<(Rule, Counter)>,
}

impl QualityMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let findings = Rule::ALL.map(|rule| (rule, metrics.findings(rule.as_str(), rule.severity().as_str())));
        Self {
            score: metrics.data_quality(name, "score"),
            valid: metrics.data_quality(name, "valid"),
            findings: findings.into(),
        }
    }

    pub(super) fn record(&self, report: &QualityReport) {
        self.score.set(report.score);
        self.valid.set(if report.valid { 100.0 } else { 0.0 });
        for (rule, counter) in &self.findings {
            counter.add(report.rows_of(*rule) as u64);
        }
    }
}
