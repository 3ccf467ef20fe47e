//! How good an answer is, pure: (report, series, settings) -> clean, flawed or unusable.

use crate::quality::{QualityReport, Series};

use super::answer_config::{AnswerQualityConfig, JudgeRows};

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Clean,
    /// Errors, but usable.
    Flawed,
    /// Nothing that anybody could use.
    Unusable,
}

impl Grade {
    /// What it says about the endpoint's data, 0 to 1.
    pub(super) fn badness(self, report: &QualityReport) -> f64 {
        match self {
            Self::Clean => 0.0,
            Self::Flawed => ((100.0 - report.score) / 100.0).clamp(0.1, 1.0),
            Self::Unusable => 1.0,
        }
    }
}

/// Grades an answer by the rows that count.
pub(super) fn grade(
    report: &QualityReport,
    series: &Series<'_>,
    expects_rows: bool,
    config: &AnswerQualityConfig,
) -> Grade {
    let judged = judged_rows(series, config.judge_rows);
    if series.is_empty() || judged.is_empty() {
        return if expects_rows && series.is_empty() { Grade::Unusable } else { Grade::Clean };
    }
    let close = series.bars().close;
    // Suspended days carry the last close, or nothing at all; a series of nothing else is no answer.
    let is_usable = |row: &usize| close[*row].is_finite() && close[*row] != 0.0;
    if config.rules.enabled && !judged.iter().any(is_usable) {
        return if expects_rows { Grade::Unusable } else { Grade::Clean };
    }
    let wrong = judged.iter().filter(|row| report.quarantine.contains(**row)).count();
    if wrong == 0 {
        Grade::Clean
    } else if wrong as f64 > config.reject_share * judged.len() as f64 {
        Grade::Unusable
    } else {
        Grade::Flawed
    }
}

/// The rows that count, as numbers in the series as given.
fn judged_rows(series: &Series<'_>, rows: JudgeRows) -> Vec<usize> {
    let all = 0..series.len();
    match rows {
        JudgeRows::All => all.collect(),
        JudgeRows::Last(count) => {
            let mut by_time: Vec<usize> = all.collect();
            by_time.sort_by_key(|row| series.timestamps()[*row]);
            by_time.split_off(by_time.len().saturating_sub(count))
        }
        JudgeRows::Since(from) => all.filter(|row| series.timestamps()[*row] >= from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{Bars, DataQualityValidator, QualityConfig};

    /// A calm series of `count` rows in which `change` breaks what it likes.
    fn graded(count: usize, config: &AnswerQualityConfig, change: impl Fn(usize, &mut [f64; 5])) -> Grade {
        let rows: Vec<[f64; 5]> = (0..count)
            .map(|row| {
                let price = 10.0 + (row % 7) as f64 * 0.01;
                let mut cells = [price, price + 0.05, price - 0.05, price, 1e6];
                change(row, &mut cells);
                cells
            })
            .collect();
        let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
        let (open, high, low, close, volume) = (column(0), column(1), column(2), column(3), column(4));
        let days: Vec<i64> = (0..).take(count).collect();
        let bars = Bars { open: &open, high: &high, low: &low, close: &close, volume: &volume };
        let series = Series::new(&days, bars).unwrap();
        let report = DataQualityValidator::new("x", QualityConfig::default()).unwrap().validate(&series);
        grade(&report, &series, true, config)
    }

    #[test]
    fn answers_are_graded_by_the_rows_that_count() {
        let config = AnswerQualityConfig::default();
        let upside_down = |from: usize, to: usize| {
            move |row: usize, cells: &mut [f64; 5]| {
                if (from..to).contains(&row) {
                    cells.swap(1, 2);
                }
            }
        };
        assert_eq!(graded(250, &config, |_, _| {}), Grade::Clean);
        assert_eq!(graded(250, &config, upside_down(7, 8)), Grade::Flawed);
        assert_eq!(graded(250, &config, upside_down(0, 50)), Grade::Flawed, "a fifth is the limit");
        assert_eq!(graded(250, &config, upside_down(0, 51)), Grade::Unusable);
        let last = config.clone().judge_rows(JudgeRows::Last(10));
        assert_eq!(graded(250, &last, upside_down(7, 8)), Grade::Clean);
        assert_eq!(graded(250, &last, upside_down(245, 246)), Grade::Flawed);
        assert_eq!(graded(250, &last, upside_down(240, 243)), Grade::Unusable);
        let since = config.clone().judge_rows(JudgeRows::Since(200));
        assert_eq!(graded(250, &since, upside_down(0, 199)), Grade::Clean);
    }

    #[test]
    fn nothing_usable_is_no_answer() {
        let config = AnswerQualityConfig::default();
        assert_eq!(graded(0, &config, |_, _| {}), Grade::Unusable);
        assert_eq!(graded(250, &config, |_, cells| *cells = [f64::NAN; 5]), Grade::Unusable);
        assert_eq!(graded(250, &config, |_, cells| *cells = [0.0; 5]), Grade::Unusable);
        // Three suspended days at the end: open, high and low are nothing, the close is carried.
        let halt = |row: usize, cells: &mut [f64; 5]| {
            if row >= 247 {
                *cells = [0.0, 0.0, 0.0, cells[3], 0.0];
            }
        };
        assert!(graded(250, &config, halt) < Grade::Unusable);
    }
}
