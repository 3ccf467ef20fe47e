//! What use has found: each case stands for its kind, and is varied.

use std::ops::Range;

use feedguard::quality::{FeedProfile, PriceBasis, QualityReport, Rule, Series, TimeUnit};
use feedguard::{DataQualityValidator, QualityConfig};

use crate::quality::frame::Frame;

/// What is done to clean bars, the rows that must be in quarantine, and the rules that must have spoken.
struct ByUse {
    name: String,
    frame: Frame,
    profile: FeedProfile,
    quarantine: Vec<usize>,
    rules: Vec<Rule>,
}

fn case(
    name: impl Into<String>,
    spoil: impl FnOnce(&mut Frame),
    quarantine: impl IntoIterator<Item = usize>,
    rules: &[Rule],
) -> ByUse {
    on(Frame::bars(1000, 100.0), name, spoil, quarantine, rules)
}

fn on(
    mut frame: Frame,
    name: impl Into<String>,
    spoil: impl FnOnce(&mut Frame),
    quarantine: impl IntoIterator<Item = usize>,
    rules: &[Rule],
) -> ByUse {
    spoil(&mut frame);
    let (name, quarantine) = (name.into(), quarantine.into_iter().collect());
    ByUse { name, frame, profile: FeedProfile::default(), quarantine, rules: rules.to_vec() }
}

impl ByUse {
    fn of(mut self, profile: FeedProfile) -> Self {
        self.profile = profile;
        self
    }

    fn report(&self) -> QualityReport {
        let config = QualityConfig::default().profile(self.profile).max_findings_per_rule(100_000);
        DataQualityValidator::new("by use", config).unwrap().validate(&self.frame.series())
    }
}

fn check(cases: Vec<ByUse>) {
    let mut faults = Vec::new();
    for case in cases {
        let report = case.report();
        let found: Vec<usize> = report.quarantine.iter().collect();
        let missing: Vec<&Rule> =
            case.rules.iter().filter(|rule| !report.totals.iter().any(|total| total.rule == **rule)).collect();
        // Of wrong rows any rule may speak, of right ones none.
        let is_loud = case.rules.is_empty() && case.quarantine.is_empty() && !report.findings.is_empty();
        if found != case.quarantine || !missing.is_empty() || is_loud {
            let lines: Vec<String> = report.findings.iter().take(6).map(|finding| format!("      {finding}")).collect();
            faults.push(format!(
                "{}: missing {missing:?}, {} rows for {}\n{}",
                case.name,
                found.len(),
                case.quarantine.len(),
                lines.join("\n")
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn scale(frame: &mut Frame, rows: Range<usize>, factor: f64) {
    rows.for_each(|row| frame.scale(row, factor));
}

fn volumes(frame: &mut Frame, rows: Range<usize>, factor: f64) {
    frame.volume[rows].iter_mut().for_each(|volume| *volume *= factor);
}

fn with_amount(rows: usize) -> Frame {
    let mut frame = Frame::bars(rows, 100.0);
    let mean = |row: usize| (frame.high[row] + frame.low[row] + frame.close[row] + frame.open[row]) / 4.0;
    frame.amount = Some((0..rows).map(|row| (mean(row) * frame.volume[row]).round()).collect());
    frame
}

#[test]
fn clean_bars_are_clean() {
    for price in [0.5, 10.0, 100.0, 4321.0] {
        for rows in [60, 250, 1000] {
            let report = case("", |_| {}, [], &[]).frame.report(QualityConfig::default());
            assert_eq!((report.issues, report.score), (0, 100.0));
            let report = Frame::bars(rows, price).report(QualityConfig::default());
            assert_eq!((report.issues, report.score), (0, 100.0), "{rows} rows at {price}: {:?}", report.findings);
        }
    }
}

#[test]
fn what_cannot_be_used_is_an_error_of_the_series() {
    let blank = |frame: &mut Frame, rows: Range<usize>| {
        for row in rows {
            frame.set(row, f64::NAN);
            frame.volume[row] = f64::NAN;
        }
    };
    let mut cases = Vec::new();
    for (name, rows) in [
        ("all", 0..250),
        ("all but the last", 0..249),
        ("older half", 0..125),
        ("newer half", 125..250),
        ("a fifth", 100..150),
    ] {
        let all = rows.clone();
        cases.push(on(Frame::bars(250, 100.0), name, |f| blank(f, rows), all.clone(), &[Rule::MissingPrices]));
        let prices = all.clone();
        cases.push(on(
            with_amount(250),
            format!("{name}, prices alone"),
            |f| prices.for_each(|row| f.set(row, f64::NAN)),
            all,
            &[Rule::MissingPrices],
        ));
    }
    cases.push(on(
        Frame::bars(250, 100.0),
        "every fifth",
        |f| (0..250).step_by(5).for_each(|row| f.set(row, f64::NAN)),
        (0..250).step_by(5),
        &[Rule::MissingPrices],
    ));
    let halt = |f: &mut Frame, rows: Range<usize>| {
        rows.for_each(|row| {
            f.set(row, 0.0);
            f.volume[row] = 0.0;
        })
    };
    cases.push(case("a suspension of twenty days", |f| halt(f, 300..320), [], &[Rule::EmptyRow]));
    cases.push(case("a suspension to this day", |f| halt(f, 990..1000), [], &[Rule::EmptyRow]));
    cases.push(case("nothing but suspensions", |f| halt(f, 0..1000), 0..1000, &[Rule::Unusable]));
    cases.push(case("a holiday", |f| blank(f, 300..301), [], &[Rule::EmptyRow]));
    check(cases);
    let nothing = Frame::bars(0, 100.0).report(QualityConfig::default());
    assert_eq!((nothing.valid, nothing.score, nothing.totals[0].rule), (false, 0.0, Rule::Unusable));
    let mut frame = Frame::bars(250, 100.0);
    blank(&mut frame, 0..250);
    assert_eq!(frame.report(QualityConfig::default()).score, 0.0);
    assert_eq!(frame.report(QualityConfig::literal()).score, 0.0, "nor has the literal policy anything to use");
    let mut frame = Frame::bars(250, 100.0);
    (0..250).for_each(|row| frame.high[row] = frame.low[row] / 2.0);
    let report = frame.report(QualityConfig::default());
    assert!(!report.valid && report.score > 0.0, "errors in all rows are bad, but prices");
}

#[test]
fn wicks_are_found_at_any_factor() {
    let mut cases = Vec::new();
    for factor in [1.7, 2.0, 3.0, 7.0, 37.0, 420.0, 1e6, 1e179] {
        for row in [200, 5, 777, 999, 0] {
            cases.push(case(format!("high[{row}] x {factor}"), |f| f.high[row] *= factor, [row], &[]));
            cases.push(case(format!("low[{row}] / {factor}"), |f| f.low[row] /= factor, [row], &[]));
        }
    }
    for factor in [1.7, 3.0, 7.0, 37.0, 420.0] {
        for row in [200, 333, 700] {
            cases.push(case(
                format!("high and close[{row}] x {factor}"),
                |f| {
                    f.high[row] *= factor;
                    f.close[row] *= factor;
                },
                [row],
                &[],
            ));
            cases.push(case(
                format!("low and close[{row}] / {factor}"),
                |f| {
                    f.low[row] /= factor;
                    f.close[row] /= factor;
                },
                [row],
                &[],
            ));
        }
    }
    cases.push(
        case(
            "a wide day of news",
            |f| {
                f.high[200] *= 1.6;
                f.volume[200] *= 9.0;
            },
            [],
            &[],
        )
        .of(FeedProfile::default()),
    );
    check(cases);
}

#[test]
fn volumes_are_told_by_the_amount_of_their_row() {
    let unit = &[Rule::VolumeUnit];
    check(vec![
        on(with_amount(1000), "x100 for 200 rows", |f| volumes(f, 300..500, 100.0), 300..500, unit),
        on(with_amount(1000), "x100 for 130 rows", |f| volumes(f, 200..330, 100.0), 200..330, unit),
        on(with_amount(1000), "x0.01 from the start", |f| volumes(f, 0..120, 0.01), 0..120, unit),
        on(with_amount(250), "x0.01 from the start, short", |f| volumes(f, 0..120, 0.01), 0..120, unit),
        on(with_amount(1000), "x1000 to the end", |f| volumes(f, 900..1000, 1000.0), 900..1000, unit),
        on(with_amount(1000), "one / 100", |f| volumes(f, 200..201, 0.01), [200], unit),
        on(with_amount(1000), "one x10", |f| volumes(f, 200..201, 10.0), [200], unit),
        on(
            with_amount(1000),
            "amounts x1000",
            |f| f.amount.as_mut().unwrap()[300..340].iter_mut().for_each(|a| *a *= 1000.0),
            300..340,
            &[Rule::AmountMismatch],
        ),
    ]);
    let case = on(with_amount(1000), "", |f| volumes(f, 200..201, 0.01), [200], unit);
    let report = case.report();
    let remedies: Vec<_> = report.findings.iter().filter_map(|finding| finding.factor).collect();
    assert_eq!(remedies, [100.0], "one remedy, and the right one");
}

#[test]
fn volumes_without_amounts_are_told_by_their_level() {
    let unit = &[Rule::VolumeUnit];
    let mut cases = vec![
        case("x100 for 200 rows", |f| volumes(f, 300..500, 100.0), 300..500, unit),
        case("x100 for 130 rows", |f| volumes(f, 200..330, 100.0), 200..330, unit),
        case("x0.01 from the start", |f| volumes(f, 0..120, 0.01), 0..120, unit),
        case("x0.01 from the fourth row on", |f| volumes(f, 3..133, 0.01), 3..133, unit),
        case("x0.01 from the seventh row on", |f| volumes(f, 6..36, 0.01), 6..36, unit),
        case("x0.01 for nearly half", |f| volumes(f, 0..480, 0.01), 0..480, unit),
        case("x100 to the end", |f| volumes(f, 900..1000, 100.0), 900..1000, unit),
        case("x0.001 for 30 rows", |f| volumes(f, 300..330, 0.001), 300..330, unit),
        case("nobody knows which half", |f| volumes(f, 500..1000, 100.0), [], &[Rule::VolumeShift]),
        case("no volumes at all", |f| f.volume.fill(f64::NAN), [], &[]),
        case("volumes since half of the time", |f| f.volume[..500].fill(f64::NAN), [], &[Rule::MissingVolume]),
        case("one hole", |f| f.volume[300] = f64::NAN, [300], &[Rule::NotFinite]),
        case(
            "half of the moving bars without volume",
            |f| (0..1000).step_by(2).for_each(|row| f.volume[row] = 0.0),
            [],
            &[Rule::MissingVolume],
        ),
        case("zero everywhere", |f| f.volume.fill(0.0), [], &[]),
    ];
    for row in [200, 333, 555, 871] {
        cases.push(case(format!("volume[{row}] x0.01"), |f| volumes(f, row..row + 1, 0.01), [row], unit));
        cases.push(case(format!("volume[{row}] x1000"), |f| volumes(f, row..row + 1, 1000.0), [row], unit));
    }
    check(cases);
}

#[test]
fn adjusted_closes_are_judged_without_dividends() {
    let adjusted = |frame: &mut Frame, ones: Range<usize>| {
        let factor = |row: usize| if ones.contains(&row) { 1.0 } else { 18.868 };
        frame.adj_close = Some((0..frame.close.len()).map(|row| frame.close[row] * factor(row)).collect());
    };
    check(vec![
        case("21 rows", |f| adjusted(f, 300..321), 300..321, &[Rule::AdjustmentOutlier]),
        case("300 rows", |f| adjusted(f, 300..600), 300..600, &[Rule::AdjustmentOutlier]),
        case("to the end", |f| adjusted(f, 900..1000), 900..1000, &[Rule::AdjustmentOutlier]),
        case("most to the end", |f| adjusted(f, 300..1000), 0..300, &[Rule::AdjustmentError]),
        case(
            "absurd",
            |f| {
                f.adj_close = Some(f.close.clone());
                f.adj_close.as_mut().unwrap()[200..240].fill(5.9e35);
            },
            200..240,
            &[Rule::AdjustmentCell],
        ),
        case(
            "absurd from the start",
            |f| {
                f.adj_close = Some(f.close.clone());
                f.adj_close.as_mut().unwrap()[..240].fill(5.9e35);
            },
            0..240,
            &[Rule::AdjustmentCell],
        ),
        case(
            "a dividend of more than the price",
            |f| {
                let paid = 1.3 * f.close[499];
                let mut dividends = vec![0.0; 1000];
                dividends[500] = paid;
                f.adj_close =
                    Some((0..1000).map(|row| f.close[row] * if row < 500 { 1.0 - 1.3 } else { 1.0 }).collect());
                f.dividends = Some(dividends);
            },
            0..501,
            &[Rule::DividendUnit, Rule::AdjustmentError],
        ),
        case(
            "weekly bars adjust a row late",
            |f| {
                f.time = (0..1000).map(|row| 3 + 7 * row).collect();
                let mut dividends = vec![0.0; 1000];
                let mut adjusted = f.close.clone();
                for row in (11..990).step_by(13) {
                    let share = 0.012;
                    dividends[row] = share * f.close[row - 1];
                    adjusted[..row + 1].iter_mut().for_each(|cell| *cell *= 1.0 - share);
                }
                (f.dividends, f.adj_close) = (Some(dividends), Some(adjusted));
            },
            [],
            &[],
        ),
    ]);
}

/// Close by close before, dividend by close before, adjustment factor before by after, on row 500.
fn paid(drop: f64, share: f64, step: Option<f64>) -> Frame {
    let mut frame = Frame::bars(1000, 100.0);
    scale(&mut frame, 500..1000, 1.0 - drop);
    let mut dividends = vec![0.0; 1000];
    dividends[500] = share * frame.close[499];
    frame.dividends = Some(dividends);
    frame.adj_close =
        step.map(|step| (0..1000).map(|row| frame.close[row] * if row < 500 { step } else { 1.0 }).collect());
    frame
}

fn remedies(frame: &Frame) -> Vec<(Rule, f64)> {
    let report = frame.report(QualityConfig::default());
    report.findings.iter().filter_map(|finding| Some((finding.rule, finding.factor?))).collect()
}

#[test]
fn remedies_are_right_or_absent() {
    // The price followed the dividend: the adjustment is what is wrong.
    let found = remedies(&paid(0.45, 0.459, Some(0.99541)));
    assert!(
        matches!(found[..], [(Rule::AdjustmentError, factor)] if (factor - 0.541 / 0.99541).abs() < 0.01),
        "{found:?}"
    );
    // Four dividends that companies pay, adjusted by a hundredth each.
    let mut frame = Frame::bars(1000, 100.0);
    let mut dividends = vec![0.0; 1000];
    let mut adjusted = frame.close.clone();
    for row in [200, 400, 600, 800] {
        dividends[row] = 0.017 * frame.close[row - 1];
        adjusted[..row].iter_mut().for_each(|cell| *cell *= 1.0 - 0.00017);
    }
    (frame.dividends, frame.adj_close) = (Some(dividends), Some(adjusted));
    assert!(remedies(&frame).iter().all(|(rule, _)| *rule == Rule::AdjustmentError), "{:?}", remedies(&frame));
    // Prices that are adjusted already notice no dividend.
    assert_eq!(remedies(&paid(-0.09, 0.27, None)), []);
    assert_eq!(remedies(&paid(0.0, 0.6, None)), []);
    // Another currency: the adjustment knows what it was.
    let frame = paid(0.0, 42.7, Some(1.0 - 0.00425));
    let found = remedies(&frame);
    assert!(matches!(found[..], [(Rule::DividendUnit, factor)] if (factor - 0.00425 / 42.7).abs() < 1e-7), "{found:?}");
    assert_eq!(frame.report(QualityConfig::default()).quarantine.iter().collect::<Vec<_>>(), [500]);
    // A block of ten where the market doubled on the way.
    let mut frame = Frame::bars(1000, 100.0);
    scale(&mut frame, 500..510, 20.0);
    assert!(remedies(&frame).iter().all(|(_, factor)| (factor - 0.05).abs() < 1e-9), "{:?}", remedies(&frame));
}

#[test]
fn mending_leaves_nothing_to_mend() {
    let validator = DataQualityValidator::new("repair", QualityConfig::default()).unwrap();
    let spoilt: [fn(&mut Frame); 6] = [
        |f| scale(f, 300..420, 100.0),
        |f| scale(f, 0..77, 0.001),
        |f| volumes(f, 300..500, 100.0),
        |f| f.close[300] *= 100.0,
        |f| f.high[300] *= 1000.0,
        |f| {
            f.pay(&[200, 500, 800]);
            f.dividends.as_mut().unwrap()[500] *= 100.0;
        },
    ];
    for (at, spoil) in spoilt.into_iter().enumerate() {
        let clean = {
            let mut frame = Frame::bars(1000, 100.0);
            if at == 5 {
                frame.pay(&[200, 500, 800]);
            }
            frame
        };
        let mut frame = clean.clone();
        spoil(&mut frame);
        let given = frame.series();
        let repair = validator.repair(&given);
        assert!(!repair.before().valid && !repair.changes().is_empty(), "{at}");
        assert!(repair.after().valid, "{at}: {:?}", repair.after().findings);
        let mended = repair.series(&given);
        for (column, right) in [
            (mended.bars().open, &clean.open),
            (mended.bars().high, &clean.high),
            (mended.bars().close, &clean.close),
            (mended.bars().volume, &clean.volume),
        ] {
            assert!(column.iter().zip(right.iter()).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{at}");
        }
        assert_eq!(given, frame.series(), "what was given is as it was");
    }
}

fn raw(mut frame: Frame, row: usize, ratio: f64) -> Frame {
    let rows = frame.close.len();
    scale(&mut frame, row..rows, 1.0 / ratio);
    volumes(&mut frame, row..rows, ratio);
    frame
}

#[test]
fn prices_as_traded_are_no_errors() {
    let mut cases = Vec::new();
    for (row, ratio) in [(198, 2.0), (600, 0.125), (500, 5.0), (500, 20.0), (300, 1.5)] {
        let frame = raw(Frame::bars(1000, 100.0), row, ratio);
        let declare = |f: &mut Frame| f.declare_split(row, ratio);
        let name = format!("declared {ratio} on row {row}");
        cases.push(on(frame.clone(), name.clone(), declare, [], &[Rule::UnadjustedSplit]));
        cases.push(
            on(frame.clone(), name.clone() + ", told", declare, [], &[])
                .of(FeedProfile::default().prices(PriceBasis::Raw)),
        );
        cases.push(
            on(frame, name + ", told to be adjusted", declare, 0..row, &[Rule::MissedSplit])
                .of(FeedProfile::us_equity()),
        );
    }
    cases.push(on(
        raw(Frame::bars(1000, 100.0), 500, 0.118),
        "undeclared reverse on busy days",
        |f| volumes(f, 498..502, 5.0),
        [],
        &[Rule::UndeclaredSplit],
    ));
    cases.push(case(
        "a ticker used again",
        |f| {
            scale(f, 500..1000, 15.0);
            f.time[..500].iter_mut().for_each(|day| *day -= 8 * 365);
            f.declare_split(508, 15.0);
        },
        [],
        &[Rule::LargeChange, Rule::Gap],
    ));
    cases.push(case(
        "five for one, on twenty times the volume, in a history of adjusted volumes",
        |f| {
            f.declare_split(500, 5.0);
            scale(f, 0..500, 5.0);
            f.volume[500] *= 20.0;
        },
        0..500,
        &[Rule::MissedSplit],
    ));
    check(cases);
}

#[test]
fn blocks_are_found_from_five_to_sixty_rows() {
    let mut cases = Vec::new();
    for factor in [1.3, 0.75, 1.5, 2.0, 0.5, 3.7] {
        for rows in [1, 2, 5, 10, 17, 30, 45, 60] {
            let places: Vec<usize> = if rows < 10 { (12..900).step_by(43).collect() } else { vec![300, 411, 523] };
            for at in places {
                let rule = if rows == 1 { Rule::Spike } else { Rule::Block };
                cases.push(case(
                    format!("{rows} rows x{factor} at {at}"),
                    |f| scale(f, at..at + rows, factor),
                    at..at + rows,
                    &[rule],
                ));
            }
        }
    }
    check(cases);
}

#[test]
fn new_rows_are_judged_by_what_is_stored() {
    let validator = DataQualityValidator::new("new", QualityConfig::default()).unwrap();
    let whole = Frame::bars(300, 100.0);
    let parts = |frame: &Frame, new: usize| (frame.rows(0..300 - new), frame.rows(300 - new..300));
    for (name, new, spoil, expected) in [
        ("clean", 2, (|_| {}) as fn(&mut Frame), vec![]),
        ("the last bar x2", 1, |f| f.scale(299, 2.0), vec![0]),
        ("the last bar x1.4", 1, |f| f.scale(299, 1.4), vec![0]),
        ("two rows, the newer x100", 2, |f| f.scale(299, 100.0), vec![1]),
        ("two rows, the older x100", 2, |f| f.scale(298, 100.0), vec![0]),
        ("two rows, both x100", 2, |f| scale(f, 298..300, 100.0), vec![0, 1]),
        ("two rows, both x0.5", 2, |f| scale(f, 298..300, 0.5), vec![0, 1]),
        ("the history is wrong", 2, |f| scale(f, 100..120, 100.0), vec![]),
        ("volume in lots", 1, |f| f.volume[299] *= 0.001, vec![0]),
    ] {
        let mut frame = whole.clone();
        spoil(&mut frame);
        let (old, fresh) = parts(&frame, new);
        let report = validator.check_new(&old.series(), &fresh.series());
        assert_eq!(report.quarantine.iter().collect::<Vec<_>>(), expected, "{name}: {:?}", report.findings);
        assert_eq!(report.total, new, "{name}");
        // Rows that are stored already are not looked at twice, whatever the order.
        let mut reversed = fresh.clone();
        reversed.reverse();
        let report = validator.check_new(&frame.series(), &reversed.series());
        assert_eq!(report.quarantine.len(), expected.len(), "{name}, again: {:?}", report.findings);
    }
    let mut frame = whole.clone();
    frame.scale(299, 0.5);
    frame.declare_split(299, 2.0);
    let (old, fresh) = parts(&frame, 1);
    assert!(validator.check_new(&old.series(), &fresh.series()).valid, "a declared split");
    // However short the history is.
    let mut frame = Frame::bars(11, 100.0);
    scale(&mut frame, 6..11, 100.0);
    let report = validator.check_new(&frame.rows(0..6).series(), &frame.rows(6..11).series());
    assert_eq!(report.rows_of(Rule::UnitError), 5, "{:?}", report.findings);
    assert!(validator.check_new(&Frame::bars(0, 1.0).series(), &whole.series()).valid, "no history yet");
    assert!(
        !validator.check_new(&whole.series(), &Frame::bars(0, 1.0).series()).valid,
        "nothing new is nothing to use"
    );
}

#[test]
fn two_rows_alone_are_both_doubtful() {
    let mut frame = Frame::bars(2, 100.0);
    frame.scale(1, 100.0);
    let report = frame.report(QualityConfig::default());
    assert_eq!(report.quarantine.len(), 2);
    assert!(report.findings.iter().all(|finding| finding.factor.is_none()));
}

#[test]
fn coarse_steps_and_odd_markets() {
    let ticks = |step: f64, prices: &'static [f64]| {
        let mut frame = Frame::bars(100, 1.0);
        for row in 0..100 {
            let [open, high, low, close] = std::array::from_fn(|at| prices[at] * step);
            (frame.open[row], frame.high[row], frame.low[row], frame.close[row]) = (open, high, low, close);
            frame.volume[row] += row as f64;
        }
        frame
    };
    let validator = DataQualityValidator::new("ticks", QualityConfig::default()).unwrap();
    for (frame, step) in [
        (ticks(0.01, &[106.0, 105.0, 105.0, 105.0]), 0.01),
        (ticks(1e-8, &[3.0, 2.0, 2.0, 2.0]), 1e-8),
        (ticks(1e-8, &[13.0, 12.0, 12.0, 12.0]), 1e-8),
        (ticks(0.1, &[3.0, 2.0, 2.0, 2.0]), 0.1),
    ] {
        let report = validator.validate(&frame.series().tick(step));
        assert!(report.valid && report.rows_of(Rule::AuctionPrint) == 0, "{step}: {:?}", report.findings);
    }
    let fund = |close: fn(usize) -> f64| {
        let mut frame = Frame::bars(300, 1.0);
        (0..300).for_each(|row| {
            frame.set(row, close(row));
            frame.volume[row] = 0.0;
        });
        frame
    };
    let mut cases = vec![
        on(fund(|row| 1.0 + 0.001 * (row as f64).sin()), "a fund", |_| {}, [], &[]),
        on(fund(|_| 1.0), "a fund of the money market", |_| {}, [], &[]),
        on(fund(|row| 2.0 + (row / 7) as f64 * 0.01), "a fund of steps", |_| {}, [], &[]).of(FeedProfile::fund_nav()),
        on(
            Frame::bars(300, 30.0),
            "four equal bars of a coarse step",
            |f| {
                for row in 0..300 {
                    let price = 0.1 + 0.005 * ((row / 5) % 3) as f64;
                    (f.open[row], f.high[row], f.low[row], f.close[row]) =
                        (price + 0.005, price + 0.01, price, price + 0.005);
                    f.volume[row] = 3e6 + 1e4 * (row as f64).sin();
                }
            },
            [],
            &[],
        )
        .of(FeedProfile::default().tick(Some(0.005))),
        on(
            Frame::bars(300, 30.0),
            "below zero",
            |f| {
                (f.open[200], f.high[200], f.low[200], f.close[200]) = (17.73, 17.85, -40.32, -37.63);
                (f.open[201], f.high[201], f.low[201], f.close[201]) = (-14.0, 13.86, -16.74, 10.01);
            },
            [],
            &[],
        )
        .of(FeedProfile::futures()),
        on(
            Frame::bars(300, 80.0),
            "power",
            |f| {
                for (row, price) in
                    [(40, -5.0), (41, 0.3), (42, 120.0), (90, 0.3), (91, -80.0), (150, 900.0), (201, 0.01)]
                {
                    f.set(row, price);
                }
            },
            [],
            &[],
        )
        .of(FeedProfile::power()),
        on(
            Frame::bars(300, 80.0),
            "limits that are none",
            |f| {
                (f.limit_up, f.limit_down) = (Some(vec![100_000.0; 300]), Some(vec![0.0; 300]));
            },
            [],
            &[],
        ),
        on(
            Frame::bars(300, 80.0),
            "limits that are none, the other way round",
            |f| (f.limit_up, f.limit_down) = (Some(vec![0.0; 300]), Some(vec![100_000.0; 300])),
            [],
            &[],
        ),
        on(
            Frame::bars(300, 80.0),
            "limits that are none, once more",
            |f| {
                (f.limit_up, f.limit_down) = (Some(vec![99_999.99; 300]), Some(vec![0.0; 300]));
            },
            [],
            &[],
        ),
    ];
    cases.push(on(
        Frame::bars(300, 30.0),
        "below zero, untold",
        |f| f.close[200] = -37.63,
        [200],
        &[Rule::NonPositivePrice],
    ));
    let is_quiet = |case: &ByUse| case.report().valid;
    let loud: Vec<String> = cases
        .iter()
        .filter(|case| is_quiet(case) != case.quarantine.is_empty())
        .map(|case| format!("{}: {:?}", case.name, case.report().findings))
        .collect();
    assert!(loud.is_empty(), "{}", loud.join("\n"));
    for case in &cases[..3] {
        assert_eq!(case.report().score, 100.0, "{}", case.name);
    }
}

#[test]
fn findings_say_why_and_warnings_take_no_score_to_zero() {
    let mut frame = Frame::bars(500, 100.0);
    scale(&mut frame, 0..140, 100.0);
    volumes(&mut frame, 300..400, 1000.0);
    let report = frame.report(QualityConfig::default());
    assert_eq!(report.findings.len(), 2, "two causes: {:?}", report.findings);
    let finding = &report.findings[0];
    assert_eq!((finding.row, finding.last_row, finding.rows), (0, 139, 140));
    let text = finding.to_string();
    assert!(
        text.starts_with("rows 0-139: unit_error (error): ") && text.contains("x 0.01") && text.contains("% sure"),
        "{text}"
    );
    assert!(
        report.findings.iter().all(|finding| finding.reason.confidence > 0.0 && !finding.reason.witness.is_empty())
    );
    let mut frame = Frame::bars(500, 100.0);
    frame.close.iter_mut().zip(&frame.high).for_each(|(close, high)| *close = high * 1.02);
    let report = frame.report(QualityConfig::default());
    assert!(report.valid && report.score >= 70.0 && report.rows_of(Rule::AuctionPrint) > 400, "{report}");
}

/// Bars of a minute, 390 a day from half past nine, on weekdays.
fn minutes(days: usize) -> Frame {
    let mut frame = Frame::bars(390 * days, 100.0);
    let mut time = Vec::new();
    for at in 0..days as i64 {
        let day = 19_723 + at / 5 * 7 + at % 5;
        time.extend((0..390).map(|minute| day * 86_400 + 9 * 3600 + 1800 + minute * 60));
    }
    (frame.time, frame.unit) = (time, Some(TimeUnit::Seconds));
    frame
}

#[test]
fn the_grid_of_time_is_learned() {
    let told = |frame: &Frame| -> Vec<(Rule, usize)> {
        let report = frame.report(QualityConfig::default());
        assert!(report.valid, "{:?}", report.findings);
        report.totals.iter().map(|total| (total.rule, total.rows)).collect()
    };
    assert_eq!(told(&minutes(30)), []);
    let mut frame = minutes(30);
    frame.cut(390 * 10 + 20..390 * 10 + 375);
    assert_eq!(told(&frame), [(Rule::Gap, 1)], "355 of 390 minutes");
    let mut frame = minutes(30);
    frame.unit = Some(TimeUnit::Millis);
    frame.time.iter_mut().for_each(|time| *time *= 1000);
    frame.time[3000..4200].iter_mut().for_each(|time| *time += 14_800);
    assert_eq!(told(&frame), [(Rule::OffGrid, 1200)], "14.8 seconds off");
    let mut frame = minutes(30);
    frame.time[3900..4290].iter_mut().for_each(|time| *time -= 3600);
    assert_eq!(told(&frame), [(Rule::OffGrid, 390)], "an hour early");
    let mut frame = minutes(30);
    frame.time[3900..].iter_mut().for_each(|time| *time -= 3600);
    assert_eq!(told(&frame), [], "winter has begun");

    let mut frame = Frame::bars(500, 100.0);
    let friday = (0..500).find(|row| (frame.time[*row] + 3).rem_euclid(7) == 4 && *row > 200).unwrap();
    frame.insert_copy(friday, frame.time[friday] + 1);
    frame.close[friday + 1] += 0.01;
    assert_eq!(told(&frame), [(Rule::OffCalendar, 1)], "a Saturday");
    let mut frame = Frame::bars(500, 100.0);
    frame.insert_copy(499, frame.time[499] + 3);
    assert_eq!(told(&frame), [(Rule::RepeatedRow, 1)], "the last bar under the next date");
    let mut frame = Frame::bars(500, 100.0);
    frame.cut(200..230);
    assert_eq!(told(&frame), [(Rule::Gap, 1)], "six weeks");

    let mut weekly = Frame::bars(300, 100.0);
    weekly.time = (0..300).map(|week| 17_000 + 7 * week).collect();
    assert_eq!(told(&weekly), []);
    weekly.insert_copy(150, weekly.time[150] + 3);
    weekly.close[151] += 0.01;
    let report = weekly.report(QualityConfig::default());
    assert_eq!(
        report.findings.iter().map(|f| (f.rule, f.row)).collect::<Vec<_>>(),
        [(Rule::OffGrid, 151)],
        "an extra week"
    );
}

#[test]
fn sundays_and_stubs_have_small_volumes() {
    let mut frame = Frame::bars(600, 1.2);
    frame.time = (0..600).map(|row| 19_001 + row / 6 * 7 + row % 6).collect();
    (0..600).step_by(6).for_each(|row| frame.volume[row] *= 0.01);
    let report = frame.report(QualityConfig::default());
    assert!(report.valid, "Sundays: {:?}", report.findings);
    frame.unit = None;
    assert!(frame.report(QualityConfig::default()).valid, "whatever the timestamps are");
    let mut frame = Frame::bars(700, 50.0);
    frame.unit = Some(TimeUnit::Seconds);
    frame.time =
        (0..700).map(|row| (19_723 + row / 35 * 7 + row % 35 / 7) * 86_400 + 34_200 + row % 7 * 3600).collect();
    (6..700).step_by(7).for_each(|row| frame.volume[row] *= 0.012);
    let report = frame.report(QualityConfig::default());
    assert!(report.valid, "stubs: {:?}", report.findings);
    let mut frame = Frame::bars(500, 20.0);
    (0..200).for_each(|row| {
        frame.volume[row] = 0.06 * (7000.0_f64 / 0.06).powf(row as f64 / 200.0) * (1.0 + 0.5 * (row as f64).sin())
    });
    (200..500).for_each(|row| frame.volume[row] = 7000.0 * (1.0 + 0.5 * (row as f64).sin()));
    let report = frame.report(QualityConfig::default());
    assert!(report.valid, "a start of trading: {:?}", report.findings);
}

#[test]
fn a_series_brings_its_own_profile() {
    let frame = {
        let mut frame = Frame::bars(300, 30.0);
        frame.set(200, -3.0);
        frame
    };
    let validator = DataQualityValidator::new("own", QualityConfig::default()).unwrap();
    let series: Series<'_> = frame.series();
    assert!(!validator.validate(&series).valid);
    assert!(validator.validate(&series.profile(FeedProfile::futures())).valid);
    for name in ["a_share", "us_equity", "fx", "crypto", "futures", "index", "fund_nav", "power"] {
        let profile = FeedProfile::preset(name).unwrap();
        assert!(profile.validate().is_ok(), "{name}");
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<FeedProfile>(&text).unwrap(), profile);
    }
    assert_eq!(FeedProfile::preset("stocks"), None);
    let error = QualityConfig::default().profile(FeedProfile::default().tick(Some(f64::NAN))).validate().unwrap_err();
    assert_eq!(error.faults()[0].path, "profile.tick");
}

fn walk(seed: u64, rows: usize, daily: f64) -> Frame {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut normal = move || (0..6).map(|_| random.f64() - 0.5).sum::<f64>() * 1.41;
    let mut frame = Frame::bars(rows, 50.0);
    let (mut price, mut heat): (f64, f64) = (50.0, 0.0);
    for row in 0..rows {
        let open = price * (0.3 * daily * normal()).exp();
        price = open * (daily * normal()).exp();
        let wick = |normal: f64| 1.0 + 0.4 * daily * normal.abs();
        (frame.open[row], frame.close[row]) = (open, price);
        (frame.high[row], frame.low[row]) = (open.max(price) * wick(normal()), open.min(price) / wick(normal()));
        // Busy days come together.
        heat = 0.8 * heat + 0.3 * normal();
        frame.volume[row] = (1e6 * heat.exp()).round();
    }
    frame
}

#[test]
fn no_good_row_pays_for_an_end_that_is_hidden() {
    let unit = &[Rule::UnitError];
    let mut cases = vec![
        case(
            "volumes that are honest after the block",
            |f| {
                volumes(f, 330..350, 5.0);
                scale(f, 300..330, 10.0);
            },
            300..330,
            unit,
        ),
        case(
            "price and volume there and back are no split",
            |f| {
                scale(f, 300..360, 10.0);
                volumes(f, 300..360, 0.1);
            },
            300..360,
            unit,
        ),
    ];
    for (seed, first, rows, factor) in
        [(1, 126, 60, 10.0), (2, 296, 30, 0.1), (3, 106, 60, 100.0), (4, 400, 200, 0.01), (5, 50, 40, 10.0)]
    {
        // The market moves by a quarter on the day the block ends, with the volume that goes with it.
        for news in [1.25, 0.78] {
            let end = first + rows;
            cases.push(on(
                walk(seed, 1000, 0.015),
                format!("x{factor} {first}..{end}, news {news}"),
                |f| {
                    scale(f, end..1000, news);
                    f.volume[end] *= 7.0;
                    scale(f, first..end, factor);
                },
                first..end,
                unit,
            ));
        }
    }
    // A day of news hides the other end.
    for (seed, first, rows) in [(6, 126, 60), (7, 500, 100), (8, 250, 30)] {
        cases.push(on(
            walk(seed, 1000, 0.015),
            format!("x10 {first}+{rows}, begins on a day of news"),
            |f| {
                scale(f, first..1000, 1.08);
                f.volume[first] *= 9.0;
                (f.high[first], f.low[first]) = (f.high[first] * 1.09, f.low[first] / 1.06);
                scale(f, first..first + rows, 10.0);
            },
            first..first + rows,
            unit,
        ));
    }
    check(cases);
}

#[test]
fn stretches_of_volumes_have_two_ends() {
    let long = [(300, 130, 0.01), (500, 60, 100.0), (20, 130, 0.01), (800, 100, 1000.0), (6, 30, 0.01)];
    let short = [(132, 30, 100.0), (93, 92, 0.01), (42, 30, 1000.0), (187, 30, 1000.0), (22, 130, 0.01)];
    let mut faults = Vec::new();
    let (mut whole, mut all) = (0, 0);
    for seed in 0..40 {
        for (total, stretches) in [(1000, long), (250, short)] {
            for (spread, (first, rows, factor)) in
                [1.0, 1.8].into_iter().flat_map(|spread| stretches.map(|s| (spread, s)))
            {
                let mut frame = walk(seed, total, 0.01);
                // Thin shares trade anything from a tenth to ten times as much.
                frame.volume.iter_mut().for_each(|volume| *volume = 1e6 * (*volume / 1e6).powf(spread));
                volumes(&mut frame, first..first + rows, factor);
                let report = frame.report(QualityConfig::default());
                let is_wrong = |row: &usize| (first..first + rows).contains(row);
                let beside = report.quarantine.iter().filter(|row| !is_wrong(row)).count();
                all += 1;
                whole += usize::from(beside == 0 && report.quarantine.len() == rows);
                if beside > 5 {
                    faults.push(format!("{seed}, {total}: {first}+{rows} x{factor}: {beside} good rows"));
                }
            }
        }
    }
    println!("wrong volumes: {whole} of {all} stretches found whole");
    assert!(faults.is_empty() && whole * 10 >= all * 7, "{whole} of {all}: {}", faults.join("\n"));
}

#[test]
fn volumes_of_the_first_rows_may_be_in_another_unit() {
    let mut faults = Vec::new();
    let mut told = 0;
    for total in [8, 9, 12, 20, 60, 250] {
        for (rows, factor) in (1..12_usize.min(total)).flat_map(|rows| [100.0, 0.01, 1000.0, 1e4].map(|f| (rows, f))) {
            // A row among them without a volume, and a wrong price.
            for (spoilt, price) in [(None, None), (Some(1), None), (Some(0), None), (None, Some(3)), (Some(2), Some(4))]
            {
                let mut frame = Frame::bars(total, 100.0);
                volumes(&mut frame, 0..rows, factor);
                spoilt.into_iter().for_each(|row| frame.volume[row] = 0.0);
                price.into_iter().for_each(|row| frame.scale(row, 100.0));
                let report = frame.report(QualityConfig::default());
                let booked: Vec<usize> = report.quarantine.iter().collect();
                let beside = booked.iter().filter(|row| **row >= rows && Some(**row) != price).count();
                told += usize::from(booked.iter().any(|row| *row < rows && Some(*row) != price));
                if total >= 20 && beside > 0 {
                    faults.push(format!("{rows} of {total} x{factor}, {spoilt:?} {price:?}: {booked:?}"));
                }
            }
        }
    }
    println!("wrong first volumes: told {told} times");
    assert!(faults.is_empty() && told > 300, "{told}\n{}", faults.join("\n"));
}

#[test]
fn a_remedy_is_for_what_the_gaps_say() {
    for (factor, offered) in [(10.0, Some(0.1)), (12.0, None), (8.5, None), (100.0, Some(0.01))] {
        let mut frame = Frame::bars(500, 100.0);
        scale(&mut frame, 200..230, factor);
        let report = frame.report(QualityConfig::default());
        assert_eq!(report.quarantine.iter().collect::<Vec<_>>(), (200..230).collect::<Vec<_>>(), "x{factor}");
        assert_eq!(report.findings[0].factor, offered, "x{factor}");
    }
    for rows in [3, 4] {
        let mut frame = Frame::bars(rows, 100.0);
        frame.scale(rows - 1, 100.0);
        let report = frame.report(QualityConfig::default());
        assert_eq!(report.quarantine.iter().collect::<Vec<_>>(), [rows - 1], "of {rows} rows the more are right");
    }
    let mut frame = Frame::bars(250, 100.0);
    frame.adj_close = Some(vec![5.9e35; 250]);
    let report = frame.report(QualityConfig::default());
    assert_eq!((report.quarantine.len(), report.rows_of(Rule::AdjustmentCell)), (250, 250));
}

#[test]
fn blocks_units_and_adjustments_that_meet() {
    let pay = |frame: &mut Frame| {
        let rows = frame.close.len();
        let mut dividends = vec![0.0; rows];
        let mut adjusted = frame.close.clone();
        for row in (63..rows).step_by(63) {
            dividends[row] = 0.007 * frame.close[row - 1];
            adjusted[..row].iter_mut().for_each(|cell| *cell *= 1.0 - 0.007);
        }
        (frame.dividends, frame.adj_close) = (Some(dividends), Some(adjusted));
    };
    let prices = |frame: &mut Frame, rows: Range<usize>, factor: f64| {
        for column in [&mut frame.open, &mut frame.high, &mut frame.low, &mut frame.close] {
            column[rows.clone()].iter_mut().for_each(|price| *price *= factor);
        }
    };
    let mut cases = Vec::new();
    for hole in [1, 3, 8] {
        let (first, second) = (300..310, 310 + hole..320 + hole);
        let both = first.clone().chain(second.clone());
        cases.push(case(
            format!("two blocks, {hole} right rows between"),
            |f| {
                scale(f, first, 1.5);
                scale(f, second, 1.5);
            },
            both,
            &[Rule::Block],
        ));
    }
    for (rows, factor) in [(110..131, 10.0), (110..150, 100.0), (110..210, 0.01)] {
        let name = format!("prices x{factor}, the adjusted close is right, {rows:?}");
        cases.push(case(
            name,
            |f| {
                pay(f);
                prices(f, rows.clone(), factor);
            },
            rows.clone(),
            &[Rule::UnitError],
        ));
    }
    for rows in [110..140, 110..210] {
        let name = format!("adjusted closes across a dividend, {rows:?}");
        let spoil = |f: &mut Frame| {
            pay(f);
            f.adj_close.as_mut().unwrap()[rows.clone()].iter_mut().for_each(|cell| *cell *= 100.0);
        };
        cases.push(case(name, spoil, rows.clone(), &[Rule::AdjustmentOutlier]));
    }
    for factor in [1.7, 3.0, 37.0, 1e6] {
        let wick = &[Rule::Wick];
        cases.push(case(
            format!("open and high x{factor}"),
            |f| {
                f.open[200] *= factor;
                f.high[200] *= factor;
            },
            [200],
            wick,
        ));
        cases.push(case(
            format!("open and low / {factor}"),
            |f| {
                f.open[200] /= factor;
                f.low[200] /= factor;
            },
            [200],
            wick,
        ));
        cases.push(case(
            format!("high and close of the first row x{factor}"),
            |f| {
                f.high[0] *= factor;
                f.close[0] *= factor;
            },
            [0],
            &[],
        ));
    }
    check(cases);
    let mut frame = with_amount(1000);
    volumes(&mut frame, 900..1000, 10.0);
    let report = frame.report(QualityConfig::default());
    assert_eq!((report.valid, report.rows_of(Rule::VolumeShift)), (true, 1), "ten to one and no way back is a doubt");
}

#[test]
fn what_is_stored_wrong_blames_no_new_row() {
    let validator = DataQualityValidator::new("new", QualityConfig::default()).unwrap();
    for wrong in 0..5 {
        for factor in [2.0, 0.5, 1.4, 100.0] {
            let mut frame = Frame::bars(300, 100.0);
            frame.scale(295 + wrong, factor);
            let report = validator.check_new(&frame.rows(0..295).series(), &frame.rows(295..300).series());
            assert_eq!(report.quarantine.iter().collect::<Vec<_>>(), [wrong], "x{factor}: {:?}", report.findings);
        }
    }
    for factor in [10.0, 100.0, 2.0] {
        let mut frame = Frame::bars(300, 100.0);
        frame.scale(294, factor);
        let report = validator.check_new(&frame.rows(0..295).series(), &frame.rows(295..300).series());
        assert!(report.valid, "the last stored row x{factor}: {:?}", report.findings);
    }
}
