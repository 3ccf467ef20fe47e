//! Rules against their tables.

use super::{Bars, DataQualityValidator, QualityConfig, Rule, Series};

type Row = [f64; 5];
const GOOD: Row = [10.0, 10.5, 9.5, 10.2, 1000.0];

fn rules(rows: &[Row]) -> Vec<(Rule, usize)> {
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
    let (open, high, low, close, volume) = (column(0), column(1), column(2), column(3), column(4));
    let timestamps: Vec<i64> = (0..).take(rows.len()).collect();
    let bars = Bars { open: &open, high: &high, low: &low, close: &close, volume: &volume };
    let report =
        DataQualityValidator::new(QualityConfig::default()).unwrap().validate(&Series::new(&timestamps, bars).unwrap());
    report.findings.iter().map(|finding| (finding.rule, finding.row)).collect()
}

#[test]
fn each_rule_finds_its_row_and_nothing_else() {
    type Case = (&'static str, Vec<Row>, Vec<(Rule, usize)>);
    let cases: Vec<Case> = vec![
        ("good", vec![GOOD; 5], vec![]),
        ("empty", vec![], vec![]),
        ("one row", vec![GOOD], vec![]),
        ("NaN", vec![GOOD, [10.0, f64::NAN, 9.5, 10.2, 1e3], GOOD], vec![(Rule::NotFinite, 1)]),
        ("infinite volume", vec![GOOD, [10.0, 10.5, 9.5, 10.2, f64::INFINITY]], vec![(Rule::NotFinite, 1)]),
        ("high below low", vec![GOOD, [10.0, 9.5, 10.5, 10.2, 1e3]], vec![(Rule::HighBelowLow, 1)]),
        ("open outside", vec![[11.0, 10.5, 9.5, 10.2, 1e3], GOOD], vec![(Rule::OpenOutside, 0)]),
        ("close outside", vec![GOOD, [10.0, 10.5, 9.5, 9.4, 1e3]], vec![(Rule::CloseOutside, 1)]),
        ("negative volume", vec![GOOD, [10.0, 10.5, 9.5, 10.2, -1.0]], vec![(Rule::NegativeVolume, 1)]),
        (
            "flat",
            vec![GOOD, [10.2, 10.2, 10.2, 10.2, 0.0], [10.2, 10.2, 10.2, 10.2, 0.0], [10.2, 10.2, 10.2, 10.2, 0.0]],
            vec![(Rule::FlatRows, 1), (Rule::FlatRows, 2), (Rule::FlatRows, 3)],
        ),
        (
            "two flat rows are fine",
            vec![GOOD, [10.2, 10.2, 10.2, 10.2, 0.0], [10.2, 10.2, 10.2, 10.2, 0.0], GOOD],
            vec![],
        ),
        ("large change", vec![GOOD, [13.0, 13.0, 13.0, 13.0, 1e3]], vec![(Rule::LargeChange, 1)]),
    ];
    for (name, rows, expected) in cases {
        assert_eq!(rules(&rows), expected, "{name}");
    }
}

#[test]
fn volume_and_sigma_need_a_crowd() {
    let mut rows = vec![GOOD; 30];
    rows[20][4] = 50_000.0;
    assert_eq!(rules(&rows), [(Rule::VolumeSpike, 20)]);
    let mut rows = vec![GOOD; 30];
    for row in &mut rows[25..] {
        *row = row.map(|value| value * 1.15);
    }
    assert_eq!(rules(&rows), [(Rule::SigmaOutlier, 25)]);
}

#[test]
fn zero_and_negative_prices_are_errors() {
    for price in [0.0, -0.0, -5.0, -1e308] {
        let found = rules(&[GOOD, [price, 10.5, price, 10.2, 1e3]]);
        assert_eq!(found, [(Rule::NonPositivePrice, 1)], "{price}");
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let close = [10.0, 13.0, 12.9, 12.8];
    let timestamps = [1, 2, 3, 4];
    let check = |order: [usize; 4]| {
        let column: Vec<f64> = order.iter().map(|at| close[*at]).collect();
        let times: Vec<i64> = order.iter().map(|at| timestamps[*at]).collect();
        let volume = [1.0; 4];
        let bars = Bars { open: &column, high: &column, low: &column, close: &column, volume: &volume };
        let report =
            DataQualityValidator::new(QualityConfig::default()).unwrap().validate(&Series::new(&times, bars).unwrap());
        report.findings.iter().map(|finding| (finding.rule, finding.timestamp)).collect::<Vec<_>>()
    };
    assert_eq!(check([0, 1, 2, 3]), [(Rule::LargeChange, 2)]);
    assert_eq!(check([3, 1, 0, 2]), [(Rule::LargeChange, 2)]);
}

#[test]
fn totals_are_exact_and_findings_bounded() {
    let rows = vec![[10.0, 9.0, 11.0, 10.0, 1.0]; 500];
    let columns: Vec<Vec<f64>> = (0..5).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
    let timestamps: Vec<i64> = (0..500).collect();
    let bars = Bars { open: &columns[0], high: &columns[1], low: &columns[2], close: &columns[3], volume: &columns[4] };
    let config = QualityConfig::default().max_findings_per_rule(7);
    let report = DataQualityValidator::new(config).unwrap().validate(&Series::new(&timestamps, bars).unwrap());
    assert_eq!((report.rows_of(Rule::HighBelowLow), report.findings.len()), (500, 7));
    assert_eq!((report.passed, report.valid), (0, false));
}
