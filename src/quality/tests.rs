//! What cannot be seen from outside: sets of rows, masks against single rows, shares of a sweep.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::report_builder::{Detail, Levels, ReportBuilder};
use super::robust::{Marks, Robust};
use super::{Bars, QualityConfig, RowSet, Rule, Series};

/// Rows around the borders of words and pages, and some elsewhere.
fn row() -> impl Strategy<Value = usize> {
    prop_oneof![0..200_usize, 65_400..65_700_usize, 131_000..131_200_usize]
}

proptest! {
    #[test]
    fn a_set_of_rows_is_a_set(
        rows in prop::collection::vec(row(), 0..60),
        runs in prop::collection::vec((row(), 0..150_usize), 0..4),
        other in prop::collection::vec(row(), 0..20),
    ) {
        let mut set: RowSet = rows.iter().copied().collect();
        let mut model: BTreeSet<usize> = rows.into_iter().collect();
        for (first, length) in runs {
            set.insert_range(first..first + length);
            model.extend(first..first + length);
        }
        set.merge(&other.iter().copied().collect());
        model.extend(other);
        let in_order: Vec<usize> = model.iter().copied().collect();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), in_order.clone());
        prop_assert_eq!(set.iter_back().collect::<Vec<_>>(), in_order.into_iter().rev().collect::<Vec<_>>());
        prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        prop_assert!((0..300).all(|row| set.contains(row) == model.contains(&row)));
        prop_assert_eq!(set.count_in(0..128), model.range(0..128).count());
        let from_ranges: BTreeSet<usize> = set.ranges().flat_map(|(first, last)| first..=last).collect();
        prop_assert_eq!(&from_ranges, &model);
        let ranges: Vec<_> = set.ranges().collect();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", ranges);
        set.retain(|row| row % 3 != 0);
        model.retain(|row| row % 3 != 0);
        prop_assert!(set.iter().eq(model.iter().copied()));
    }

    #[test]
    fn masks_go_to_their_rows(at in (0..3000_usize).prop_map(|word| word * 32), mask: u32) {
        let mut set = RowSet::default();
        set.insert_mask(at, mask);
        prop_assert!(set.iter().eq((0..32).filter(|bit| mask & (1 << bit) != 0).map(|bit| at + bit)));
    }

    #[test]
    fn a_strip_is_judged_as_its_rows_are_one_by_one(cells in prop::collection::vec(cell(), 70 * 5)) {
        let columns: Vec<Vec<f64>> = (0..5).map(|at| cells.iter().skip(at).step_by(5).copied().collect()).collect();
        let time: Vec<i64> = (0..70).collect();
        let bars =
            Bars { open: &columns[0], high: &columns[1], low: &columns[2], close: &columns[3], volume: &columns[4] };
        let series = Series::new(&time, bars).unwrap();
        let config = QualityConfig::default();
        let whole = Robust::new(&series, &config).sweep(0..70).unwrap();
        let mut single = Marks::default();
        for row in 0..70 {
            single.look(&series, &config.robust, row);
        }
        prop_assert_eq!(format!("{:?}", rows(&whole)), format!("{:?}", rows(&single)));
    }

    #[test]
    fn the_first_and_the_last_are_kept_and_all_are_counted(
        hits in prop::collection::btree_set(0..500_usize, 0..60), keep in 0..20_usize, at_once: bool,
    ) {
        // Neighbours would be one finding.
        let hits: BTreeSet<usize> = hits.into_iter().map(|row| 2 * row).collect();
        let levels = Levels::new(&QualityConfig::default(), []);
        let mut report = ReportBuilder::new(&levels, keep);
        let detail = |row: usize| Detail::new(row as f64, 0.0);
        if at_once {
            report.hit_each(Rule::Spike, &hits.iter().copied().collect(), detail);
        } else {
            for row in &hits {
                report.hit(Rule::Spike, *row, *row as f64, 0.0);
            }
        }
        let (price, time) = (vec![1.0; 1000], (0..1000).collect::<Vec<i64>>());
        let bars = Bars { open: &price, high: &price, low: &price, close: &price, volume: &price };
        let report = report.finish(&Series::new(&time, bars).unwrap(), None);
        let rows: Vec<usize> = hits.iter().copied().collect();
        let expected: Vec<usize> = if rows.len() <= 2 * keep {
            rows.clone()
        } else {
            rows[..keep].iter().chain(&rows[rows.len() - keep..]).copied().collect()
        };
        prop_assert_eq!(report.rows_of(Rule::Spike), rows.len());
        prop_assert_eq!(report.findings.iter().map(|finding| finding.row).collect::<Vec<_>>(), expected);
        prop_assert!(report.findings.iter().all(|finding| finding.value.total_cmp(&(finding.row as f64)).is_eq()));
        prop_assert_eq!(report.quarantine.iter().collect::<Vec<_>>(), rows);
    }
}

/// A price or volume: mostly near 10, at times anything.
fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 9.0..11.0,
        2 => Just(10.0),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-0.0), Just(-10.0),
            Just(1e308), Just(-1e308), Just(f64::MIN_POSITIVE), Just(5e-324), Just(1000.0), Just(0.1), Just(10.01),
        ],
    ]
}

fn rows(marks: &Marks) -> Vec<Vec<usize>> {
    marks.sets().map(|set| set.iter().collect()).collect()
}

#[test]
fn shares_of_a_sweep_add_up_to_the_whole() {
    let rows_of = 70_000;
    let mut random = fastrand::Rng::with_seed(3);
    let mut column = |center: f64| -> Vec<f64> {
        (0..rows_of).map(|_| if random.u8(..) < 3 { f64::NAN } else { center * (0.99 + 0.02 * random.f64()) }).collect()
    };
    let (open, high, low, close, volume) = (column(10.0), column(10.2), column(9.8), column(10.0), column(1e4));
    let time: Vec<i64> = (0..rows_of).collect();
    let bars = Bars { open: &open, high: &high, low: &low, close: &close, volume: &volume };
    let series = Series::new(&time, bars).unwrap();
    let config = QualityConfig::default();
    let robust = Robust::new(&series, &config);
    let whole = robust.sweep(0..70_000).unwrap();
    for share in [32, 1024, 1056, 65_536] {
        let mut parts = Marks::default();
        for first in (0..70_000).step_by(share) {
            parts.merge(&robust.sweep(first..(first + share).min(70_000)).unwrap());
        }
        assert_eq!(rows(&whole), rows(&parts), "{share}");
    }
}
