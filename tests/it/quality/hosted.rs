//! The validator as a host meets it: inside the manager, on a registry, with threads.

use feedguard::manager::Call;
use feedguard::quality::{Bars, Column, Rule, RuleLevel, Series, Severity, TimeUnit, TradingCalendar};
use feedguard::{
    DataQualityValidator, DataSourceManager, EndpointConfig, EndpointSpec, FetchErrorKind, ManagerConfig,
    QualityConfig, Source,
};

use crate::quality::frame::Frame;
use crate::support::{eventually, threads_named};

/// Answers with closes: endpoint `crooked` with one below zero.
struct Feed;

impl Source for Feed {
    type Request = u32;
    type Response = Vec<f64>;
    type Error = std::io::Error;

    fn call(&self, call: &Call<'_>, _: &u32) -> Result<Vec<f64>, std::io::Error> {
        Ok(if &*call.endpoint().name == "crooked" { vec![10.0, -1.0, 10.0] } else { vec![10.0, 10.1, 10.2] })
    }

    fn series<'a>(&'a self, _: &'a u32, response: &'a Vec<f64>) -> Option<Series<'a>> {
        let bars = Bars { open: response, high: response, low: response, close: response, volume: &[1.0; 3] };
        Series::new(&[1, 2, 3], bars).ok()
    }
}

fn manager(endpoints: &[&str], quality: QualityConfig) -> feedguard::manager::ManagerBuilder<Feed> {
    let endpoints = endpoints.iter().map(|name| EndpointConfig::new(EndpointSpec::named(*name))).collect();
    DataSourceManager::builder(Feed).config(ManagerConfig::default().endpoints(endpoints).quality(quality))
}

#[test]
fn bad_data_is_answered_by_another_endpoint() {
    let both = manager(&["crooked", "straight"], QualityConfig::default()).build().unwrap();
    for request in 0..20 {
        assert_eq!(&**both.fetch(&request).unwrap().endpoint(), "straight");
    }
    let alone = manager(&["crooked"], QualityConfig::default()).build().unwrap();
    let error = alone.fetch(&1).unwrap_err();
    let FetchErrorKind::BadData { endpoint, report, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((&**endpoint, report.rows_of(Rule::NonPositivePrice)), ("crooked", 1));
    let tolerant = QualityConfig::default().level(Rule::NonPositivePrice, RuleLevel::Warning);
    assert_eq!(manager(&["crooked"], tolerant).build().unwrap().fetch(&1).unwrap().len(), 3);
}

#[test]
fn a_rule_of_the_host_judges_answers_and_its_names_are_checked() {
    let no_tens = |series: &Series<'_>, found: &mut feedguard::quality::CustomFindings| {
        for (row, close) in series.bars().close.iter().enumerate().filter(|(_, close)| **close < 10.15) {
            found.report(row, *close, 10.15);
        }
    };
    let build = |name: &'static str, quality| {
        manager(&["straight"], quality).quality_rule(name, Severity::Error, no_tens).build()
    };
    let error = build("no_tens", QualityConfig::default()).unwrap().fetch(&1).unwrap_err();
    let FetchErrorKind::BadData { report, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(report.rows_of(Rule::Custom("no_tens")), 2);
    let off = QualityConfig::default().level(Rule::Custom("no_tens"), RuleLevel::Off);
    assert!(build("no_tens", off.clone()).unwrap().fetch(&1).is_ok());
    let error = build("another_name", off).unwrap_err();
    assert_eq!(error.faults()[0].path, "quality.levels.no_tens");
}

#[test]
fn threads_start_with_the_first_long_series_and_end_with_the_validator() {
    let validator = DataQualityValidator::new("quality", QualityConfig::default().threads(2)).unwrap();
    assert!(validator.validate(&Frame::calm(1000).series()).valid);
    let frame = Frame::calm(200_000);
    assert!(validator.validate(&frame.series()).valid);
    drop(validator);
    eventually("the threads end", || threads_named("feedguard-quali") == 0);
}

#[cfg(feature = "prometheus")]
#[test]
fn findings_and_scores_are_on_the_hosts_registry() {
    let registry = prometheus::Registry::new();
    let metrics = feedguard::Metrics::register(&registry).unwrap();
    let validator = DataQualityValidator::builder("daily")
        .metrics(&metrics)
        .rule("mine", Severity::Warning, |_, found| found.report(0, 1.0, 2.0))
        .build()
        .unwrap();
    let mut frame = Frame::calm(50);
    frame.scale(20, 100.0);
    frame.close[30] = f64::NAN;
    validator.validate(&frame.series());
    validator.validate(&frame.series());
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        r#"datasource_quality_findings_total{rule="unit_error",severity="error"} 2"#,
        r#"datasource_quality_findings_total{rule="mine",severity="warning"} 2"#,
        r#"datasource_data_quality{check_type="completeness",endpoint="daily",source="daily"} 98"#,
        r#"datasource_data_quality{check_type="valid",endpoint="daily",source="daily"} 0"#,
        r#"datasource_data_quality{check_type="score",endpoint="daily",source="daily"} 95.5"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn a_series_tells_its_columns_and_dates_where_clocks_change() {
    let calendar = TradingCalendar::weekdays("2024-03-01".parse().unwrap(), "2024-03-29".parse().unwrap(), []);
    let zone = chrono_tz::America::New_York;
    // Midnights of New York, across the change of clocks on the 10th.
    let midnight =
        |day: &chrono::NaiveDate| day.and_hms_opt(0, 0, 0).unwrap().and_local_timezone(zone).unwrap().timestamp();
    let mut frame = Frame::calm(calendar.days().len());
    frame.time = calendar.days().iter().map(midnight).collect();
    let series = frame.series().time_zone(TimeUnit::Seconds, zone).calendar(&calendar);
    assert!((0..series.len()).all(|row| series.date(row) == Some(calendar.days()[row])));
    assert_eq!((series.date(1000), frame.series().date(0)), (None, None));
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    assert_eq!(validator.validate(&series).issues, 0);
    let fixed = frame.series().time_unit(TimeUnit::Seconds, -5 * 3600).calendar(&calendar);
    assert!(
        validator.validate(&fixed).rows_of(Rule::Gap) > 0,
        "a fixed offset takes summer's midnights for the day before"
    );
    let series = series.amount(&frame.volume).unwrap();
    assert_eq!((series.column(Column::Amount), series.column(Column::AdjClose)), (Some(&*frame.volume), None));
}

#[test]
fn factors_say_what_they_mend() {
    let mut frame = Frame::calm(60);
    frame.scale(20, 100.0);
    frame.close[30] /= 100.0;
    frame.volume[40] *= 1000.0;
    let report = frame.report(QualityConfig::default());
    let of = |rule: Rule, row: usize| {
        report.findings.iter().find(|finding| finding.rule == rule && finding.row == row).unwrap().factor
    };
    assert!((of(Rule::UnitError, 20).unwrap() - 0.01).abs() < 1e-12);
    assert_eq!(of(Rule::UnitError, 30), None, "of a row in two units no factor mends all prices");
    assert!((of(Rule::MixedUnits, 30).unwrap() - 100.0).abs() < 1e-9);
    assert_eq!((Rule::VolumeUnit.mends(), of(Rule::VolumeUnit, 40)), (&[Column::Volume][..], Some(0.001)));
    assert_eq!(Rule::UnitError.mends().len(), 4);
    assert_eq!(report.to_string(), "3 of 60 rows failed, score 95.0: mixed_units 1, unit_error 2, volume_unit 1");
}

#[test]
fn a_tick_of_the_instrument_is_a_tolerance() {
    let mut frame = Frame::calm(60);
    frame.close[7] = frame.high[7] + 0.5;
    let validator = DataQualityValidator::new("quality", QualityConfig::default()).unwrap();
    assert_eq!(validator.validate(&frame.series()).issues, 1);
    assert_eq!(validator.validate(&frame.series().tick(0.5)).issues, 0);
}
