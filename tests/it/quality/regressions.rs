//! Faults that were found once.

use feedguard::quality::{Board, Rule, RuleLevel, Severity, TimeUnit, TradingCalendar};
use feedguard::{DataQualityValidator, QualityConfig};

use crate::quality::frame::{Case, Frame, check, found};

#[test]
fn a_split_that_all_rows_have_explains_no_move_of_the_market() {
    let cases: Vec<Case> = vec![
        ("a tenth, eight days after", |f| (f.declare_split(20, 1.1), f.scale_all(28..60, 1.1)).1, vec![]),
        ("a tenth down, eight days after", |f| (f.declare_split(20, 1.1), f.scale_all(28..60, 0.9)).1, vec![]),
        (
            "a fifth, eight days after",
            |f| (f.declare_split(20, 1.2), f.scale_all(28..60, 1.21)).1,
            vec![(Rule::LargeChange, vec![28])],
        ),
        (
            "up and down by the size of a split far away",
            |f| {
                f.declare_split(3, 1.25);
                f.scale_all(30..60, 1.22);
                f.scale_all(54..60, 0.8);
            },
            vec![(Rule::LargeChange, vec![30])],
        ),
        ("eleven per cent are no large change", |f| (f.declare_split(3, 1.1), f.scale_all(30..60, 1.115)).1, vec![]),
        (
            "a bonus share that the older rows lack, on its day",
            |f| (f.declare_split(30, 1.3), f.scale_all(0..30, 1.3)).1,
            vec![(Rule::MissedSplit, (0..30).collect())],
        ),
    ];
    check(cases, &QualityConfig::default());
}

#[test]
fn volumes_of_any_size_have_a_factor() {
    let mut frame = Frame::calm(60);
    frame.volume.fill(1e201);
    frame.volume[30] = 1e-200;
    let report = frame.report(QualityConfig::default());
    assert_eq!(report.rows_of(Rule::VolumeUnit), 1);
}

#[test]
fn the_newest_amounts_are_looked_at_however_long_the_series_is() {
    for rows in 126..136 {
        let mut frame = Frame::calm(rows);
        let amount = |row: usize| frame.close[row] * frame.volume[row] * if row + 2 < rows { 1.0 } else { 100.0 };
        frame.amount = Some((0..rows).map(amount).collect());
        let report = frame.report(QualityConfig::default());
        assert_eq!(found(&report), [(Rule::AmountMismatch, vec![rows - 2, rows - 1])], "{rows} rows");
    }
    let mut frame = Frame::calm(4);
    frame.amount = Some(vec![1.0; 4]);
    let report = frame.report(QualityConfig::default());
    assert!(report.skipped.iter().any(|skipped| skipped.rule == Rule::AmountMismatch), "{:?}", report.skipped);
}

#[test]
fn an_adjusted_close_cannot_excuse_itself_by_noise() {
    let cases: Vec<Case> = vec![
        (
            "to and fro",
            |f| f.adj_close = Some((0..60).map(|row| f.close[row] * [1.0, 0.9][row % 2]).collect()),
            vec![(Rule::AdjustmentOutlier, (1..59).step_by(2).collect())],
        ),
        (
            "zero, below, and no number",
            |f| {
                f.adj_close = Some(f.close.clone());
                let adj_close = f.adj_close.as_mut().unwrap();
                (adj_close[10], adj_close[20], adj_close[30]) = (0.0, -1.0, f64::NAN);
            },
            vec![(Rule::AdjustmentCell, vec![10, 20, 30])],
        ),
        (
            "dividends below zero and infinite",
            |f| {
                f.pay(&[15]);
                let dividends = f.dividends.as_mut().unwrap();
                (dividends[30], dividends[40]) = (-1.0, f64::INFINITY);
            },
            vec![(Rule::DividendCell, vec![30, 40])],
        ),
    ];
    check(cases, &QualityConfig::default());
    let mut frame = Frame::calm(60);
    frame.adj_close = Some(vec![f64::NAN; 60]);
    let report = frame.report(QualityConfig::default());
    assert!(report.valid && report.skipped.iter().any(|skipped| skipped.rule == Rule::AdjustmentOutlier));
}

#[test]
fn what_is_cut_off_is_said() {
    let mut frame = Frame::calm(70_000);
    frame.dividends = Some(vec![0.5; 70_000]);
    frame.splits = Some((0..70_000).map(|row| if row % 100 == 0 { 2.0 } else { 0.0 }).collect());
    let report = frame.report(QualityConfig::default());
    let said = |rule| report.skipped.iter().any(|skipped| skipped.rule == rule);
    assert!(said(Rule::DividendUnit) && said(Rule::MissedSplit), "{:?}", report.skipped);
}

#[test]
fn one_trade_does_not_hide_a_suspension() {
    let cases: Vec<Case> = vec![(
        "locked at the limit, then suspended",
        |f| {
            (20..40).for_each(|row| f.set(row, 100.5));
            f.volume[21..40].fill(0.0);
            f.volume[30] = 100.0;
        },
        vec![(Rule::FlatRows, (21..30).chain(31..40).collect())],
    )];
    check(cases, &QualityConfig::default());
}

#[test]
fn a_level_changes_no_other_verdict() {
    let mut frame = Frame::calm(60);
    frame.pay(&[15]);
    frame.scale(30, 1.9);
    for level in [RuleLevel::Off, RuleLevel::Info, RuleLevel::Warning] {
        let report = frame.report(QualityConfig::default().level(Rule::Spike, level));
        assert!(report.valid, "{level:?}: {:?}", report.totals);
    }
}

#[test]
fn what_is_no_date_is_said_to_be_none() {
    let mut frame = Frame::calm(4);
    frame.unit = Some(TimeUnit::YyyyMmDd);
    frame.time = vec![20_240_228, 20_240_230, 20_240_301, 20_241_301];
    let report = frame.report(QualityConfig::default());
    assert_eq!(found(&report), [(Rule::BadTimestamp, vec![1, 3])]);
    frame.unit = Some(TimeUnit::Days);
    frame.time = vec![i64::MIN, 1, 2, i64::MAX];
    assert_eq!(found(&frame.report(QualityConfig::default())), [(Rule::BadTimestamp, vec![0, 3])]);
}

#[test]
fn free_days_are_days_and_a_tick_is_always_allowed() {
    let mut frame = Frame::calm(10);
    (0..10).for_each(|row| frame.set(row, 100.0 + row as f64 * 10.0));
    frame.time = (0..10).map(|row| 1_700_000_000 + row * 300).collect();
    frame.unit = Some(TimeUnit::Seconds);
    frame.board = Some(Board::Star);
    frame.listed = Some("2023-11-14".parse().unwrap());
    frame.pre_close = Some(vec![50.0; 10]);
    assert_eq!(frame.report(QualityConfig::default()).rows_of(Rule::LimitExceeded), 0);
    (0..10).for_each(|row| frame.set(row, 0.09));
    (frame.board, frame.listed, frame.pre_close) = (Some(Board::MainSt), None, Some(vec![0.1; 10]));
    assert_eq!(frame.report(QualityConfig::default()).rows_of(Rule::LimitExceeded), 0);
}

#[test]
fn sources_that_say_the_same_do_not_differ_and_missing_days_are_counted_once() {
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    let (mut ours, theirs) = (Frame::calm(3), Frame::calm(3));
    let mut zero = theirs.clone();
    zero.close = vec![0.0, f64::INFINITY, f64::NAN];
    assert_eq!(validator.compare(&zero.series(), &zero.series()).issues, 0);
    ours.time = vec![19_001, 20_000, 20_001];
    ours.close.fill(theirs.close[1]);
    let report = validator.compare(&ours.series(), &theirs.series());
    assert_eq!(report.rows_of(Rule::MissingHere), 2);
    let one = Frame { time: vec![19_001], ..Frame::calm(1) };
    let mut one = one;
    one.close[0] = theirs.close[1];
    assert_eq!(found(&validator.compare(&one.series(), &theirs.series())), [(Rule::MissingHere, vec![0])]);
    let report = validator.compare(&Frame::calm(0).series(), &theirs.series());
    assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
}

#[test]
fn a_rule_of_the_host_is_kept_first_and_last_by_time_and_may_panic_twice() {
    struct Twice;
    impl Drop for Twice {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("again");
            }
        }
    }
    let frame = {
        let mut frame = Frame::calm(10);
        frame.time.reverse();
        frame
    };
    let validator = DataQualityValidator::builder("hosts")
        .config(QualityConfig::default().max_findings_per_rule(2))
        .rule("every_row", Severity::Warning, |series, found| {
            for row in 0..series.len() {
                found.report(row, 1.0, 0.0);
                found.report(row, 2.0, 0.0);
            }
        })
        .rule("panics", Severity::Error, |_, found| {
            found.report(3, 1.0, 0.0);
            std::panic::panic_any(Twice);
        })
        .build()
        .unwrap();
    let report = validator.validate(&frame.series());
    let kept: Vec<usize> =
        report.findings.iter().filter(|found| found.rule == Rule::Custom("every_row")).map(|found| found.row).collect();
    assert_eq!((kept, report.rows_of(Rule::Custom("every_row"))), (vec![9, 8, 1, 0], 10));
    assert_eq!((report.rows_of(Rule::Custom("panics")), report.panicked), (1, vec![Rule::Custom("panics")]));
}

#[test]
fn names_of_rules_are_checked() {
    let build = |config: QualityConfig| {
        DataQualityValidator::builder("names")
            .config(config)
            .rule("spike", Severity::Error, |_, _| {})
            .rule("mine", Severity::Error, |_, _| {})
            .rule("mine", Severity::Error, |_, _| {})
            .build()
    };
    let mut config = QualityConfig::default().max_sigma(0.0);
    config.levels.insert("no_such_rule".to_owned(), RuleLevel::Off);
    let error = build(config).unwrap_err();
    let paths: Vec<&str> = error.faults().iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["max_sigma", "rules.spike", "rules.mine", "levels.no_such_rule"]);
}

#[test]
fn settings_are_data() {
    let config = QualityConfig::literal().level(Rule::Gap, RuleLevel::Error).threads(2);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<QualityConfig>(&text).unwrap(), config);
    let text = r#"{"policy": "robust", "levels": {"spike": "warning"}, "robust": {"frozen_rows": 5}, "max_age": "3d",
        "price_limits": [{"board": "main", "from": "2020-01-01", "limit": 0.2, "free_days": 0, "tick": 0.01}]}"#;
    let config: QualityConfig = serde_json::from_str(text).unwrap();
    assert_eq!((config.robust.frozen_rows, config.price_limits.lines().len()), (5, 1));
    assert!(serde_json::from_str::<QualityConfig>(r#"{"robust": {"frozen": 5}}"#).is_err());
}

#[test]
fn dividends_that_come_regularly_are_no_phantoms_however_near() {
    let mut frame = Frame::calm(120);
    frame.pay(&(4..120).step_by(4).collect::<Vec<_>>());
    assert_eq!(found(&frame.report(QualityConfig::default())), []);
    frame.pay(&(3..120).step_by(3).collect::<Vec<_>>());
    assert_eq!(found(&frame.report(QualityConfig::default())), []);
}

#[test]
fn a_market_that_halves_on_news_after_a_split_is_the_market() {
    let cases: Vec<Case> = vec![
        (
            "halved with twenty times the volume",
            |f| {
                f.declare_split(20, 2.0);
                f.scale_all(28..60, 0.5);
                f.volume[28] *= 20.0;
            },
            vec![(Rule::LargeChange, vec![28])],
        ),
        (
            "halved during the day, opened as usual",
            |f| {
                f.declare_split(20, 2.0);
                let open = f.open[28];
                f.scale_all(28..60, 0.5);
                (f.open[28], f.high[28]) = (open, open);
            },
            vec![(Rule::LargeChange, vec![28])],
        ),
        (
            "a dividend of six tenths that the price follows, and no adjusted close",
            |f| {
                f.pay_once(30, 0.6);
                f.scale_all(30..60, 0.4);
            },
            vec![(Rule::LargeChange, vec![30])],
        ),
    ];
    check(cases, &QualityConfig::default());
}

#[test]
fn a_split_of_unadjusted_prices_is_a_warning_whatever_its_ratio_and_place() {
    for ratio in [2.0, 5.0, 10.0, 20.0, 100.0, 0.1] {
        for at in (30..230).step_by(20) {
            let mut frame = Frame::calm(260);
            frame.scale_all(at..260, 1.0 / ratio);
            frame.volume[at..].iter_mut().for_each(|volume| *volume *= ratio);
            let report = frame.report(QualityConfig::default());
            assert_eq!(found(&report), [(Rule::UndeclaredSplit, vec![at])], "1:{ratio} on row {at}");
        }
    }
}

#[test]
fn input_that_says_nothing_is_said_to_be_missing() {
    let said = |frame: &Frame, rule: Rule| {
        let report = frame.report(QualityConfig::default());
        report.skipped.iter().filter(|skipped| skipped.rule == rule).count()
    };
    let mut frame = Frame::calm(60);
    for rule in [Rule::MissedSplit, Rule::CorporateAction, Rule::AdjustmentCell, Rule::DividendCell, Rule::Gap] {
        assert_eq!(said(&frame, rule), 1, "{rule}");
    }
    frame.adj_close = Some(vec![f64::NAN; 60]);
    frame.limit_up = Some(vec![f64::NAN; 60]);
    (frame.unit, frame.calendar) = (Some(TimeUnit::Days), Some(TradingCalendar::new([])));
    for rule in [Rule::AdjustmentError, Rule::UnexplainedAdjustment, Rule::LimitExceeded, Rule::Gap] {
        assert_eq!(said(&frame, rule), 1, "{rule}");
    }
    // The board's table judges rows whose column is silent.
    (frame.board, frame.pre_close) = (Some(Board::Main), Some(vec![90.0; 60]));
    assert!(frame.report(QualityConfig::default()).rows_of(Rule::LimitExceeded) > 50);
}

#[test]
fn tolerances_that_contradict_each_other_are_a_fault() {
    let mut robust = feedguard::quality::RobustConfig::default();
    (robust.ohlc_tolerance, robust.auction_tolerance) = (0.02, 0.001);
    let error = DataQualityValidator::new("quality", QualityConfig::default().robust(robust)).unwrap_err();
    assert_eq!(error.faults()[0].path, "robust.auction_tolerance");
}
