//! Where findings go: all are counted, the first and the last of each rule are kept.

use std::ops::Range;

use super::ordered::Ordered;
use super::report::DimensionScores;
use super::{Finding, QualityConfig, QualityReport, RowSet, Rule, RuleTotal, Series, Severity, Skipped};

/// Severity of each rule of this crate and of the host's, as configured; `None` is off.
#[derive(Debug, Clone)]
pub(super) struct Levels(Vec<(Rule, Option<Severity>)>);

impl Levels {
    pub(super) fn new(config: &QualityConfig, custom: impl IntoIterator<Item = (Rule, Severity)>) -> Self {
        let own = Rule::ALL.iter().map(|rule| (*rule, config.severity_of(*rule)));
        let host = custom.into_iter().map(|(rule, severity)| {
            (rule, if config.levels.contains_key(rule.as_str()) { config.severity_of(rule) } else { Some(severity) })
        });
        Self(own.chain(host).collect())
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = (Rule, Severity)> + '_ {
        self.0.iter().filter_map(|(rule, severity)| Some((*rule, (*severity)?)))
    }

    /// Place and severity of a rule; `None` if it is off.
    fn find(&self, rule: Rule) -> Option<(usize, Severity)> {
        let at = rule.index().or_else(|| self.0.iter().position(|(other, _)| *other == rule))?;
        Some((at, self.0[at].1?))
    }
}

/// What a finding says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail {
    pub(super) value: f64,
    /// NaN is none.
    pub(super) expected: f64,
    /// NaN is none.
    pub(super) factor: f64,
}

impl Detail {
    /// Without a factor.
    pub(super) const fn new(value: f64, expected: f64) -> Self {
        Self { value, expected, factor: f64::NAN }
    }
}

/// A finding before its row and timestamp are looked up.
#[derive(Debug, Clone, Copy)]
struct Hit {
    place: usize,
    detail: Detail,
}

/// The findings of one rule.
#[derive(Debug, Clone, Default)]
struct RuleCount {
    count: usize,
    first: Vec<Hit>,
    /// A ring once it is full.
    last: Vec<Hit>,
    /// Where the oldest of `last` is.
    oldest: usize,
}

impl RuleCount {
    fn push(&mut self, hit: Hit, keep: usize) {
        self.count += 1;
        if self.first.len() < keep {
            self.first.push(hit);
        } else if self.last.len() < keep {
            self.last.push(hit);
        } else if let Some(oldest) = self.last.get_mut(self.oldest) {
            *oldest = hit;
            self.oldest = if self.oldest + 1 == keep { 0 } else { self.oldest + 1 };
        }
    }

    /// The kept ones in the order of their coming.
    fn kept(&self) -> impl Iterator<Item = &Hit> {
        let (newer, older) = self.last.split_at(self.oldest);
        self.first.iter().chain(older).chain(newer)
    }
}

/// Collects findings by place (see [`Ordered`]).
pub(super) struct ReportBuilder<'a> {
    levels: &'a Levels,
    keep: usize,
    tallies: Vec<RuleCount>,
    warned: RowSet,
    errors: RowSet,
    /// Rows with what is an error by nature: a level that the host chose changes no other verdict.
    suspects: RowSet,
    skipped: Vec<Skipped>,
    pub(super) panicked: Vec<Rule>,
}

impl<'a> ReportBuilder<'a> {
    pub(super) fn new(levels: &'a Levels, keep: usize) -> Self {
        Self {
            levels,
            keep,
            tallies: vec![RuleCount::default(); levels.0.len()],
            warned: RowSet::default(),
            errors: RowSet::default(),
            suspects: RowSet::default(),
            skipped: Vec::new(),
            panicked: Vec::new(),
        }
    }

    /// Books that the row at `place` broke `rule`. A rule comes once a place.
    pub(super) fn hit(&mut self, rule: Rule, place: usize, value: f64, expected: f64) {
        self.hit_with(rule, place, value, expected, f64::NAN);
    }

    /// The same with the factor that would mend the row; NaN is none.
    pub(super) fn hit_with(&mut self, rule: Rule, place: usize, value: f64, expected: f64, factor: f64) {
        let keep = self.keep;
        let Some(tally) = self.note(rule, |rows| rows.insert(place)) else { return };
        tally.push(Hit { place, detail: Detail { value, expected, factor } }, keep);
    }

    /// Books that all rows of a set broke `rule`; only those that are kept are asked for details.
    pub(super) fn hit_rows(&mut self, rule: Rule, rows: &RowSet, detail: impl Fn(usize) -> Detail) {
        let (count, keep) = (rows.len(), self.keep);
        let Some(tally) = self.note(rule, |noted| noted.merge(rows)) else { return };
        let hit = |place: usize| Hit { place, detail: detail(place) };
        if count <= 2 * keep {
            rows.iter().for_each(|place| tally.push(hit(place), keep));
            return;
        }
        let mut last: Vec<usize> = rows.iter_back().take(keep).collect();
        last.reverse();
        for place in rows.iter().take(keep).chain(last) {
            tally.push(hit(place), keep);
        }
        tally.count += count - 2 * keep;
    }

    /// Puts rows that broke `rule` into the sets they belong to; the answer is where to count them,
    /// `None` if the rule is off.
    fn note(&mut self, rule: Rule, put: impl Fn(&mut RowSet)) -> Option<&mut RuleCount> {
        if rule.severity() == Severity::Error {
            put(&mut self.suspects);
        }
        let (at, severity) = self.levels.find(rule)?;
        match severity {
            Severity::Info => {}
            Severity::Warning => put(&mut self.warned),
            Severity::Error => put(&mut self.errors),
        }
        Some(&mut self.tallies[at])
    }

    /// Says that a rule lacks its input.
    pub(super) fn skip(&mut self, rule: Rule, needs: &'static str) {
        if self.levels.find(rule).is_some() {
            self.skipped.push(Skipped { rule, needs });
        }
    }

    /// Rows of a range of whole words in which a rule found an error.
    pub(super) fn suspects_in(&self, places: Range<usize>) -> usize {
        self.suspects.count_in(places)
    }

    /// Whether a rule found an error in the row at `place`, however its findings are levelled.
    pub(super) fn is_suspect(&self, place: usize) -> bool {
        self.suspects.contains(place)
    }

    pub(super) fn finish(self, series: &Series<'_>, ordered: Option<&Ordered>) -> QualityReport {
        let total = series.len();
        let row = |place| ordered.map_or(place, |ordered| ordered.row(place));
        let finding = |rule, severity, hit: &Hit| Finding {
            rule,
            severity,
            row: row(hit.place),
            position: ordered.map_or(hit.place, |ordered| ordered.position(hit.place)),
            timestamp: series.timestamps()[row(hit.place)],
            value: hit.detail.value,
            expected: hit.detail.expected,
            factor: Some(hit.detail.factor).filter(|factor| !factor.is_nan()),
        };
        let (mut totals, mut findings) = (Vec::new(), Vec::new());
        for ((rule, severity), tally) in self.levels.0.iter().zip(&self.tallies) {
            if let (Some(severity), 1..) = (*severity, tally.count) {
                totals.push(RuleTotal { rule: *rule, severity, rows: tally.count });
                let from = findings.len();
                findings.extend(tally.kept().map(|hit| finding(*rule, severity, hit)));
                findings[from..].sort_by_key(|found: &Finding| (found.timestamp, found.row));
            }
        }
        let valid = self.errors.is_empty();
        let quarantine = match ordered {
            Some(_) => self.errors.iter().map(row).collect(),
            None => self.errors.clone(),
        };
        let mut bad = self.errors;
        bad.merge(&self.warned);
        let passed = total - bad.len();
        QualityReport {
            total,
            passed,
            issues: totals.iter().map(|total| total.rows).sum(),
            score: if total == 0 { 100.0 } else { 100.0 * passed as f64 / total as f64 },
            scores: DimensionScores::new(total, &totals),
            valid,
            totals,
            findings,
            quarantine,
            skipped: self.skipped,
            panicked: self.panicked,
        }
    }
}
