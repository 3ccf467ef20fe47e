//! Asks what every panel of the dashboard asks, and draws what came.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::programs::{Monitoring, quick, rules_folder};

const COLUMNS: usize = 3;
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 150.0;
const COLOURS: [&str; 6] = ["#3b7dd8", "#d8563b", "#4aa564", "#b07cd0", "#d8a23b", "#6b7280"];

/// A line of a panel.
struct Line {
    name: String,
    /// Time and value; no number where there is none.
    points: Vec<(f64, f64)>,
}

/// Asks for all panels between two moments. Panics if one has nothing to show.
pub(crate) fn picture(monitoring: &Monitoring, from: f64, to: f64) -> String {
    let dashboard = fs::read_to_string(rules_folder().join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut drawn = Vec::new();
    let mut empty = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let mut lines = Vec::new();
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let found = ask(monitoring, expression, target["legendFormat"].as_str().unwrap(), from, to);
            if found.iter().all(|line| line.points.is_empty()) {
                empty.push(format!("{title}: {expression}"));
            }
            lines.extend(found);
        }
        drawn.push(draw(title, panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap(), &lines, from, to));
    }
    assert!(empty.is_empty(), "panels without data:\n{}", empty.join("\n"));
    println!("{} panels, each with data", drawn.len());
    page(&drawn)
}

fn ask(monitoring: &Monitoring, expression: &str, legend: &str, from: f64, to: f64) -> Vec<Line> {
    let expression = quick(&expression.replace("$job", ".*").replace("$source", ".*"));
    let (from, to) = (from.to_string(), to.to_string());
    let parameters = [("query", expression.as_str()), ("start", &from), ("end", &to), ("step", "2")];
    let data = monitoring.ask("query_range", &parameters).unwrap_or_else(|| panic!("refused: {expression}"));
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let line = |series: &Value| Line {
        name: named(legend, &series["metric"]),
        points: series["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (point[0].as_f64().unwrap(), number(&point[1])))
            .collect(),
    };
    data["result"].as_array().unwrap().iter().map(line).collect()
}

fn named(legend: &str, labels: &Value) -> String {
    let mut name = legend.to_owned();
    for (label, value) in labels.as_object().into_iter().flatten() {
        name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default());
    }
    name
}

/// The most interesting lines: those that move, then those that stand highest.
fn chosen(lines: &[Line]) -> Vec<&Line> {
    let known =
        |line: &Line| line.points.iter().map(|point| point.1).filter(|value| value.is_finite()).collect::<Vec<_>>();
    let weight = |line: &&Line| {
        let values = known(line);
        let (low, high) =
            (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max));
        if values.is_empty() { 0.0 } else { (high - low) * 10.0 + high.abs() }
    };
    let mut lines: Vec<&Line> = lines.iter().collect();
    lines.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    lines.truncate(COLOURS.len());
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn draw(title: &str, unit: &str, lines: &[Line], from: f64, to: f64) -> String {
    let shown = chosen(lines);
    let values = || shown.iter().flat_map(|line| &line.points).map(|point| point.1).filter(|value| value.is_finite());
    let (low, high) = (values().fold(0.0, f64::min), values().fold(1e-9, f64::max));
    let x = |time: f64| 8.0 + (time - from) / (to - from) * (WIDTH - 70.0);
    let y = |value: f64| 34.0 + (1.0 - (value - low) / (high - low)) * (HEIGHT - 64.0);
    let mut svg = format!(
        "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\"/><text x=\"8\" y=\"18\" class=\"t\">{}</text>",
        escaped(title)
    );
    let unit = match unit {
        "percentunit" => " (1 = 100 %)",
        "reqps" | "cps" => " a second",
        "s" => " s",
        _ => "",
    };
    for value in [low, high] {
        write!(svg, "<text x=\"{}\" y=\"{:.0}\">{}</text>", WIDTH - 58.0, y(value) + 3.0, rounded(value)).unwrap();
    }
    write!(svg, "<text x=\"{}\" y=\"18\" text-anchor=\"end\">{unit}</text>", WIDTH - 8.0).unwrap();
    for (line, colour) in shown.iter().zip(COLOURS) {
        for part in line.points.split(|point| !point.1.is_finite()).filter(|part| !part.is_empty()) {
            let points: Vec<String> = part.iter().map(|point| format!("{:.0},{:.0}", x(point.0), y(point.1))).collect();
            write!(svg, "<polyline stroke=\"{colour}\" points=\"{}\"/>", points.join(" ")).unwrap();
        }
    }
    let mut at = 8.0;
    for (line, colour) in shown.iter().zip(COLOURS) {
        let name: String = line.name.chars().take(22).collect();
        let width = 6.0 * name.chars().count() as f64 + 10.0;
        if at + width > WIDTH {
            break;
        }
        write!(svg, "<text x=\"{at}\" y=\"{}\" style=\"fill:{colour}\">{}</text>", HEIGHT - 10.0, escaped(&name))
            .unwrap();
        at += width;
    }
    svg
}

fn rounded(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn page(panels: &[String]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = ((WIDTH + 10.0) * COLUMNS as f64 + 10.0, (HEIGHT + 10.0) * rows as f64 + 10.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\
         <style>rect{{fill:#fff;stroke:#d1d5db}}text{{fill:#4b5563}}.t{{font-size:13px;fill:#111827}}\
         polyline{{fill:none;stroke-width:1.4}}</style>\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        let (x, y) = (10.0 + (at % COLUMNS) as f64 * (WIDTH + 10.0), 10.0 + (at / COLUMNS) as f64 * (HEIGHT + 10.0));
        writeln!(svg, "<g transform=\"translate({x} {y})\">{panel}</g>").unwrap();
    }
    svg + "</svg>\n"
}
