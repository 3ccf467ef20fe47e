//! Counting what users felt.

use std::time::Duration;

use feedguard::Fetched;
use feedguard::cache::CacheStatus;

use crate::bars::Columns;

/// One request as its user felt it.
pub(crate) struct Felt {
    /// When it was due, as a share of the day.
    pub(crate) hour: f64,
    pub(crate) latency: Duration,
    /// How late it started because the same user was still waiting for an earlier one.
    pub(crate) wait: Duration,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    Stale,
    /// Served with a row that cannot be right.
    Wrong,
    Error,
}

impl Answer {
    pub(crate) fn of<E>(result: &Result<Fetched<Columns>, E>) -> Self {
        match result {
            Err(_) => Self::Error,
            Ok(fetched) if fetched.high.iter().zip(&fetched.low).any(|(high, low)| high < low) => Self::Wrong,
            Ok(fetched) if matches!(fetched.status(), CacheStatus::Stale | CacheStatus::StaleOnError) => Self::Stale,
            Ok(_) => Self::Good,
        }
    }
}

/// The figures of a class.
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) errors: usize,
    pub(crate) wrong: usize,
    pub(crate) stale: usize,
    pub(crate) mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub(crate) wait: f64,
}

impl Figures {
    pub(crate) fn of(felt: &[&Felt]) -> Self {
        let count = |answer| felt.iter().filter(|felt| felt.answer == answer).count();
        let mut times: Vec<f64> = felt.iter().map(|felt| felt.latency.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| percentile(&times, share);
        let n = felt.len().max(1) as f64;
        Self {
            requests: felt.len(),
            errors: count(Answer::Error),
            wrong: count(Answer::Wrong),
            stale: count(Answer::Stale),
            mean: times.iter().sum::<f64>() / n,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            wait: felt.iter().map(|felt| felt.wait.as_secs_f64() * 1e3).sum::<f64>() / n,
        }
    }

    /// Share of requests answered, with data that can be right.
    pub(crate) fn availability(&self) -> f64 {
        100.0 * (self.requests - self.errors - self.wrong) as f64 / self.requests.max(1) as f64
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}
