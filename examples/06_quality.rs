//! `06_quality`: thirteen years of real bars are valid; one broken row is found and named.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "an example shows what it does, and plays the host"
)]

use feedguard::quality::{Bars, Rule, Series};
use feedguard::{DataQualityValidator, QualityConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut columns: [Vec<f64>; 5] = Default::default();
    let mut days = Vec::new();
    let mut reader = csv::Reader::from_reader(include_bytes!("data/MSFT-1d-unadjusted.csv").as_slice());
    for row in reader.records() {
        let row = row?;
        days.push(row[0].replace('-', "").parse::<i64>()?);
        for (at, column) in columns.iter_mut().enumerate() {
            column.push(row[at + 1].parse()?);
        }
    }
    let validator = DataQualityValidator::new("quality", QualityConfig::default())?;
    let check = |columns: &[Vec<f64>; 5]| {
        let [open, high, low, close, volume] = columns;
        Series::new(&days, Bars { open, high, low, close, volume }).map(|series| validator.validate(&series))
    };

    let report = check(&columns)?;
    println!("as delivered: {} rows, score {:.2}, valid: {}", report.total, report.score, report.valid);
    for total in &report.totals {
        println!("  {}: {} rows", total.rule, total.rows);
    }
    assert!(report.valid);

    columns[1][2000] = 0.01;
    let report = check(&columns)?;
    let finding = report.findings.iter().find(|finding| finding.rule == Rule::HighBelowLow).ok_or("not found")?;
    println!("with one high broken: {finding:?}");
    assert!(!report.valid && finding.row == 2000);
    Ok(())
}
