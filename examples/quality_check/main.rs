//! `quality_check FILE.csv... [--json] [--literal] [--svg FOLDER]`: what the validator finds in price files.
//!
//! With `--json` one array a file, one line each: `[{"row": 12, "rule": "unit_error", "severity":
//! "error", ...}]`, rows numbered in order of time after duplicates are dropped; rules that say
//! something about the market rather than an error of the data carry the prefix `info:`. Without
//! files it checks the bars that come with the examples.
#![allow(
    clippy::pedantic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

mod picture;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use feedguard::quality::{Policy, QualityReport, Severity};
use feedguard::{DataQualityValidator, QualityConfig};
use table::Table;

/// Findings of a rule that the text shows.
const SHOWN: usize = 5;

struct Args {
    files: Vec<PathBuf>,
    json: bool,
    literal: bool,
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("{message}\nusage: quality_check FILE.csv... [--json] [--literal] [--svg FOLDER]");
            return ExitCode::from(2);
        }
    };
    let policy = if args.literal { Policy::Literal } else { Policy::Robust };
    // Every row is to be named, not the first and last hundred.
    let config = QualityConfig::default().policy(policy).max_findings_per_rule(1_000_000);
    let validator = DataQualityValidator::new("quality", config).unwrap();
    let (mut failed, mut reports) = (false, Vec::new());
    for file in &args.files {
        match check(&validator, file) {
            Ok((table, report)) => {
                let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                if args.json {
                    print_json(&report)
                } else {
                    print_text(&name, &table, &report)
                }
                if let Some(folder) = &args.svg {
                    let target = folder.join(format!("{name}.svg"));
                    if let Err(error) = std::fs::write(&target, picture::draw(&name, &table, &report)) {
                        eprintln!("{}: {error}", target.display());
                        failed = true;
                    }
                }
                reports.push(report);
            }
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                failed = true;
                // One line a file, so that lines and files keep together.
                if args.json {
                    println!("[]");
                }
            }
        }
    }
    if !args.json {
        print_skipped(&reports);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { files: Vec::new(), json: false, literal: false, svg: None };
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => args.json = true,
            "--literal" => args.literal = true,
            "--svg" => args.svg = Some(words.next().ok_or("--svg needs a folder")?.into()),
            option if option.starts_with('-') => return Err(format!("unknown option {option:?}")),
            file => args.files.push(file.into()),
        }
    }
    if args.files.is_empty() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
        args.files = ["AAPL", "MSFT", "IBM"].map(|name| data.join(format!("{name}-1d-unadjusted.csv"))).into();
    }
    Ok(args)
}

fn check(validator: &DataQualityValidator, file: &Path) -> Result<(Table, QualityReport), Box<dyn std::error::Error>> {
    let table = Table::read(file)?;
    let report = validator.validate(&table.series()?);
    Ok((table, report))
}

/// A finding as it is printed.
#[derive(serde::Serialize)]
struct Line {
    row: usize,
    rule: String,
    severity: Severity,
    value: f64,
    expected: f64,
    factor: Option<f64>,
}

fn print_json(report: &QualityReport) {
    let rows = report
        .findings
        .iter()
        .flat_map(|finding| (finding.position..=finding.last_position).map(move |position| (position, finding)));
    let lines = rows.map(|(row, finding)| {
        let prefix = if finding.severity == Severity::Error { "" } else { "info:" };
        Line {
            row,
            rule: format!("{prefix}{}", finding.rule),
            severity: finding.severity,
            value: finding.value,
            expected: finding.expected,
            factor: finding.factor,
        }
    });
    println!("{}", serde_json::to_string(&lines.collect::<Vec<_>>()).unwrap());
}

fn print_text(name: &str, table: &Table, report: &QualityReport) {
    println!("{name}: {} rows, score {:.2}, valid: {}", report.total, report.score, report.valid);
    let mut totals = report.totals.clone();
    totals.sort_by_key(|total| std::cmp::Reverse(total.severity));
    for total in totals {
        println!("  {} {}: {}", total.severity.as_str(), total.rule, total.rows);
        let findings = report.findings.iter().filter(|finding| finding.rule == total.rule);
        for finding in findings.take(SHOWN) {
            let factor = finding.factor.map_or(String::new(), |factor| format!(", factor {factor:.6}"));
            let expected =
                if finding.expected.is_nan() { String::new() } else { format!(", expected {:.4}", finding.expected) };
            println!("    {}: {:.4}{expected}{factor}", table.dates[finding.row], finding.value);
        }
        if total.rows > SHOWN {
            println!("    and {} more", total.rows - SHOWN);
        }
    }
}

/// What the rules that were not checked would need, each once.
fn print_skipped(reports: &[QualityReport]) {
    let skipped: BTreeSet<(&str, &str)> = reports
        .iter()
        .flat_map(|report| &report.skipped)
        .map(|skipped| (skipped.needs, skipped.rule.as_str()))
        .collect();
    for (needs, rule) in skipped {
        println!("skipped where it lacks {needs}: {rule}");
    }
}
