//! The figures of a run, and the goals they are held against.

use crate::day::{Class, Felt, Run};
use crate::ways::{Answer, Way};

/// The figures of a class.
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) errors: usize,
    pub(crate) wrong: usize,
    pub(crate) marked: usize,
    pub(crate) hits: usize,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Figures {
    pub(crate) fn of(run: &Run, class: Option<Class>) -> Self {
        let felt: Vec<&Felt> = run.felt.iter().filter(|felt| class.is_none_or(|class| class == felt.class)).collect();
        let count = |answer| felt.iter().filter(|felt| felt.answer == answer).count();
        let mut times: Vec<f64> = felt.iter().map(|felt| felt.latency.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let stale = count(Answer::Stale);
        Self {
            requests: felt.len(),
            errors: count(Answer::Error),
            wrong: count(Answer::Wrong),
            marked: count(Answer::Marked),
            hits: count(Answer::Hit) + stale,
            mean: times.iter().sum::<f64>() / felt.len().max(1) as f64,
            p50: percentile(&times, 0.50),
            p95: percentile(&times, 0.95),
            p99: percentile(&times, 0.99),
        }
    }

    /// Share of requests answered, with data that can be right or is marked.
    pub(crate) fn availability(&self) -> f64 {
        100.0 * (self.requests - self.errors - self.wrong) as f64 / self.requests.max(1) as f64
    }

    pub(crate) fn hit_rate(&self) -> f64 {
        100.0 * self.hits as f64 / self.requests.max(1) as f64
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// One goal of the day, and what came of it.
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) wanted: &'static str,
    pub(crate) is_met: bool,
}

/// The goals for a day's three runs.
pub(crate) fn goals(runs: &[Run]) -> Vec<Goal> {
    let run = |way: Way| runs.iter().find(|run| run.way == way);
    let (Some(direct), Some(old), Some(new)) = (run(Way::Direct), run(Way::Old), run(Way::Guarded)) else {
        return Vec::new();
    };
    let all = Figures::of(new, None);
    let analysts = Figures::of(new, Some(Class::Analyst));
    let lead = Class::ALL
        .into_iter()
        .map(|class| Figures::of(new, Some(class)).availability() - Figures::of(old, Some(class)).availability());
    let lead = lead.fold(f64::INFINITY, f64::min);
    let fewer = 100.0 * (1.0 - new.calls.len() as f64 / direct.calls.len().max(1) as f64);
    let faster = old.nightly.as_secs_f64() / new.nightly.as_secs_f64().max(1e-9);
    let hits = Figures::of(new, Some(Class::Dashboard)).hit_rate();
    let goal = |name, value: f64, unit, wanted, is_met| Goal { name, value, unit, wanted, is_met };
    vec![
        goal("availability", all.availability(), "%", ">= 99.9", all.availability() >= 99.9),
        goal("lead over the old way, worst class", lead, "points", ">= 0", lead >= 0.0),
        goal("wrong answers unmarked", all.wrong as f64, "", "0", all.wrong == 0),
        goal("analysts, mean", analysts.mean, "ms", "<= 100", analysts.mean <= 100.0),
        goal("analysts, P95", analysts.p95, "ms", "<= 200", analysts.p95 <= 200.0),
        goal("fewer calls than direct", fewer, "%", ">= 70", fewer >= 70.0),
        goal("nightly, times as fast as the old way", faster, "x", ">= 3", faster >= 3.0),
        goal("dashboards, hit rate", hits, "%", "> 80", hits > 80.0),
    ]
}
