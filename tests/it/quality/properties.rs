//! What must hold for any series.

use feedguard::quality::{Bars, QualityReport, Rule, RuleLevel, Series, Severity};
use feedguard::{DataQualityValidator, QualityConfig};
use proptest::prelude::*;

use crate::quality::frame::{Frame, rows_of};

/// Something odd that is done to a row of a frame.
#[derive(Debug, Clone)]
enum Oddity {
    Scale(f64),
    Price(f64),
    Volume(f64),
    Volumes(usize, f64),
    Freeze(usize),
    Swap,
    Close(f64),
    SameTime,
}

fn oddity() -> impl Strategy<Value = Oddity> {
    prop_oneof![
        prop::sample::select(vec![100.0, 0.01, 10.0, 2.0, 0.5, 1.15, 1000.0]).prop_map(Oddity::Scale),
        prop::sample::select(vec![f64::NAN, 0.0, -1.0, f64::INFINITY, 1e308, 1e-308]).prop_map(Oddity::Price),
        prop::sample::select(vec![f64::NAN, 0.0, -1.0, 1e9, f64::INFINITY]).prop_map(Oddity::Volume),
        (1..40_usize, prop::sample::select(vec![100.0, 0.01, 1e4, 0.0, 12.0, 0.08]))
            .prop_map(|(rows, factor)| Oddity::Volumes(rows, factor)),
        (1..6_usize).prop_map(Oddity::Freeze),
        Just(Oddity::Swap),
        (0.5..2.0).prop_map(Oddity::Close),
        Just(Oddity::SameTime),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    (2..180_usize, prop::collection::vec((0..1000_usize, oddity()), 0..25), any::<bool>()).prop_map(
        |(rows, oddities, pays)| {
            let mut frame = Frame::calm(rows);
            if pays && rows > 20 {
                frame.pay(&[rows / 3, rows / 2]);
                frame.declare_split(rows / 2, 2.0);
            }
            for (at, oddity) in oddities {
                // The ends of a series are where little is known.
                let row = [at % rows, 0, at % rows, rows - 1 - at % rows.min(12)][at % 4];
                match oddity {
                    Oddity::Scale(factor) => frame.scale(row, factor),
                    Oddity::Price(price) => frame.set(row, price),
                    Oddity::Volume(volume) => frame.volume[row] = volume,
                    Oddity::Volumes(length, factor) => {
                        frame.volume.iter_mut().skip(row).take(length).for_each(|volume| *volume *= factor);
                    }
                    Oddity::Freeze(length) if row > 0 => frame.freeze(row, length.min(rows - row)),
                    Oddity::Swap => (frame.high[row], frame.low[row]) = (frame.low[row], frame.high[row]),
                    Oddity::Close(factor) => frame.close[row] *= factor,
                    Oddity::SameTime if row > 0 => frame.time[row] = frame.time[row - 1],
                    Oddity::Freeze(_) | Oddity::SameTime => {}
                }
            }
            frame
        },
    )
}

/// The frame with its rows in another order.
fn shuffled(frame: &Frame, seed: u64) -> Frame {
    let mut order: Vec<usize> = (0..frame.time.len()).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    let pick = |column: &Vec<f64>| order.iter().map(|row| column[*row]).collect::<Vec<f64>>();
    Frame {
        time: order.iter().map(|row| frame.time[*row]).collect(),
        open: pick(&frame.open),
        high: pick(&frame.high),
        low: pick(&frame.low),
        close: pick(&frame.close),
        volume: pick(&frame.volume),
        adj_close: frame.adj_close.as_ref().map(pick),
        dividends: frame.dividends.as_ref().map(pick),
        splits: frame.splits.as_ref().map(pick),
        ..frame.clone()
    }
}

/// What a report says, whatever the order of rows.
fn essence(report: &QualityReport) -> Vec<(Rule, i64, usize, u64, u64)> {
    let mut findings: Vec<_> = report
        .findings
        .iter()
        .map(|found| (found.rule, found.timestamp, found.position, found.value.to_bits(), found.expected.to_bits()))
        .collect();
    findings.sort_unstable();
    findings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_does_not_matter(frame in frame(), seed: u64, literal: bool) {
        let config = if literal { QualityConfig::literal() } else { QualityConfig::default() };
        // That rows are out of order is what the shuffle changes.
        let config = config.level(Rule::OutOfOrder, RuleLevel::Off);
        let (one, other) = (frame.report(config.clone()), shuffled(&frame, seed).report(config));
        prop_assert_eq!(essence(&one), essence(&other));
        prop_assert_eq!((one.passed, one.valid, one.issues), (other.passed, other.valid, other.issues));
    }

    #[test]
    fn a_report_adds_up(frame in frame(), keep in 0..12_usize) {
        let all = frame.report(QualityConfig::default());
        let few = frame.report(QualityConfig::default().max_findings_per_rule(keep));
        prop_assert_eq!(&all.totals, &few.totals);
        for total in &all.totals {
            let rows: Vec<_> = all.findings.iter().filter(|found| found.rule == total.rule).collect();
            let kept = few.findings.iter().filter(|found| found.rule == total.rule).count();
            prop_assert_eq!(rows.iter().map(|found| found.rows).sum::<usize>(), total.rows);
            prop_assert_eq!(kept, rows.len().min(2 * keep));
        }
        let bad: std::collections::BTreeSet<usize> =
            all.findings.iter().filter(|found| found.severity == Severity::Error).flat_map(rows_of).collect();
        // Between the ends of a run there may be rows that were dropped.
        let is_plain = frame.time.is_sorted_by(|before, after| before < after);
        prop_assert!(all.quarantine.iter().all(|row| bad.contains(&row)));
        prop_assert!(!is_plain || all.quarantine.len() == bad.len());
        let worth: std::collections::BTreeSet<usize> =
            all.findings.iter().filter(|found| found.severity > Severity::Info).flat_map(rows_of).collect();
        prop_assert!(!is_plain || all.passed == all.total - worth.len());
        prop_assert_eq!(all.valid, bad.is_empty());
        prop_assert_eq!(all.issues, all.findings.iter().map(|found| found.rows).sum::<usize>());
        prop_assert!((0.0..=100.0).contains(&all.score));
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let rows = 400_000;
    let mut random = fastrand::Rng::with_seed(11);
    let mut frame = Frame::calm(rows);
    for _ in 0..2000 {
        let row = random.usize(1..rows - 10);
        match random.u8(0..6) {
            0 => frame.scale(row, 100.0),
            1 => frame.scale(row, 1.2),
            2 => frame.freeze(row, 4),
            3 => frame.close[row] = f64::NAN,
            4 => frame.volume[row] *= 1000.0,
            _ => frame.scale_all(row..row + 8, 1.5),
        }
    }
    for config in [QualityConfig::default(), QualityConfig::literal()] {
        let alone = frame.report(config.clone());
        assert!(alone.issues > 1000, "{:?}", alone.totals);
        for threads in [0, 2, 3] {
            let together = frame.report(config.clone().threads(threads));
            assert_eq!(essence(&alone), essence(&together), "{threads} threads");
            assert_eq!((&alone.totals, &alone.quarantine), (&together.totals, &together.quarantine));
        }
    }
}

#[test]
fn any_numbers_will_do() {
    let values = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1e308,
        -1e308,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        1.0,
    ];
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let validators = [QualityConfig::default(), QualityConfig::literal()]
        .map(|config| DataQualityValidator::new("quality", config).unwrap());
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2000 {
        let rows = random.usize(0..70);
        let mut column = || (0..rows).map(|_| values[random.usize(..values.len())]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..12).map(|_| column()).collect();
        let time: Vec<i64> = (0..rows).map(|_| times[random.usize(..times.len())]).collect();
        let bars =
            Bars { open: &columns[0], high: &columns[1], low: &columns[2], close: &columns[3], volume: &columns[4] };
        let series = Series::new(&time, bars)
            .and_then(|series| series.amount(&columns[5]))
            .and_then(|series| series.adj_close(&columns[6]))
            .and_then(|series| series.dividends(&columns[7]))
            .and_then(|series| series.splits(&columns[8]))
            .and_then(|series| series.pre_close(&columns[9]))
            .and_then(|series| series.limit_up(&columns[10]))
            .and_then(|series| series.limit_down(&columns[11]))
            .unwrap()
            .time_unit(feedguard::quality::TimeUnit::YyyyMmDd, i32::MAX)
            .board(feedguard::quality::Board::Main);
        for validator in &validators {
            let report = validator.validate(&series);
            assert_eq!(report.total, rows);
            validator.compare(&series, &series);
        }
    }
}

#[test]
fn a_million_equal_rows_and_a_million_equal_timestamps() {
    let (price, volume) = (vec![10.0; 1_000_000], vec![100.0; 1_000_000]);
    let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &volume };
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    let days: Vec<i64> = (0..1_000_000).collect();
    let report = validator.validate(&Series::new(&days, bars).unwrap());
    assert_eq!((report.rows_of(Rule::Frozen), report.findings.len()), (999_999, 1));
    let report = validator.validate(&Series::new(&vec![7; 1_000_000], bars).unwrap());
    assert_eq!((report.rows_of(Rule::DuplicateRow), report.valid), (999_999, true));
}

/// What takes time with its square would take minutes here.
#[test]
fn hostile_series_end() {
    let rows = 200_000;
    let decades = |at: usize| 10_f64.powi([0, 1, -1, 2][at % 4]);
    let volume: Vec<f64> = (0..rows).map(|row| 1e6 + (row % 17) as f64 * 1e4).collect();
    let close = |factor: &dyn Fn(usize) -> f64| (0..rows).map(|row| 100.0 * factor(row)).collect::<Vec<f64>>();
    let time: Vec<i64> = (0..).take(rows).collect();
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    for (name, prices) in [
        ("units that never pair", close(&|row| decades(row))),
        ("units that never pair, in runs", close(&|row| decades(row / 70))),
        ("blocks", close(&|row| if row / 40 % 2 == 0 { 1.0 } else { 1.5 })),
    ] {
        let bars = Bars { open: &prices, high: &prices, low: &prices, close: &prices, volume: &volume };
        let odd: Vec<f64> = (0..rows).map(|row| prices[row] * [1.0, 3.0, 0.2][row / 7 % 3]).collect();
        let dividends: Vec<f64> = (0..rows).map(|row| if row % 5 == 0 { 1.0 } else { 0.0 }).collect();
        let amount: Vec<f64> = (0..rows).map(|row| prices[row] * volume[row] * decades(row / 3)).collect();
        let series = Series::new(&time, bars).unwrap();
        let all = series.adj_close(&odd).unwrap().dividends(&dividends).unwrap().amount(&amount).unwrap();
        for series in [series, all] {
            assert_eq!(validator.validate(&series).total, rows, "{name}");
        }
    }
    let wild: Vec<f64> = (0..rows).map(|row| 1e6 * decades(row / 45)).collect();
    let flat = vec![100.0; rows];
    let bars = Bars { open: &flat, high: &flat, low: &flat, close: &flat, volume: &wild };
    assert_eq!(validator.validate(&Series::new(&time, bars).unwrap()).total, rows);
}
