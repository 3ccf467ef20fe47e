//! The rules that need more than bars, the literal policy, and two sources: case by case.

use std::time::Duration;

use chrono::NaiveDate;
use feedguard::quality::{Board, BoardLimit, PriceLimits, Rule, RuleLevel, TimeUnit, TradingCalendar};
use feedguard::{Clock, DataQualityValidator, QualityConfig};

use crate::quality::frame::{Case, Expected, Frame, check, found};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Days since 1970.
fn number(text: &str) -> i64 {
    (day(text) - NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days()
}

/// A frame of 60 days from `first` on a board, whose reference price is 10 and whose prices are all
/// `price` on row 30.
fn on_board(frame: &mut Frame, board: Board, first: &str, price: f64) {
    *frame = Frame::calm(60);
    for row in 0..60 {
        frame.set(row, 10.0 + 0.01 * (row % 2) as f64);
    }
    frame.set(30, price);
    frame.time = (number(first)..).take(60).collect();
    frame.unit = Some(TimeUnit::Days);
    frame.board = Some(board);
    frame.pre_close = Some(vec![10.0; 60]);
}

/// Only these rules.
fn only(rules: &[Rule]) -> QualityConfig {
    let others = Rule::ALL.iter().filter(|rule| !rules.contains(rule));
    others.fold(QualityConfig::default(), |config, rule| config.level(*rule, RuleLevel::Off))
}

#[test]
fn price_limits() {
    let beyond = || vec![(Rule::LimitExceeded, vec![30])];
    let cases: Vec<Case> = vec![
        ("main board, at the limit", |f| on_board(f, Board::Main, "2024-01-01", 11.0), vec![]),
        ("main board, a tick above", |f| on_board(f, Board::Main, "2024-01-01", 11.01), beyond()),
        ("main board, at the lower limit", |f| on_board(f, Board::Main, "2024-01-01", 9.0), vec![]),
        ("main board, a tick below", |f| on_board(f, Board::Main, "2024-01-01", 8.99), beyond()),
        ("special treatment until 2026-07-05", |f| on_board(f, Board::MainSt, "2026-06-01", 10.51), beyond()),
        ("special treatment, the last day", |f| on_board(f, Board::MainSt, "2026-06-05", 10.51), beyond()),
        (
            "special treatment, the first day of ten per cent",
            |f| on_board(f, Board::MainSt, "2026-06-06", 10.51),
            vec![],
        ),
        ("special treatment, eleven per cent after", |f| on_board(f, Board::MainSt, "2026-08-01", 11.1), beyond()),
        ("ChiNext before 2020-08-24", |f| on_board(f, Board::ChiNext, "2020-06-01", 11.5), beyond()),
        ("ChiNext after", |f| on_board(f, Board::ChiNext, "2021-01-01", 11.5), vec![]),
        ("ChiNext beyond twenty per cent", |f| on_board(f, Board::ChiNext, "2021-01-01", 12.01), beyond()),
        ("STAR at twenty per cent", |f| on_board(f, Board::Star, "2021-01-01", 12.0), vec![]),
        ("Beijing at thirty per cent", |f| on_board(f, Board::Bse, "2022-01-01", 13.0), vec![]),
        ("Beijing beyond", |f| on_board(f, Board::Bse, "2022-01-01", 13.02), beyond()),
        ("before the board existed there was no limit", |f| on_board(f, Board::Star, "2018-01-01", 30.0), vec![]),
        (
            "half a tick is rounded up: 10.05 gives 11.06, not 11.055",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 11.06);
                f.pre_close.as_mut().unwrap()[30] = 10.05;
            },
            vec![],
        ),
        (
            "a first day has no limit",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 14.0);
                f.listed = Some(day("2024-01-31"));
            },
            vec![],
        ),
        (
            "nor has the fifth",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 14.0);
                f.listed = Some(day("2024-01-27"));
            },
            vec![],
        ),
        (
            "the sixth has one",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 14.0);
                f.listed = Some(day("2024-01-26"));
            },
            beyond(),
        ),
        (
            "before the registration system only the first day was free",
            |f| {
                on_board(f, Board::Main, "2022-01-01", 14.0);
                f.listed = Some(day("2022-01-30"));
            },
            beyond(),
        ),
        (
            "columns win over the board",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 11.5);
                f.limit_up = Some(vec![12.0; 60]);
            },
            vec![],
        ),
        (
            "above the column",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 12.5);
                f.limit_up = Some(vec![12.0; 60]);
            },
            beyond(),
        ),
        (
            "below the column",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 7.9);
                f.limit_down = Some(vec![8.0; 60]);
            },
            beyond(),
        ),
        (
            "NaN and zero in a column are no limit",
            |f| {
                on_board(f, Board::Main, "2024-01-01", 12.5);
                f.board = None;
                f.limit_up = Some((0..60).map(|row| if row == 30 { f64::NAN } else { 0.0 }).collect());
            },
            vec![],
        ),
    ];
    check(cases, &only(&[Rule::LimitExceeded]));
}

#[test]
fn a_table_of_limits_can_be_replaced() {
    let limits = PriceLimits::new([BoardLimit::new(Board::Main, day("2000-01-01"), 0.5, 0, 0.01)]);
    let mut frame = Frame::calm(60);
    on_board(&mut frame, Board::Main, "2024-01-01", 14.9);
    let config = only(&[Rule::LimitExceeded]);
    assert_eq!(frame.report(config.clone()).issues, 1);
    assert_eq!(frame.report(config.price_limits(limits)).issues, 0);
}

#[test]
fn calendars_order_and_duplicates() {
    let dated = |frame: &mut Frame, holiday: &str| {
        let open = TradingCalendar::weekdays(day("2024-01-01"), day("2024-12-31"), [day(holiday)]);
        frame.time = open.days()[..60].iter().map(|day| (*day - day_zero()).num_days()).collect();
        frame.unit = Some(TimeUnit::Days);
        frame.calendar = Some(open);
    };
    fn day_zero() -> NaiveDate {
        NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()
    }
    type Spoil = Box<dyn Fn(&mut Frame)>;
    let cases: Vec<(&str, Spoil, Expected)> = vec![
        ("every day of the calendar", Box::new(move |f| dated(f, "2024-01-01")), vec![]),
        (
            "two days missing",
            Box::new(move |f| {
                dated(f, "2024-01-01");
                f.time[30..].iter_mut().for_each(|day| *day += 7);
            }),
            vec![(Rule::Gap, vec![30])],
        ),
        (
            "a row on a Sunday",
            Box::new(move |f| {
                dated(f, "2024-01-01");
                f.time[59] = number("2024-03-24");
            }),
            vec![(Rule::OffCalendar, vec![59])],
        ),
        ("descending", Box::new(|f| f.time.reverse()), vec![]),
        ("two rows changed places", Box::new(|f| f.time.swap(30, 31)), vec![(Rule::OutOfOrder, vec![31])]),
        (
            "the same row again",
            Box::new(|f| {
                f.freeze(31, 1);
                f.time[31] = f.time[30];
            }),
            vec![(Rule::DuplicateRow, vec![31])],
        ),
        (
            "another row of the same day: the one with more volume stays",
            Box::new(|f| {
                f.time[31] = f.time[30];
                (f.volume[30], f.volume[31]) = (5.0, 1000.0);
            }),
            vec![(Rule::ConflictingRows, vec![30, 31])],
        ),
    ];
    for (name, spoil, expected) in cases {
        let mut frame = Frame::calm(60);
        spoil(&mut frame);
        assert_eq!(found(&frame.report(QualityConfig::default())), expected, "{name}");
    }
}

#[test]
fn a_finding_names_row_and_position() {
    let mut frame = Frame::calm(60);
    frame.scale(30, 100.0);
    frame.time.reverse();
    frame.time[10] = frame.time[11];
    let report = frame.report(QualityConfig::default());
    let finding = report.findings.iter().find(|finding| finding.rule == Rule::UnitError).unwrap();
    // Of 60 rows one was dropped, which comes later in time; row 30 is the thirtieth from the end.
    assert_eq!((finding.row, finding.position), (30, 29));
    assert!((finding.factor.unwrap() - 0.01).abs() < 1e-9, "{finding:?}");
    assert!((finding.value * 0.01 - finding.expected).abs() < 1e-9);
    assert!(report.quarantine.contains(30));
}

#[test]
fn freshness_and_the_future() {
    let (clock, time) = Clock::manual();
    let today = clock.wall();
    let mut frame = Frame::calm(60);
    frame.unit = Some(TimeUnit::Seconds);
    frame.time = (0..60).map(|row| today.timestamp() - (60 - row) * 86_400).collect();
    let config = QualityConfig::default().max_age(Some(Duration::from_secs(3 * 86_400)));
    let validator = DataQualityValidator::builder("fresh").config(config).clock(clock).build().unwrap();
    assert_eq!(found(&validator.validate(&frame.series())), []);
    time.advance(Duration::from_secs(4 * 86_400));
    assert_eq!(found(&validator.validate(&frame.series())), [(Rule::OutOfDate, vec![59])]);
    frame.time[59] += 40 * 86_400;
    assert_eq!(found(&validator.validate(&frame.series())), [(Rule::Gap, vec![59]), (Rule::FutureRow, vec![59])]);
    frame.time[59] -= 40 * 86_400;
    for unit in [TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos] {
        frame.unit = Some(unit);
        assert_eq!(found(&validator.validate(&frame.series())), [(Rule::OutOfDate, vec![59])], "{unit:?}");
    }
    frame.unit = Some(TimeUnit::Days);
    assert_eq!(found(&validator.validate(&frame.series())), [(Rule::BadTimestamp, (0..60).collect())]);
}

#[test]
fn amounts_are_in_one_unit() {
    let with_amount = |frame: &mut Frame| {
        // Lots of 100 and thousands of money: one unit for all rows.
        frame.amount =
            Some(frame.close.iter().zip(&frame.volume).map(|(close, volume)| close * volume / 10.0).collect());
    };
    let mut frame = Frame::calm(60);
    with_amount(&mut frame);
    assert_eq!(frame.report(QualityConfig::default()).issues, 0);
    frame.amount.as_mut().unwrap()[30] *= 1000.0;
    assert_eq!(found(&frame.report(QualityConfig::default())), [(Rule::AmountMismatch, vec![30])]);
}

#[test]
fn the_literal_policy() {
    let cases: Vec<Case> = vec![
        ("calm", |_| {}, vec![]),
        ("NaN close", |f| f.close[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("high below low", |f| f.high[7] = f.low[7] - 1.0, vec![(Rule::HighBelowLow, vec![7])]),
        ("open a hair above the high", |f| f.open[7] = f.high[7] + 0.01, vec![(Rule::OpenOutside, vec![7])]),
        ("close a hair below the low", |f| f.close[7] = f.low[7] - 0.01, vec![(Rule::CloseOutside, vec![7])]),
        ("negative volume", |f| f.volume[7] = -1.0, vec![(Rule::NegativeVolume, vec![7])]),
        ("zero price", |f| f.low[7] = 0.0, vec![(Rule::NonPositivePrice, vec![7])]),
        (
            "down by a fifth and more",
            |f| f.scale_all(30..60, 0.75),
            vec![(Rule::LargeChange, vec![30]), (Rule::SigmaOutlier, vec![30])],
        ),
        ("twelve times the mean volume", |f| f.volume[7] *= 15.0, vec![(Rule::VolumeSpike, vec![7])]),
        (
            "three flat rows without volume",
            |f| {
                (f.volume[30], f.volume[31], f.volume[32]) = (0.0, 0.0, 0.0);
                let close = f.close[29];
                (30..33).for_each(|row| f.set(row, close));
            },
            vec![(Rule::FlatRows, vec![30, 31, 32]), (Rule::SigmaOutlier, vec![33])],
        ),
        ("of frozen rows only the end is seen", |f| f.freeze(30, 5), vec![(Rule::SigmaOutlier, vec![35])]),
        ("a row x1.15 is an outlier twice", |f| f.scale(30, 1.15), vec![(Rule::SigmaOutlier, vec![30, 31])]),
    ];
    check(cases, &QualityConfig::literal());
}

#[test]
fn two_sources() {
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    type Spoil = fn(&mut Frame, &mut Frame);
    let cases: Vec<(&str, Spoil, Expected)> = vec![
        ("the same", |_, _| {}, vec![]),
        ("within one per cent", |_, other| other.scale(30, 1.009), vec![]),
        ("two per cent", |_, other| other.scale(30, 1.02), vec![(Rule::SourceDifference, vec![30])]),
        (
            "another order of rows",
            |_, other| {
                other.time.reverse();
                other.close.reverse();
            },
            vec![],
        ),
        ("all in hundredths", |_, other| other.scale_all(0..60, 0.01), vec![(Rule::SourceScale, vec![0])]),
        ("older rows unadjusted", |_, other| other.scale_all(0..20, 2.0), vec![(Rule::SourceScale, vec![0])]),
        (
            "two rows of one factor",
            |_, other| other.scale_all(20..22, 2.0),
            vec![(Rule::SourceDifference, vec![20, 21])],
        ),
        ("NaN in one", |_, other| other.close[30] = f64::NAN, vec![(Rule::SourceDifference, vec![30])]),
        ("NaN in both", |ours, other| (ours.close[30], other.close[30]) = (f64::NAN, f64::NAN), vec![]),
        (
            "a day missing there",
            |_, other| other.time[59] += 5,
            vec![(Rule::MissingInOther, vec![59]), (Rule::MissingHere, vec![59])],
        ),
        (
            "a day missing here",
            |ours, _| ours.time[..30].iter_mut().for_each(|day| *day -= 1),
            vec![(Rule::MissingInOther, vec![0]), (Rule::MissingHere, vec![30])],
        ),
    ];
    for (name, spoil, expected) in cases {
        let (mut ours, mut other) = (Frame::calm(60), Frame::calm(60));
        // A day more or less must not make a difference of prices.
        (ours.close, other.close) = (vec![100.0; 60], vec![100.0; 60]);
        spoil(&mut ours, &mut other);
        let found = found(&validator.compare(&ours.series(), &other.series()));
        assert_eq!(found, expected, "{name}");
    }
}
