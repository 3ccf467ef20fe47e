use feedguard::quality::{Bars, Rule, Series, Severity};
use feedguard::{DataQualityValidator, QualityConfig};

use crate::quality::files::PriceFile;

fn validator() -> DataQualityValidator {
    DataQualityValidator::new("quality", QualityConfig::default()).unwrap()
}

fn flat<'a>(close: &'a [f64], volume: &'a [f64]) -> Bars<'a> {
    Bars { open: close, high: close, low: close, close, volume }
}

#[test]
fn columns_of_unequal_length_are_a_typed_error() {
    let error = Series::new(&[1, 2, 3], flat(&[1.0, 2.0, 3.0], &[1.0])).unwrap_err();
    assert_eq!((error.column, error.found, error.expected), ("volume", 1, 3));
}

#[test]
fn sources_are_compared_by_timestamp_row_by_row() {
    let volume = [1.0; 4];
    let ours = Series::new(&[1, 2, 3, 5], flat(&[10.0, 10.0, 10.0, f64::NAN], &volume)).unwrap();
    let theirs = Series::new(&[5, 3, 1, 4], flat(&[10.0, 10.2, 10.05, 10.0], &volume)).unwrap();
    let report = validator().compare(&ours, &theirs);
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, finding.row)).collect();
    assert_eq!(
        found,
        [(Rule::SourceDifference, 2), (Rule::SourceDifference, 3), (Rule::MissingInOther, 1), (Rule::MissingHere, 3)]
    );
    assert!(!report.valid);
}

#[test]
fn warnings_lower_the_score_and_leave_the_series_valid() {
    let close = [10.0, 10.0, 14.0, 14.0];
    let report = validator().validate(&Series::new(&[1, 2, 3, 4], flat(&close, &[1.0; 4])).unwrap());
    assert_eq!((report.valid, report.passed, report.score), (true, 3, 93.75));
    assert_eq!(report.findings[0].severity, Severity::Warning);
    assert!((report.findings[0].value - 0.4).abs() < 1e-12);
}

#[test]
fn duplicates_and_extreme_values_do_not_panic() {
    let values = [f64::NAN, f64::INFINITY, -0.0, 1e308, f64::MIN_POSITIVE, -1e308];
    for a in values {
        for b in values {
            let close = [a, b, a, b];
            validator().validate(&Series::new(&[7, 7, i64::MIN, i64::MAX], flat(&close, &close)).unwrap());
        }
    }
    let report = validator().validate(&Series::new(&[7, 7], flat(&[1.0, 1.0], &[1.0, 1.0])).unwrap());
    assert_eq!(report.rows_of(Rule::DuplicateRow), 1);
}

#[test]
fn a_report_is_data_that_serde_writes() {
    let report = validator().validate(&Series::new(&[1], flat(&[-1.0], &[1.0])).unwrap());
    let json = serde_json::to_value(&report).unwrap();
    let rules: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|found| found["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["unusable", "non_positive_price"]);
    assert_eq!(json["findings"][1]["severity"], "error");
    assert_eq!(json["findings"][1]["reason"]["witness"], "a price is zero or below");
    assert_eq!(json["valid"], false);
}

#[test]
fn a_switched_off_validator_says_yes() {
    let validator = DataQualityValidator::new("quality", QualityConfig::off()).unwrap();
    let series = Series::new(&[1], flat(&[f64::NAN], &[-1.0])).unwrap();
    let report = validator.validate(&series);
    assert_eq!((report.valid, report.score, report.total), (true, 100.0, 1));
    assert!(validator.compare(&series, &series).valid);
}

#[test]
fn real_clean_series_are_valid() {
    for file in ["AAPL", "MSFT", "IBM"] {
        let [open, high, low, close, volume] =
            &PriceFile::load(&format!("examples/data/{file}-1d-unadjusted.csv")).bars;
        let days: Vec<i64> = (0..).take(open.len()).collect();
        let report = validator().validate(&Series::new(&days, Bars { open, high, low, close, volume }).unwrap());
        assert!(report.valid && report.total == 3270, "{file}: {:?}", report.totals);
    }
}
