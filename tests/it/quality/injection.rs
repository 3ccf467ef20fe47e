//! Errors put into real series: how many of each kind are found, and what else is taken for one.
//! `cargo test --test it quality_injection -- --nocapture` prints the table.

use std::collections::BTreeSet;

use feedguard::quality::{Policy, Rule, Severity};
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

/// Kinds that take many rows, or the rows around to be seen.
const LONG_KINDS: [(&str, f64, Inject); 7] = [
    ("block of 10 x1.3", 0.85, |file, row| block(file, row, 10, 1.3)),
    ("block of 30 x2", 0.9, |file, row| block(file, row, 30, 2.0)),
    ("high x3", 0.95, |file, row| {
        file.bars[1][row] *= 3.0;
        vec![row]
    }),
    ("low / 7", 0.95, |file, row| {
        file.bars[2][row] /= 7.0;
        vec![row]
    }),
    ("high and close x3", 0.85, |file, row| {
        file.bars[1][row] *= 3.0;
        file.bars[3][row] *= 3.0;
        if let Some(column) = &mut file.adj_close {
            column[row] *= 3.0;
        }
        vec![row]
    }),
    ("volume x100 for 30 rows", 0.9, |file, row| {
        file.bars[4][row..row + 30].iter_mut().for_each(|volume| *volume *= 100.0);
        (row..row + 30).collect()
    }),
    ("adjusted close x18 for 21 rows", 1.0, |file, row| {
        let Some(column) = &mut file.adj_close else { return Vec::new() };
        column[row..row + 21].iter_mut().for_each(|close| *close *= 18.0);
        (row..row + 21).collect()
    }),
];

/// Positions of the errors: far from each other, and from either end.
const APART: usize = 61;
const LONG_APART: usize = 257;

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

fn score(validator: &DataQualityValidator, files: &[PriceFile], inject: Inject, apart: usize) -> Score {
    let mut score = Score { injected: 0, found: 0, false_rows: 0 };
    for file in files {
        let known = errors(validator, file);
        for start in [17, 31, 49] {
            let mut spoilt = file.clone();
            let rows = (start..file.time.len().saturating_sub(40)).step_by(apart);
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
    let kinds = KINDS.map(|kind| (kind, APART)).into_iter().chain(LONG_KINDS.map(|kind| (kind, LONG_APART)));
    for ((name, least, inject), apart) in kinds {
        let Score { injected, found, false_rows } = score(&robust, &files, inject, apart);
        let old = score(&literal, &files, inject, apart);
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

/// Rows that only what is stored can judge, and rows whose date is wrong.
#[test]
fn last_rows_and_wrong_dates_are_told_in_real_series() {
    let robust = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    let literal = DataQualityValidator::new("quality", QualityConfig::literal()).unwrap();
    let (mut ends, mut found, mut old, mut false_alarms, mut dates, mut dated) = (0, 0, 0, 0, 0, 0);
    for file in clean() {
        for end in (100..file.time.len()).step_by(47) {
            let (history, last) = (file.rows(end.saturating_sub(300)..end), file.rows(end..end + 1));
            false_alarms += usize::from(!robust.check_new(&history.series(), &last.series()).valid);
            let mut twice = last.clone();
            scale_adjusted(&mut twice, 0, 2.0);
            ends += 1;
            found += usize::from(!robust.check_new(&history.series(), &twice.series()).valid);
            old += usize::from(literal.validate(&twice.series()).issues > 0);
        }
        for row in (30..file.time.len() - 1).step_by(37) {
            let day = (file.time[row].div_euclid(86_400) + 3).rem_euclid(7);
            let mut moved = file.clone();
            moved.time[row] += (5 - day) * 86_400;
            if moved.time[row] < file.time[row + 1] {
                dates += 1;
                dated += usize::from(robust.validate(&moved.series()).rows_of(Rule::OffCalendar) == 1);
            }
        }
    }
    println!("last row x2: {found} of {ends} found, {false_alarms} false alarms, literal {old}");
    println!("a bar on a Saturday: {dated} of {dates} told");
    assert!(found * 100 >= ends * 85 && false_alarms * 200 <= ends, "{found} of {ends}, {false_alarms} beside");
    assert!(dated == dates && dates > 20, "{dated} of {dates}");
}
