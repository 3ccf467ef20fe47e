//! `docs/METRICS.md`, the dashboard and the rules of `examples/monitoring` say the same as the code: every name and
//! every label in one exists in the others, and every query can be parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use feedguard::manager::AttemptOutcome;
use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

const CATALOGUE: &str = include_str!("../../../src/metrics/catalogue.rs");
const PAGE: &str = include_str!("../../../docs/METRICS.md");
const DASHBOARD: &str = include_str!("../../../examples/monitoring/dashboard.json");
const RECORDING: &str = include_str!("../../../examples/monitoring/recording_rules.yml");
const ALERTS: &str = include_str!("../../../examples/monitoring/alert_rules.yml");
const RULE_TESTS: &str = include_str!("../../../examples/monitoring/rules_test.yml");

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// A family: its kind in the words of the page, and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

/// The families of the code.
fn families() -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    let mut name = None;
    for line in CATALOGUE.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("\"datasource_") {
            name = Some(format!("datasource_{}", rest.split('"').next().unwrap()));
        } else if let Some((resolver, kind)) = line.split_once(" -> ") {
            let Some(name) = name.take() else { continue };
            let labels = resolver.split(['(', ')']).nth(1).unwrap();
            let mut labels: BTreeSet<String> = labels.split(", ").map(str::to_owned).collect();
            if labels.contains("endpoint") {
                labels.insert("source".to_owned());
            }
            let kind = match kind.trim_end_matches(';').split_once(' ').unwrap_or((kind.trim_end_matches(';'), "")) {
                ("Counter" | "Amount", _) => "counter",
                ("Histogram", _) => "histogram",
                ("Gauge", "State") => "gauge, open before half-open before closed",
                ("Gauge", "Sum") => "gauge, sum",
                ("Gauge", "Least") => "gauge, least",
                ("Gauge", "Most") => "gauge, most",
                other => panic!("{other:?}"),
            };
            families.insert(name, Family { kind: kind.to_owned(), labels });
        }
    }
    families
}

/// What stands in backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the page: name, family, meaning.
fn rows() -> BTreeMap<String, (Family, String)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `datasource_"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').splitn(4, " | ").map(str::trim).collect();
        let family = Family { kind: cells[1].to_owned(), labels: quoted(cells[2]) };
        (cells[0].trim_matches(['`', ' ']).to_owned(), (family, cells[3].to_owned()))
    })
    .collect()
}

#[test]
fn the_page_lists_every_family_with_its_kind_and_labels() {
    let (families, rows) = (families(), rows());
    assert_eq!(families.len(), 46);
    let listed: BTreeMap<String, Family> =
        rows.iter().map(|(name, (family, _))| (name.clone(), family.clone())).collect();
    assert_eq!(families, listed);
    let statuses = quoted(&rows["datasource_api_calls_total"].1);
    for outcome in AttemptOutcome::ALL.iter().filter(|outcome| **outcome != AttemptOutcome::Refused) {
        assert!(statuses.contains(outcome.as_str()), "{outcome:?}");
    }
}

/// A query, where it stands, and what its text uses of its labels.
struct Query {
    place: String,
    text: String,
    used: BTreeSet<String>,
}

struct Rule {
    name: String,
    is_alert: bool,
    query: Query,
    labels: Value,
    annotations: Value,
}

/// The labels in `{{ $labels.x }}` and `{{x}}`.
fn used_labels(text: &str) -> BTreeSet<String> {
    let inside = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let inside = inside.map(|expression| expression.trim().trim_start_matches("$labels."));
    inside.filter(|label| !label.starts_with('$')).map(str::to_owned).collect()
}

fn rules(text: &str) -> Vec<Rule> {
    let document: Value = serde_norway::from_str(text).unwrap();
    let groups = document["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| {
            let is_alert = rule.get("alert").is_some();
            let name = rule[if is_alert { "alert" } else { "record" }].as_str().unwrap().to_owned();
            let annotations = rule["annotations"].clone();
            let used = annotations.as_object().into_iter().flatten().filter_map(|(_, text)| text.as_str());
            let used = used.flat_map(used_labels).collect();
            let query = Query { place: name.clone(), text: rule["expr"].as_str().unwrap().to_owned(), used };
            Rule { name, is_alert, query, labels: rule["labels"].clone(), annotations }
        })
        .collect()
}

fn panel_queries() -> Vec<Query> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(Query {
                place: format!("panel {}", panel["title"].as_str().unwrap()),
                text: target["expr"].as_str().unwrap().to_owned(),
                used: used_labels(target["legendFormat"].as_str().unwrap()),
            });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        queries.push(Query {
            place: "annotation".to_owned(),
            text: annotation["expr"].as_str().unwrap().to_owned(),
            used: used_labels(annotation["titleFormat"].as_str().unwrap()),
        });
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let text = variable["query"].as_str().unwrap();
        let (metric, label) =
            text.strip_prefix("label_values(").unwrap().trim_end_matches(')').rsplit_once(", ").unwrap();
        let place = format!("variable {}", variable["name"]);
        queries.push(Query { place, text: metric.to_owned(), used: BTreeSet::from([label.to_owned()]) });
    }
    queries
}

/// What a query asks for.
#[derive(Default)]
struct Asked {
    selectors: Vec<VectorSelector>,
    grouped_by: BTreeSet<String>,
    /// Labels of what comes out, if an aggregation says so.
    is_grouped: bool,
    made: BTreeSet<String>,
}

impl ExprVisitor for Asked {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
        match expression {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(selector) => self.selectors.push(selector.vs.clone()),
            Expr::Aggregate(aggregate) => {
                let labels = aggregate.modifier.as_ref().map(|modifier| modifier.labels().labels.clone());
                self.is_grouped |= labels.is_some();
                self.grouped_by.extend(labels.unwrap_or_default());
            }
            Expr::Call(call) if call.func.name == "label_replace" => {
                if let Expr::StringLiteral(label) = &*call.args.args[1] {
                    self.made.insert(label.val.clone());
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

/// Everything that can be asked for.
struct Known {
    rows: BTreeMap<String, (Family, String)>,
    /// The labels of what rules record.
    recorded: BTreeMap<String, BTreeSet<String>>,
    /// Names that have been asked for.
    asked: BTreeSet<String>,
    faults: String,
}

impl Known {
    fn new() -> Self {
        let recorded = rules(RECORDING).into_iter().map(|rule| {
            let mut asked = Asked::default();
            let _whole = walk_expr(&mut asked, &parse(&rule.query.text).unwrap());
            asked.grouped_by.remove("le");
            (rule.name, asked.grouped_by)
        });
        Self { recorded: recorded.collect(), rows: rows(), asked: BTreeSet::new(), faults: String::new() }
    }

    fn fault(&mut self, query: &Query, what: &str) {
        writeln!(self.faults, "{}: {what}\n  {}", query.place, query.text.trim()).unwrap();
    }

    /// The labels of a metric, and the words of its row.
    fn labels_of(&mut self, query: &Query, name: &str) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
        let mut labels: BTreeSet<String> = ADDED.iter().map(|label| (*label).to_owned()).collect();
        if name == "up" {
            return Some((labels, BTreeSet::new()));
        }
        if let Some(recorded) = self.recorded.get(name).cloned() {
            self.asked.insert(name.to_owned());
            return Some((recorded, BTreeSet::new()));
        }
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let of_histogram =
            part.filter(|part| self.rows.get(*part).is_some_and(|(family, _)| family.kind == "histogram"));
        let base = of_histogram.unwrap_or(name);
        let Some((family, meaning)) = self.rows.get(base).cloned() else {
            self.fault(query, &format!("{name} is no family of ours"));
            return None;
        };
        self.asked.insert(base.to_owned());
        if family.kind == "histogram" && of_histogram.is_none() {
            self.fault(query, &format!("{name} is a histogram: ask for its buckets, sum or count"));
        }
        labels.extend(family.labels);
        if name.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
        Some((labels, quoted(&meaning)))
    }

    fn check(&mut self, query: &Query) {
        let expression = match parse(&query.text) {
            Ok(expression) => expression,
            Err(error) => return self.fault(query, &error),
        };
        let mut asked = Asked::default();
        let _whole = walk_expr(&mut asked, &expression);
        assert!(!asked.selectors.is_empty(), "{}", query.text);
        let mut all = BTreeSet::new();
        for selector in &asked.selectors {
            let name = selector.name.clone().unwrap_or_default();
            let Some((labels, words)) = self.labels_of(query, &name) else { continue };
            for matcher in &selector.matchers.matchers {
                if !labels.contains(&matcher.name) {
                    self.fault(query, &format!("{name} has no label {}", matcher.name));
                }
                // Of closed sets the page lists every value.
                let is_closed = !matcher.value.contains('$') && !ADDED.contains(&matcher.name.as_str());
                for value in matcher.value.split('|').filter(|value| is_closed && !words.contains(*value)) {
                    self.fault(query, &format!("{} is never {value}", matcher.name));
                }
            }
            all.extend(labels);
        }
        for label in asked.grouped_by.difference(&all) {
            self.fault(query, &format!("grouped by {label}, which nothing has"));
        }
        let there: BTreeSet<String> =
            if asked.is_grouped { &asked.grouped_by } else { &all }.union(&asked.made).cloned().collect();
        for label in query.used.difference(&there) {
            self.fault(query, &format!("shows {label}, which nothing has"));
        }
    }
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is_and_for_all_of_it() {
    let mut known = Known::new();
    let (panels, recording, alerts) = (panel_queries(), rules(RECORDING), rules(ALERTS));
    panels.iter().chain(recording.iter().chain(&alerts).map(|rule| &rule.query)).for_each(|query| known.check(query));
    assert!(known.faults.is_empty(), "\n{}", known.faults);
    let all = known.rows.keys().chain(known.recorded.keys());
    let unasked: Vec<&String> = all.filter(|name| !known.asked.contains(*name)).collect();
    assert!(unasked.is_empty(), "nobody shows {unasked:?}");
}

#[test]
fn a_fault_in_a_query_is_seen() {
    for (text, used, fault) in [
        ("rate(datasource_api_call_total[5m])", "", "is no family"),
        ("datasource_api_latency_seconds", "", "is a histogram"),
        ("datasource_cache_hits_total{source=\"a\"}", "", "has no label source"),
        ("rate(datasource_api_calls_total{status=\"okay\"}[5m])", "", "is never okay"),
        ("sum by (cache) (datasource_limiter_rate)", "", "grouped by cache"),
        ("sum by (source) (datasource_limiter_rate)", "endpoint", "shows endpoint"),
        ("sum by (source (datasource_limiter_rate)", "", ""),
    ] {
        let mut known = Known::new();
        let used = Some(used).filter(|label| !label.is_empty()).map(str::to_owned).into_iter().collect();
        known.check(&Query { place: "test".to_owned(), text: text.to_owned(), used });
        assert!(!known.faults.is_empty() && known.faults.contains(fault), "{text}: {}", known.faults);
    }
}

#[test]
fn every_alert_says_what_to_do_and_is_tested() {
    let alerts = rules(ALERTS);
    assert!(alerts.len() >= 13 && alerts.iter().all(|rule| rule.is_alert));
    let tests: Value = serde_norway::from_str(RULE_TESTS).unwrap();
    let cases: Vec<&Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    for alert in &alerts {
        let severity = alert.labels["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{}: {severity}", alert.name);
        for text in ["summary", "recommendation"] {
            let text = alert.annotations[text].as_str().unwrap_or_default();
            assert!(text.len() > 20, "{}: {text}", alert.name);
        }
        let of_alert = cases.iter().filter(|case| case["alertname"] == alert.name.as_str());
        let fires = of_alert.clone().any(|case| !case["exp_alerts"].as_array().unwrap().is_empty());
        assert!(fires, "{} is never seen to fire", alert.name);
        let rests = of_alert.clone().any(|case| case["exp_alerts"].as_array().unwrap().is_empty());
        assert!(rests, "{} is never seen to rest", alert.name);
    }
    assert!(rules(RECORDING).iter().all(|rule| !rule.is_alert && rule.name.starts_with("datasource:")));
}
