//! Where findings go: all are counted, the first and the last of each rule are kept.

use std::ops::Range;

use super::ordered::Ordered;
use super::report::{DimensionScores, score};
use super::{
    Column, Finding, QualityConfig, QualityReport, Reason, RowSet, Rule, RuleTotal, Series, Severity, Skipped,
};

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
    /// What the factor is for; `None` for what the rule mends.
    pub(super) columns: Option<&'static [Column]>,
    /// `None` for what the rule says anyway.
    pub(super) reason: Option<Reason>,
}

impl Detail {
    /// Without a factor.
    pub(super) const fn new(value: f64, expected: f64) -> Self {
        Self { value, expected, factor: f64::NAN, columns: None, reason: None }
    }

    pub(super) const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    pub(super) const fn columns(mut self, columns: &'static [Column]) -> Self {
        self.columns = Some(columns);
        self
    }

    pub(super) const fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Whether both are of one cause.
    fn is_of_one_cause(&self, other: &Self) -> bool {
        self.factor.to_bits() == other.factor.to_bits() && self.columns == other.columns && self.reason == other.reason
    }
}

/// A finding before its rows and timestamps are looked up.
#[derive(Debug, Clone, Copy)]
struct Hit {
    first: usize,
    last: usize,
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
    /// Counts a run; it is one finding with the one before if it continues it.
    fn push(&mut self, hit: Hit, keep: usize, merges: bool) {
        self.count += hit.last + 1 - hit.first;
        let continues =
            |newest: &&mut Hit| merges && newest.last + 1 == hit.first && newest.detail.is_of_one_cause(&hit.detail);
        if let Some(newest) = self.newest().filter(continues) {
            newest.last = hit.last;
        } else if self.first.len() < keep {
            self.first.push(hit);
        } else if self.last.len() < keep {
            self.last.push(hit);
        } else if let Some(oldest) = self.last.get_mut(self.oldest) {
            *oldest = hit;
            self.oldest = if self.oldest + 1 == keep { 0 } else { self.oldest + 1 };
        }
    }

    /// The finding that came last.
    fn newest(&mut self) -> Option<&mut Hit> {
        let at = if self.oldest == 0 { self.last.len() } else { self.oldest };
        match at.checked_sub(1) {
            Some(at) => self.last.get_mut(at),
            None => self.first.last_mut(),
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
    /// Places below were judged before: nothing is booked for them.
    from: usize,
    unusable: bool,
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
            from: 0,
            unusable: false,
            skipped: Vec::new(),
            panicked: Vec::new(),
        }
    }

    /// Books that the row at `place` broke `rule`. A rule comes once a place.
    pub(super) fn hit(&mut self, rule: Rule, place: usize, value: f64, expected: f64) {
        self.hit_range(rule, place..place + 1, Detail::new(value, expected));
    }

    /// The same with the factor that would mend the row; NaN is none.
    pub(super) fn hit_with(&mut self, rule: Rule, place: usize, value: f64, expected: f64, factor: f64) {
        self.hit_range(rule, place..place + 1, Detail::new(value, expected).factor(factor));
    }

    /// Books rows of one cause.
    pub(super) fn hit_range(&mut self, rule: Rule, places: Range<usize>, detail: Detail) {
        self.take(rule, places, detail, merges(rule));
    }

    fn take(&mut self, rule: Rule, places: Range<usize>, detail: Detail, merges: bool) {
        if places.is_empty() {
            return;
        }
        if rule.severity() == Severity::Error {
            self.suspects.insert_range(places.clone());
        }
        // What is stored already was judged when it came.
        let judged = places.start.max(self.from)..places.end;
        if judged.is_empty() {
            return;
        }
        let (judged, keep) = (judged.start - self.from..judged.end - self.from, self.keep);
        let Some(count) = self.note(rule, |rows| rows.insert_range(judged.clone())) else { return };
        count.push(Hit { first: judged.start, last: judged.end - 1, detail }, keep, merges);
    }

    /// Books that all rows of a set broke `rule`: neighbours are of one cause, and the first speaks for them.
    pub(super) fn hit_rows(&mut self, rule: Rule, rows: &RowSet, detail: impl Fn(usize) -> Detail) {
        let keep = if self.from > 0 { usize::MAX } else { self.keep };
        let ranges = rows.ranges().count();
        let mut left_out = 0;
        for (at, (first, last)) in rows.ranges().enumerate() {
            // Only what is kept is asked for details.
            if at >= keep && ranges - at > keep {
                left_out += last + 1 - first;
                if rule.severity() == Severity::Error {
                    self.suspects.insert_range(first..last + 1);
                }
                let _ = self.note(rule, |noted| noted.insert_range(first..last + 1));
            } else {
                self.hit_range(rule, first..last + 1, detail(first));
            }
        }
        if let (1.., Some(count)) = (left_out, self.note(rule, |_| {})) {
            count.count += left_out;
        }
    }

    /// The same where each row has a cause of its own.
    pub(super) fn hit_each(&mut self, rule: Rule, rows: &RowSet, detail: impl Fn(usize) -> Detail) {
        let (count, keep) = (rows.len(), self.keep);
        if self.from > 0 || count <= keep.saturating_mul(2) {
            rows.iter().for_each(|place| self.take(rule, place..place + 1, detail(place), false));
            return;
        }
        if rule.severity() == Severity::Error {
            self.suspects.merge(rows);
        }
        let Some(counted) = self.note(rule, |noted| noted.merge(rows)) else { return };
        let mut last: Vec<usize> = rows.iter_back().take(keep).collect();
        last.reverse();
        for place in rows.iter().take(keep).chain(last) {
            counted.push(Hit { first: place, last: place, detail: detail(place) }, keep, false);
        }
        counted.count += count - 2 * keep;
    }

    /// Puts rows that broke `rule` into the sets they belong to; the answer is where to count them,
    /// `None` if the rule is off.
    fn note(&mut self, rule: Rule, put: impl Fn(&mut RowSet)) -> Option<&mut RuleCount> {
        let (at, severity) = self.levels.find(rule)?;
        match severity {
            Severity::Info => {}
            Severity::Warning => put(&mut self.warned),
            Severity::Error => put(&mut self.errors),
        }
        Some(&mut self.tallies[at])
    }

    /// A builder for the places from `from` on alone; rows are counted from there.
    pub(super) fn judging_from(mut self, from: usize) -> Self {
        self.from = from;
        self
    }

    /// First place that is judged.
    pub(super) const fn from(&self) -> usize {
        self.from
    }

    /// Says that no row of a series of `rows` can be used.
    pub(super) fn unusable(&mut self, rows: usize) {
        self.unusable = self.levels.find(Rule::Unusable).is_some_and(|(_, severity)| severity == Severity::Error);
        self.hit_range(Rule::Unusable, self.from..self.from + rows, Detail::new(f64::NAN, f64::NAN));
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
        let position = |place| ordered.map_or(place, |ordered| ordered.position(place));
        let finding = |rule: Rule, severity, hit: &Hit| {
            let factor = Some(hit.detail.factor).filter(|factor| !factor.is_nan());
            Finding {
                rule,
                severity,
                row: row(hit.first),
                position: position(hit.first),
                timestamp: series.timestamps()[row(hit.first)],
                last_row: row(hit.last),
                last_position: position(hit.last),
                last_timestamp: series.timestamps()[row(hit.last)],
                rows: hit.last + 1 - hit.first,
                value: hit.detail.value,
                expected: hit.detail.expected,
                columns: if factor.is_some() { hit.detail.columns.unwrap_or(rule.mends()) } else { &[] },
                factor,
                reason: hit.detail.reason.unwrap_or(Reason::of(rule)),
            }
        };
        let (mut totals, mut findings) = (Vec::new(), Vec::new());
        for ((rule, severity), tally) in self.levels.0.iter().zip(&self.tallies) {
            let is_said = tally.count > 0 || (self.unusable && *rule == Rule::Unusable);
            if let (Some(severity), true) = (*severity, is_said) {
                totals.push(RuleTotal { rule: *rule, severity, rows: tally.count });
                let from = findings.len();
                findings.extend(tally.kept().map(|hit| finding(*rule, severity, hit)));
                findings[from..].sort_by_key(|found: &Finding| (found.timestamp, found.row));
            }
        }
        let (valid, errors) = (self.errors.is_empty() && !self.unusable, self.errors.len());
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
            score: score(total, errors, bad.len() - errors, !self.unusable),
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

/// Whether neighbouring rows of a rule may be one finding: what rows say of others, or to the host, is their own.
const fn merges(rule: Rule) -> bool {
    !matches!(rule, Rule::DuplicateRow | Rule::ConflictingRows | Rule::Custom(_))
}
