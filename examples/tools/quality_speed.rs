//! `quality_speed FILE ROWS literal|robust THREADS`: times the validator on raw columns (open, high, low, close,
//! volume as little-endian doubles, one column after the other) and prints milliseconds, then the rows found by each
//! of the nine checks of the literal policy. `benches/quality_rivals.py` calls it.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example shows what it does, and plays the host"
)]

use std::time::Instant;

use feedguard::quality::{Bars, Rule, Series};
use feedguard::{DataQualityValidator, QualityConfig};

const CHECKS: [Rule; 9] = [
    Rule::HighBelowLow,
    Rule::OpenOutside,
    Rule::CloseOutside,
    Rule::NegativeVolume,
    Rule::NonPositivePrice,
    Rule::LargeChange,
    Rule::VolumeSpike,
    Rule::FlatRows,
    Rule::SigmaOutlier,
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut word =
        |name: &str| words.next().ok_or_else(|| format!("{name} is missing: FILE ROWS literal|robust THREADS"));
    let (file, rows, policy, threads) =
        (word("FILE")?, word("ROWS")?.parse::<usize>()?, word("policy")?, word("THREADS")?);
    let bytes = std::fs::read(file)?;
    let numbers: Vec<f64> =
        bytes.chunks_exact(8).filter_map(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?))).collect();
    let column = |at: usize| numbers.get(at * rows..(at + 1) * rows).ok_or("the file has fewer than five columns");
    let bars = Bars { open: column(0)?, high: column(1)?, low: column(2)?, close: column(3)?, volume: column(4)? };
    let time: Vec<i64> = (0..).take(rows).collect();
    let config = if policy == "literal" { QualityConfig::literal() } else { QualityConfig::default() };
    let validator = DataQualityValidator::new("quality", config.threads(threads.parse()?))?;
    let series = Series::new(&time, bars)?;
    // Threads start and pages are touched with the first one.
    validator.validate(&series);
    let begun = Instant::now();
    let report = validator.validate(&series);
    println!("{}", begun.elapsed().as_secs_f64() * 1e3);
    println!("{}", CHECKS.map(|rule| report.rows_of(rule).to_string()).join(" "));
    Ok(())
}
