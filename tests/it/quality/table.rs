//! The rules, case by case: each case finds just what it says.

use feedguard::QualityConfig;
use feedguard::quality::{Rule, RuleLevel};

use crate::quality::frame::{Case, Frame, check};

fn robust() -> QualityConfig {
    QualityConfig::default()
}

#[test]
fn rows_that_are_wrong_by_themselves() {
    let cases: Vec<Case> = vec![
        ("calm", |_| {}, vec![]),
        ("NaN open", |f| f.open[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("NaN high", |f| f.high[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("NaN low", |f| f.low[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("NaN close", |f| f.close[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("NaN volume", |f| f.volume[7] = f64::NAN, vec![(Rule::NotFinite, vec![7])]),
        ("NaN close in the first row", |f| f.close[0] = f64::NAN, vec![(Rule::NotFinite, vec![0])]),
        ("NaN close in the last row", |f| f.close[59] = f64::NAN, vec![(Rule::NotFinite, vec![59])]),
        ("infinite close", |f| f.close[7] = f64::INFINITY, vec![(Rule::NotFinite, vec![7])]),
        ("infinite volume", |f| f.volume[7] = f64::INFINITY, vec![(Rule::NotFinite, vec![7])]),
        ("volume of minus infinity", |f| f.volume[7] = f64::NEG_INFINITY, vec![(Rule::NotFinite, vec![7])]),
        ("empty row", |f| f.set(7, f64::NAN), vec![(Rule::EmptyRow, vec![7])]),
        ("three empty rows", |f| (7..10).for_each(|row| f.set(row, f64::NAN)), vec![(Rule::EmptyRow, vec![7, 8, 9])]),
        ("zero low", |f| f.low[7] = 0.0, vec![(Rule::NonPositivePrice, vec![7])]),
        ("minus zero close", |f| f.close[7] = -0.0, vec![(Rule::NonPositivePrice, vec![7])]),
        ("negative open", |f| f.open[7] = -5.0, vec![(Rule::NonPositivePrice, vec![7])]),
        ("all prices zero", |f| f.set(7, 0.0), vec![(Rule::NonPositivePrice, vec![7])]),
        ("price of -1e308", |f| f.close[7] = -1e308, vec![(Rule::NonPositivePrice, vec![7])]),
        ("negative volume", |f| f.volume[7] = -1.0, vec![(Rule::NegativeVolume, vec![7])]),
        ("volume of minus zero", |f| f.volume[7] = -0.0, vec![]),
        (
            "two errors in one row",
            |f| (f.low[7], f.volume[7]) = (0.0, -1.0),
            vec![(Rule::NonPositivePrice, vec![7]), (Rule::NegativeVolume, vec![7])],
        ),
        (
            "high and low swapped",
            |f| (f.high[7], f.low[7]) = (f.low[7], f.high[7]),
            vec![(Rule::HighBelowLow, vec![7])],
        ),
        (
            "swapped in the first row",
            |f| (f.high[0], f.low[0]) = (f.low[0], f.high[0]),
            vec![(Rule::HighBelowLow, vec![0])],
        ),
        ("a price by itself", |f| f.set(7, 100.2), vec![]),
        ("close ten per cent above the high", |f| f.close[7] = f.high[7] * 1.1, vec![(Rule::CloseOutside, vec![7])]),
        ("close ten per cent below the low", |f| f.close[7] = f.low[7] * 0.9, vec![(Rule::CloseOutside, vec![7])]),
        ("open ten per cent above the high", |f| f.open[7] = f.high[7] * 1.1, vec![(Rule::OpenOutside, vec![7])]),
        ("open ten per cent below the low", |f| f.open[7] = f.low[7] * 0.9, vec![(Rule::OpenOutside, vec![7])]),
        ("open of an auction above the high", |f| f.open[7] = f.high[7] * 1.01, vec![(Rule::AuctionPrint, vec![7])]),
        ("close of an auction below the low", |f| f.close[7] = f.low[7] * 0.99, vec![(Rule::AuctionPrint, vec![7])]),
        (
            "both in one row are one finding",
            |f| (f.open[7], f.close[7]) = (f.high[7] + 1.0, f.low[7] - 1.0),
            vec![(Rule::AuctionPrint, vec![7])],
        ),
        ("close a rounding above the high", |f| f.close[7] = f.high[7] * 1.0009, vec![]),
        ("close in hundredths", |f| f.close[7] /= 100.0, vec![(Rule::MixedUnits, vec![7]), (Rule::UnitError, vec![7])]),
        ("high a hundredfold", |f| f.high[7] *= 100.0, vec![(Rule::MixedUnits, vec![7])]),
        ("low a thousandth", |f| f.low[7] /= 1000.0, vec![(Rule::MixedUnits, vec![7])]),
        (
            "low and close in hundredths",
            |f| (f.low[7], f.close[7]) = (f.low[7] / 100.0, f.close[7] / 100.0),
            vec![(Rule::MixedUnits, vec![7]), (Rule::UnitError, vec![7])],
        ),
    ];
    check(cases, &robust());
}

#[test]
fn a_tick_is_a_tolerance_too() {
    let mut frame = Frame::calm(60);
    frame.close[7] = frame.high[7] + 0.5;
    let config = |tick| {
        let mut robust = feedguard::quality::RobustConfig::default();
        robust.tick = tick;
        QualityConfig::default().robust(robust)
    };
    assert_eq!(frame.report(config(None)).rows_of(Rule::AuctionPrint), 1);
    assert_eq!(frame.report(config(Some(0.5))).issues, 0);
}

#[test]
fn jumps_of_the_price() {
    let unit = |rows: Vec<usize>| vec![(Rule::UnitError, rows)];
    let cases: Vec<Case> = vec![
        ("row x100", |f| f.scale(30, 100.0), unit(vec![30])),
        ("row x0.01", |f| f.scale(30, 0.01), unit(vec![30])),
        ("row x10", |f| f.scale(30, 10.0), unit(vec![30])),
        ("row x0.1", |f| f.scale(30, 0.1), unit(vec![30])),
        ("row x1000", |f| f.scale(30, 1000.0), unit(vec![30])),
        ("first row x100", |f| f.scale(0, 100.0), unit(vec![0])),
        ("last row x100", |f| f.scale(59, 100.0), unit(vec![59])),
        ("last three rows x0.01", |f| f.scale_all(57..60, 0.01), unit(vec![57, 58, 59])),
        ("two rows x100", |f| [20, 40].map(|row| f.scale(row, 100.0)).into_iter().collect(), unit(vec![20, 40])),
        ("block of five x100", |f| f.scale_all(30..35, 100.0), unit((30..35).collect())),
        ("block of twenty-five x10", |f| f.scale_all(20..45, 10.0), unit((20..45).collect())),
        ("older half x100", |f| f.scale_all(0..30, 100.0), unit((0..30).collect())),
        ("a block in a block", |f| (f.scale_all(20..40, 100.0), f.scale_all(28..30, 10.0)).0, unit((20..40).collect())),
        (
            "every third row x100",
            |f| (1..58).step_by(3).for_each(|row| f.scale(row, 100.0)),
            unit((1..58).step_by(3).collect()),
        ),
        (
            "a NaN between",
            |f| (f.scale_all(30..33, 100.0), f.set(33, f64::NAN)).0,
            vec![(Rule::UnitError, vec![30, 31, 32]), (Rule::EmptyRow, vec![33])],
        ),
        (
            "row x100 on the eve of news",
            |f| {
                f.scale_all(31..60, 1.35);
                f.scale(30, 100.0);
                f.volume[31] *= 10.0;
            },
            unit(vec![30]),
        ),
        (
            "half of the rows x100, the newest too",
            |f| {
                [2, 3, 5, 9, 10, 14, 20, 21, 25, 28, 33, 40, 41, 45, 50, 55, 58, 59]
                    .map(|row| f.scale(row, 100.0))
                    .into_iter()
                    .collect()
            },
            unit(vec![2, 3, 5, 9, 10, 14, 20, 21, 25, 28, 33, 40, 41, 45, 50, 55, 58, 59]),
        ),
        (
            "limit down, limit up, a price that nobody could trade beyond",
            |f| {
                f.scale_all(30..33, 0.9);
                f.set(30, f.close[30]);
                f.set(33, 90.0 * 1.1);
            },
            vec![],
        ),
        (
            "prices of one or two steps halve all the time",
            |f| {
                f.splits = Some(vec![0.0; 60]);
                (0..60).for_each(|row| f.set(row, if row < 30 { 0.02 } else { 0.01 }));
                f.volume[30..].iter_mut().for_each(|volume| *volume *= 2.0);
            },
            vec![(Rule::LargeChange, vec![30])],
        ),
        (
            "a wipe-out goes on falling, and a row x100 after it is another matter",
            |f| {
                f.scale_all(30..60, 0.009);
                f.scale_all(31..60, 0.5);
                f.scale(45, 100.0);
                (f.high[30], f.volume[30]) = (f.high[30] * 1.4, f.volume[30] * 20.0);
            },
            vec![(Rule::LargeChange, vec![30, 31]), (Rule::UnitError, vec![45])],
        ),
        (
            "a fall to a tenth with news is not undone by the newest row x10",
            |f| {
                f.scale_all(20..60, 0.1);
                (f.high[20], f.volume[20]) = (f.high[20] * 1.5, f.volume[20] * 10.0);
                f.scale(59, 10.0);
            },
            vec![(Rule::LargeChange, vec![20]), (Rule::UnitError, vec![59])],
        ),
        (
            "a fall to a tenth with news within rows that lack a split",
            |f| {
                f.declare_split(55, 4.0);
                f.scale_all(10..55, 4.0);
                f.scale_all(30..60, 0.1);
                (f.high[30], f.volume[30]) = (f.high[30] * 1.5, f.volume[30] * 10.0);
            },
            vec![(Rule::LargeChange, vec![30]), (Rule::MissedSplit, (10..55).collect())],
        ),
        (
            "unadjusted prices split, and the market nearly doubles five days after",
            |f| {
                f.scale_all(35..60, 1.9);
                f.unadjust_before(30, 2.0);
            },
            vec![(Rule::CorporateAction, vec![30]), (Rule::LargeChange, vec![35])],
        ),
        (
            "a share that moves by four per cent when it trades, which is every third day",
            |f| {
                let mut price = 100.0;
                for row in 0..60 {
                    let trades = row % 3 == 0 || (29..34).contains(&row);
                    price *= if !trades {
                        1.0
                    } else if row % 2 == 0 {
                        1.045
                    } else {
                        1.0 / 1.045
                    };
                    f.set(row, price);
                    f.volume[row] = if trades { 1000.0 } else { 0.0 };
                    if trades {
                        (f.high[row], f.low[row]) = (price * 1.005, price / 1.005);
                    }
                }
                f.scale(31, 1.15);
            },
            vec![],
        ),
        (
            "a wipe-out to a thousandth that recovers by half",
            |f| {
                f.scale_all(30..60, 0.001);
                f.scale_all(31..60, 1.6);
                (f.high[30], f.volume[30]) = (f.high[30] * 1.4, f.volume[30] * 20.0);
            },
            vec![(Rule::LargeChange, vec![30, 31])],
        ),
        (
            "the market halves eight days after a split that unadjusted prices show",
            |f| {
                f.declare_split(20, 2.0);
                f.scale_all(28..60, 0.5);
                f.unadjust_before(20, 2.0);
            },
            vec![(Rule::CorporateAction, vec![20]), (Rule::LargeChange, vec![28])],
        ),
        ("row x2", |f| f.scale(30, 2.0), vec![(Rule::Spike, vec![30])]),
        ("row x0.5", |f| f.scale(30, 0.5), vec![(Rule::Spike, vec![30])]),
        ("row x1.15", |f| f.scale(30, 1.15), vec![(Rule::Spike, vec![30])]),
        ("row x0.87", |f| f.scale(30, 0.87), vec![(Rule::Spike, vec![30])]),
        ("block of four x1.5", |f| f.scale_all(30..34, 1.5), vec![(Rule::Block, (30..34).collect())]),
        (
            "two rows x1.5 with one right between",
            |f| [30, 32].map(|row| f.scale(row, 1.5)).into_iter().collect(),
            vec![(Rule::Spike, vec![30, 32])],
        ),
        ("the market falls by a third and stays", |f| f.scale_all(30..60, 0.67), vec![(Rule::LargeChange, vec![30])]),
        (
            "the market doubles and stays, volume as before",
            |f| f.scale_all(30..60, 2.0),
            vec![(Rule::LargeChange, vec![30])],
        ),
        ("the market falls by nine per cent", |f| f.scale_all(30..60, 0.91), vec![]),
        (
            "news: up by half, back next day, with ten times the volume",
            |f| {
                f.scale(30, 1.5);
                f.volume[30] *= 10.0;
            },
            vec![(Rule::LargeChange, vec![30, 31])],
        ),
        (
            "a fall by nine tenths with a wide bar is the market",
            |f| {
                f.scale_all(30..60, 0.1);
                f.high[30] *= 2.0;
            },
            vec![(Rule::LargeChange, vec![30])],
        ),
        (
            "halved, twice the volume, nobody says why",
            |f| {
                f.scale_all(30..60, 0.5);
                f.volume[30..].iter_mut().for_each(|volume| *volume *= 2.0);
            },
            vec![(Rule::UndeclaredSplit, vec![30])],
        ),
        (
            "halved, twice the volume, and the splits know of none",
            |f| {
                f.splits = Some(vec![0.0; 60]);
                f.scale_all(30..60, 0.5);
                f.volume[30..].iter_mut().for_each(|volume| *volume *= 2.0);
            },
            vec![(Rule::MissedSplit, (0..30).collect())],
        ),
        (
            "a declared split that the older rows do not have",
            |f| {
                f.declare_split(31, 5.0);
                f.scale_all(0..30, 5.0);
            },
            vec![(Rule::MissedSplit, (0..30).collect())],
        ),
        (
            "a declared split applied twice",
            |f| {
                f.declare_split(30, 5.0);
                f.scale_all(0..30, 0.2);
            },
            vec![(Rule::MissedSplit, (0..30).collect())],
        ),
        ("a declared split that all rows have", |f| f.declare_split(30, 5.0), vec![]),
        (
            "a reverse split on one row only",
            |f| {
                f.declare_split(30, 0.1);
                f.scale(30, 0.1);
            },
            vec![(Rule::MissedSplit, vec![30])],
        ),
        (
            "a split that a stretch of older rows lacks",
            |f| {
                f.declare_split(50, 4.0);
                f.scale_all(10..20, 4.0);
            },
            vec![(Rule::MissedSplit, (10..20).collect())],
        ),
        (
            "a split of unadjusted prices that the adjusted close explains",
            |f| {
                f.unadjust_before(30, 2.0);
            },
            vec![(Rule::CorporateAction, vec![30])],
        ),
        (
            "a hundredfold row is none, though the adjusted close was left",
            |f| {
                let adj_close = f.close.clone();
                f.scale(30, 100.0);
                f.adj_close = Some(adj_close);
            },
            vec![(Rule::UnitError, vec![30])],
        ),
    ];
    check(cases, &robust().level(Rule::AdjustmentOutlier, RuleLevel::Off));
}

#[test]
fn frozen_bars_and_volumes() {
    let cases: Vec<Case> = vec![
        ("one repeated bar is worth a look", |f| f.freeze(30, 1), vec![(Rule::RepeatedRow, vec![30])]),
        ("two repeated bars", |f| f.freeze(30, 2), vec![(Rule::Frozen, vec![30, 31])]),
        ("frozen to the end", |f| f.freeze(55, 5), vec![(Rule::Frozen, (55..60).collect())]),
        ("frozen from the start", |f| f.freeze(1, 3), vec![(Rule::Frozen, vec![1, 2, 3])]),
        (
            "a wide bar that repeats while the volume goes on",
            |f| {
                let volume = f.volume.clone();
                f.freeze(30, 3);
                f.volume = volume;
            },
            vec![(Rule::Frozen, vec![30, 31, 32])],
        ),
        ("one price, traded every day: locked at a limit", |f| (30..35).for_each(|row| f.set(row, 100.5)), vec![]),
        (
            "one price and one volume four times",
            |f| {
                f.set(29, 100.5);
                f.freeze(30, 3);
            },
            vec![(Rule::Frozen, vec![30, 31, 32])],
        ),
        (
            "suspended for three days",
            |f| {
                f.set(29, f.close[29]);
                f.volume[29] = 0.0;
                f.freeze(30, 2);
            },
            vec![(Rule::FlatRows, vec![29, 30, 31])],
        ),
        (
            "suspended for two days",
            |f| {
                f.set(29, f.close[29]);
                f.volume[29] = 0.0;
                f.freeze(30, 1);
            },
            vec![],
        ),
        ("volume x1000", |f| f.volume[30] *= 1000.0, vec![(Rule::VolumeUnit, vec![30])]),
        ("volume x100", |f| f.volume[30] *= 100.0, vec![(Rule::VolumeUnit, vec![30])]),
        ("volume x0.001", |f| f.volume[30] *= 0.001, vec![(Rule::VolumeUnit, vec![30])]),
        ("volume x30 is a busy day", |f| f.volume[30] *= 30.0, vec![]),
        (
            "four volumes x1000",
            |f| f.volume[30..34].iter_mut().for_each(|volume| *volume *= 1000.0),
            vec![(Rule::VolumeUnit, (30..34).collect())],
        ),
        ("volume x1000 in the first row", |f| f.volume[0] *= 1000.0, vec![(Rule::VolumeUnit, vec![0])]),
        ("volume x1000 in the last row", |f| f.volume[59] *= 1000.0, vec![(Rule::VolumeUnit, vec![59])]),
        (
            "volume x100 with news",
            |f| {
                f.volume[30] *= 100.0;
                f.scale_all(30..60, 1.15);
            },
            vec![],
        ),
        ("a day without volume", |f| f.volume[30] = 0.0, vec![]),
        (
            "volumes that leap all the time have no usual size",
            |f| (0..60).step_by(2).for_each(|row| f.volume[row] *= 1000.0),
            vec![],
        ),
    ];
    check(cases, &robust());
}

#[test]
fn dividends_splits_and_adjusted_closes() {
    let cases: Vec<Case> = vec![
        ("dividends that are adjusted for", |f| f.pay(&[15, 40]), vec![]),
        (
            "dividend x100",
            |f| {
                f.pay(&[15, 40]);
                f.dividends.as_mut().unwrap()[40] *= 100.0;
            },
            vec![(Rule::DividendUnit, vec![40])],
        ),
        (
            "dividend x0.01",
            |f| {
                f.pay(&[15, 40]);
                f.dividends.as_mut().unwrap()[40] *= 0.01;
            },
            vec![(Rule::DividendUnit, vec![40])],
        ),
        (
            "dividend x10",
            |f| {
                f.pay(&[15, 40]);
                f.dividends.as_mut().unwrap()[40] *= 10.0;
            },
            vec![(Rule::DividendUnit, vec![40])],
        ),
        (
            "dividend of before the split",
            |f| {
                f.pay(&[15, 40]);
                f.declare_split(50, 3.0);
                f.dividends.as_mut().unwrap()[40] *= 3.0;
            },
            vec![(Rule::DividendUnit, vec![40])],
        ),
        (
            "dividend a half more",
            |f| {
                f.pay(&[15, 40]);
                f.dividends.as_mut().unwrap()[40] *= 1.6;
            },
            vec![(Rule::DividendMismatch, vec![40])],
        ),
        (
            "dividend not adjusted for",
            |f| {
                f.pay(&[15]);
                f.dividends.as_mut().unwrap()[40] = 1.0;
            },
            vec![(Rule::AdjustmentError, (0..40).collect())],
        ),
        (
            "two dividends not adjusted for",
            |f| {
                f.adj_close = Some(f.close.clone());
                let mut dividends = vec![0.0; 60];
                (dividends[15], dividends[40]) = (1.0, 1.0);
                f.dividends = Some(dividends);
            },
            vec![(Rule::AdjustmentError, (0..40).collect())],
        ),
        (
            "dividend adjusted for twice",
            |f| {
                f.pay(&[15, 40]);
                let factor = 1.0 - 1.0 / f.close[39];
                f.adj_close.as_mut().unwrap()[..40].iter_mut().for_each(|close| *close *= factor);
            },
            vec![(Rule::AdjustmentError, (0..40).collect())],
        ),
        (
            "the same dividend three days later, adjusted for too",
            |f| f.pay(&[15, 18]),
            vec![(Rule::PhantomDividend, vec![18]), (Rule::AdjustmentError, (0..18).collect())],
        ),
        ("weekly dividends", |f| f.pay(&[5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]), vec![]),
        (
            "a dividend of a fifth that the price follows",
            |f| {
                f.scale_all(30..60, 0.8);
                f.adjust_before(30, 0.8);
                f.pay_once(30, 0.2);
            },
            vec![(Rule::CorporateAction, vec![30])],
        ),
        (
            "a dividend of a fifth that the price did not notice",
            |f| {
                f.adjust_before(30, 0.8);
                f.pay_once(30, 0.2);
            },
            vec![(Rule::DividendUnit, vec![30]), (Rule::AdjustmentError, (0..30).collect())],
        ),
        (
            "an adjustment without a dividend",
            |f| {
                f.pay(&[15]);
                f.adj_close.as_mut().unwrap()[..40].iter_mut().for_each(|close| *close *= 0.97);
            },
            vec![(Rule::UnexplainedAdjustment, vec![40])],
        ),
        (
            "without dividends nobody can tell",
            |f| {
                f.pay(&[15]);
                f.dividends = None;
            },
            vec![],
        ),
        (
            "nor with dividends that are no numbers",
            |f| {
                f.pay(&[15]);
                f.dividends = Some(vec![f64::NAN; 60]);
            },
            vec![],
        ),
        (
            "one adjusted close of its own",
            |f| {
                f.pay(&[15]);
                f.adj_close.as_mut().unwrap()[30] *= 1.05;
            },
            vec![(Rule::AdjustmentOutlier, vec![30])],
        ),
        (
            "three adjusted closes of their own",
            |f| {
                f.pay(&[15]);
                f.adj_close.as_mut().unwrap()[30..33].iter_mut().for_each(|close| *close *= 0.9);
            },
            vec![(Rule::AdjustmentOutlier, vec![30, 31, 32])],
        ),
        (
            "adjusted closes rounded to tenths",
            |f| {
                f.pay(&[15]);
                f.adj_close.as_mut().unwrap().iter_mut().for_each(|close| *close = (*close * 10.0).round() / 10.0);
            },
            vec![],
        ),
        (
            "adjusted closes of cents, where they are near one",
            |f| {
                let rounded = |row: usize| (f.close[row] * 0.01 * 100.0).round() / 100.0;
                f.adj_close = Some((0..60).map(rounded).collect());
            },
            vec![],
        ),
        (
            "no adjusted close, a dividend of three quarters of the price",
            |f| {
                let mut dividends = vec![0.0; 60];
                dividends[30] = 75.0;
                f.dividends = Some(dividends);
            },
            vec![(Rule::DividendUnit, vec![30])],
        ),
    ];
    check(cases, &robust());
}
