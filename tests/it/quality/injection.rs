//! Errors put into real series: how many of each kind are found, and what else is taken for one.
//! `cargo test --test it quality_injection -- --nocapture` prints the table.

use std::collections::BTreeSet;

use feedguard::quality::{Policy, Severity};
use feedguard::{DataQualityValidator, QualityConfig};

use crate::quality::files::{PriceFile, clean, pairs};

/// Puts errors into a series; the answer are the wrong rows.
type Inject = fn(&mut PriceFile, usize) -> Vec<usize>;

fn scale(file: &mut PriceFile, row: usize, factor: f64) {
    for column in &mut file.bars[..4] {
        column[row] *= factor;
    }
}

fn scale_adjusted(file: &mut PriceFile, row: usize, factor: f64) {
    scale(file, row, factor);
    if let Some(column) = &mut file.adj_close {
        column[row] *= factor;
    }
}

fn block(file: &mut PriceFile, row: usize, rows: usize, factor: f64) -> Vec<usize> {
    (row..row + rows).inspect(|row| scale_adjusted(file, *row, factor)).collect()
}

fn freeze(file: &mut PriceFile, row: usize, rows: usize, columns: usize) -> Vec<usize> {
    for column in &mut file.bars[..columns] {
        let value = column[row - 1];
        column[row..row + rows].fill(value);
    }
    (row..row + rows).collect()
}

/// Name, the least share that must be found, and what is done.
const KINDS: [(&str, f64, Inject); 20] = [
    ("row x100", 1.0, |file, row| block(file, row, 1, 100.0)),
    ("row x0.01", 1.0, |file, row| block(file, row, 1, 0.01)),
    ("row x1000", 1.0, |file, row| block(file, row, 1, 1000.0)),
    ("row x10", 1.0, |file, row| block(file, row, 1, 10.0)),
    ("row x2", 0.95, |file, row| block(file, row, 1, 2.0)),
    ("row x0.5", 0.95, |file, row| block(file, row, 1, 0.5)),
    ("row x1.15", 0.85, |file, row| block(file, row, 1, 1.15)),
    ("row x1.15, adjusted close left", 0.85, |file, row| {
        scale(file, row, 1.15);
        vec![row]
    }),
    ("row x0.87", 0.85, |file, row| block(file, row, 1, 0.87)),
    ("close x100", 1.0, |file, row| {
        file.bars[3][row] *= 100.0;
        vec![row]
    }),
    ("close x1.15", 1.0, |file, row| {
        file.bars[3][row] *= 1.15;
        vec![row]
    }),
    ("high and low swapped", 1.0, |file, row| {
        let high = file.bars[1][row];
        file.bars[1][row] = file.bars[2][row];
        file.bars[2][row] = high;
        vec![row]
    }),
    ("frozen for 5 rows", 1.0, |file, row| freeze(file, row, 5, 5)),
    ("frozen for 3 rows, volume goes on", 0.95, |file, row| freeze(file, row, 3, 4)),
    ("block of 10 x100", 0.99, |file, row| block(file, row, 10, 100.0)),
    ("block of 10 x10", 0.99, |file, row| block(file, row, 10, 10.0)),
    ("block of 5 x2", 0.9, |file, row| block(file, row, 5, 2.0)),
    ("block of 5 x1.5", 0.9, |file, row| block(file, row, 5, 1.5)),
    ("volume x1000", 0.9, |file, row| {
        file.bars[4][row] *= 1000.0;
        vec![row]
    }),
    ("volume x1000 for 4 rows", 0.9, |file, row| {
        file.bars[4][row..row + 4].iter_mut().for_each(|volume| *volume *= 1000.0);
        (row..row + 4).collect()
    }),
];

/// Positions of the errors: far from each other, and from either end.
const APART: usize = 61;

fn errors(validator: &DataQualityValidator, file: &PriceFile) -> BTreeSet<usize> {
    let report = validator.validate(&file.series());
    let found = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    found.flat_map(|finding| finding.position..=finding.last_position).collect()
}

struct Score {
    injected: usize,
    found: usize,
    false_rows: usize,
}

fn score(validator: &DataQualityValidator, files: &[PriceFile], inject: Inject) -> Score {
    let mut score = Score { injected: 0, found: 0, false_rows: 0 };
    for file in files {
        let known = errors(validator, file);
        for start in [17, 31, 49] {
            let mut spoilt = file.clone();
            let rows = (start..file.time.len().saturating_sub(20)).step_by(APART);
            let wrong: BTreeSet<usize> = rows.flat_map(|row| inject(&mut spoilt, row)).collect();
            let found = errors(validator, &spoilt);
            score.injected += wrong.len();
            score.found += wrong.intersection(&found).count();
            score.false_rows += found.difference(&wrong).filter(|row| !known.contains(row)).count();
        }
    }
    score
}

#[test]
fn errors_put_into_real_series_are_found_and_nothing_beside_them() {
    let config = QualityConfig::default().max_findings_per_rule(1_000_000);
    let robust = DataQualityValidator::new("quality", config.clone()).unwrap();
    let literal = DataQualityValidator::new("quality", config.policy(Policy::Literal)).unwrap();
    let mut files = clean();
    files.extend(pairs().into_iter().map(|(_, fixed)| fixed.sorted()).filter(|file| file.time.len() > 200));
    println!("{:<36} {:>8} {:>8} {:>8} {:>16}", "", "rows", "found", "beside", "literal found");
    let mut faults = Vec::new();
    for (name, least, inject) in KINDS {
        let Score { injected, found, false_rows } = score(&robust, &files, inject);
        let old = score(&literal, &files, inject);
        let share = found as f64 / injected as f64;
        println!(
            "{name:<36} {injected:>8} {:>7.1}% {false_rows:>8} {:>15.1}%",
            100.0 * share,
            100.0 * old.found as f64 / old.injected as f64
        );
        if share < least || false_rows * 200 > injected {
            faults.push(name);
        }
    }
    assert!(faults.is_empty(), "{faults:?}");
}
