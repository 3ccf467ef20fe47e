//! Markets as unruly as real ones, in which nothing is wrong: what is taken for an error, told and untold.
//! `cargo test --test it quality::alarms -- --nocapture` prints the table.

use feedguard::quality::{Bars, FeedProfile, PriceBasis, QualityReport, Series, TimeUnit};
use feedguard::{DataQualityValidator, QualityConfig};

use crate::quality::markets::{Market, markets};

pub(crate) fn series(market: &Market) -> Series<'_> {
    let Market { open, high, low, close, volume, .. } = market;
    let mut series = Series::new(&market.time, Bars { open, high, low, close, volume }).unwrap();
    series = series.time_unit(TimeUnit::Seconds, 0);
    if let Some(column) = &market.amount {
        series = series.amount(column).unwrap();
    }
    if let Some(column) = &market.adj_close {
        series = series.adj_close(column).unwrap();
    }
    if let Some(column) = &market.dividends {
        series = series.dividends(column).unwrap();
    }
    if let Some(column) = &market.splits {
        series = series.splits(column).unwrap();
    }
    series
}

/// What a host would say of the market.
fn profile(market: &Market) -> FeedProfile {
    let preset = FeedProfile::preset(market.profile).unwrap();
    if market.name.starts_with("us_raw") { preset.prices(PriceBasis::Raw) } else { preset }
}

/// Prices below zero are an error as long as nobody says that there may be any.
const NEEDS_TELLING: [&str; 3] = ["futures_crude_oil", "power_hourly", "power_hourly_auction"];

fn errors(report: &QualityReport) -> usize {
    report.quarantine.len()
}

#[test]
fn markets_raise_no_alarm() {
    let config = |config: QualityConfig| config.max_findings_per_rule(10_000);
    let robust = DataQualityValidator::new("alarms", config(QualityConfig::default())).unwrap();
    let literal = DataQualityValidator::new("alarms", config(QualityConfig::literal())).unwrap();
    println!("{:<28} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "rows", "untold", "told", "warned", "literal");
    let mut sums = [0; 5];
    let sets: Vec<Vec<Market>> =
        [(1, 1500), (7, 3000), (11, 800), (23, 2000), (42, 300)].map(|(seed, rows)| markets(seed, rows)).into();
    for at in 0..sets[0].len() {
        let name = sets[0][at].name;
        let mut row = [0; 5];
        for market in sets.iter().map(|set| &set[at]) {
            let series = series(market);
            let untold = robust.validate(&series);
            let told = robust.validate(&series.profile(profile(market)));
            let warned = told.total - told.passed - errors(&told);
            let old = literal.validate(&series);
            let found = [market.time.len(), errors(&untold), errors(&told), warned, old.total - old.passed];
            row.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
        println!("{name:<28} {:>8} {:>8} {:>8} {:>8} {:>8}", row[0], row[1], row[2], row[3], row[4]);
        if NEEDS_TELLING.contains(&name) {
            row[1] = 0;
        }
        sums.iter_mut().zip(row).for_each(|(sum, row)| *sum += row);
    }
    let share = |found: usize| 10_000.0 * found as f64 / sums[0] as f64;
    println!(
        "of 10,000 rows: untold {:.2}, told {:.2}, warned {:.2}, literal {:.2}",
        share(sums[1]),
        share(sums[2]),
        share(sums[3]),
        share(sums[4])
    );
    assert!(share(sums[1]) <= 0.5 && share(sums[2]) <= 0.5, "{sums:?}");
}
