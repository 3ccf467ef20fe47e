//! `quality_check FILE.csv... [OPTION...]`: what the validator finds in price files, and what it would mend.
//!
//! ```text
//! --profile NAME   a_share us_equity fx crypto futures index fund_nav power; the default says nothing
//! --raw            prices are as traded
//! --repair         writes FILE with the cells mended that a rule has a factor for, as FILE.mended.csv beside it
//! --dry-run        with --repair: says what it would change, and writes nothing
//! --svg FOLDER     a picture of each series, as it is and as mended
//! --json           one array a file, for programs
//! --literal        rules of thumb instead of the robust policy
//! ```
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

use feedguard::quality::{FeedProfile, Policy, PriceBasis, QualityReport, Repair, Severity};
use feedguard::{DataQualityValidator, QualityConfig};
use table::Table;

/// Findings of a rule that the text shows.
const SHOWN: usize = 5;

struct Args {
    files: Vec<PathBuf>,
    json: bool,
    literal: bool,
    svg: Option<PathBuf>,
    profile: FeedProfile,
    repair: bool,
    dry_run: bool,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!(
                "{message}\nusage: quality_check FILE.csv... [--profile NAME] [--raw] [--repair [--dry-run]] \
                 [--svg FOLDER] [--json] [--literal]"
            );
            return ExitCode::from(2);
        }
    };
    let policy = if args.literal { Policy::Literal } else { Policy::Robust };
    // Every row is to be named, not the first and last hundred.
    let config = QualityConfig::default().policy(policy).profile(args.profile).max_findings_per_rule(1_000_000);
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
                let repair = || table.series().map(|series| validator.repair(&series));
                let repair = if args.repair || args.svg.is_some() { repair().ok() } else { None };
                let mut written = Ok(());
                if let Some(folder) = &args.svg {
                    let target = folder.join(format!("{name}.svg"));
                    written = std::fs::write(target, picture::draw(&name, &table, &report, repair.as_ref()));
                }
                if let Some(repair) = repair.filter(|_| args.repair) {
                    if !args.json {
                        print_repair(&repair, args.dry_run);
                    }
                    if !args.dry_run && !repair.changes().is_empty() {
                        written = written.and(table.write_mended(file, &repair));
                    }
                }
                if let Err(error) = written {
                    eprintln!("{name}: {error}");
                    failed = true;
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
    let mut args = Args {
        files: Vec::new(),
        json: false,
        literal: false,
        svg: None,
        profile: FeedProfile::default(),
        repair: false,
        dry_run: false,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => args.json = true,
            "--literal" => args.literal = true,
            "--repair" => args.repair = true,
            "--dry-run" => args.dry_run = true,
            "--raw" => args.profile = args.profile.prices(PriceBasis::Raw),
            "--profile" => {
                let name = words.next().unwrap_or_default();
                args.profile = FeedProfile::preset(&name).ok_or_else(|| format!("no profile {name:?}"))?;
            }
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
        let findings: Vec<_> = report.findings.iter().filter(|finding| finding.rule == total.rule).collect();
        for finding in findings.iter().take(SHOWN) {
            let (first, last) = (&table.dates[finding.row], &table.dates[finding.last_row]);
            let days = if first == last { first.clone() } else { format!("{first} to {last}") };
            println!("    {days}: {finding}");
        }
        if findings.len() > SHOWN {
            println!("    and {} more", findings.len() - SHOWN);
        }
    }
}

fn print_repair(repair: &Repair, dry_run: bool) {
    let (before, after) = (repair.before(), repair.after());
    let verb = if dry_run { "would change" } else { "changed" };
    let cells: usize = repair.changes().iter().map(|change| change.cells).sum();
    println!("  repair {verb} {cells} cells; score {:.2} before, {:.2} after", before.score, after.score);
    for change in repair.changes().iter().take(2 * SHOWN) {
        println!("    {change}");
    }
    if repair.changes().len() > 2 * SHOWN {
        println!("    and {} more", repair.changes().len() - 2 * SHOWN);
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
