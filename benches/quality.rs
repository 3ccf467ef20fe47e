//! Validator: time, rows and bytes a second, beside a plain sweep over the same memory; clean and
//! all-bad series, both policies, one and two threads. Subjects take turns; the figure is the median.

use std::hint::black_box;
use std::time::Instant;

use feedguard::quality::{Bars, FeedProfile, Series};
use feedguard::{DataQualityValidator, QualityConfig};

/// The columns of a series: a random walk with two per cent a day, like the files of the data tests.
#[derive(Clone)]
struct Columns {
    time: Vec<i64>,
    bars: [Vec<f64>; 5],
}

impl Columns {
    fn walk(rows: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let mut normal = move || (0..6).map(|_| random.f64() - 0.5).sum::<f64>() * 1.41;
        let mut price = 100.0;
        let mut bars: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::with_capacity(rows));
        for _ in 0..rows {
            // Pulled back to 100, so that ten million days stay in the range of prices.
            let last: f64 = price;
            let open = last * (1.0 + 0.004 * normal());
            price = last * (1.0 + 0.02 * normal() + 0.01 * (100.0 / last).ln());
            let high = open.max(price) * (1.0 + 0.005 * normal().abs());
            let low = open.min(price) / (1.0 + 0.005 * normal().abs());
            let volume = (1e6 * (0.4 * normal()).exp()).round();
            for (column, value) in bars.iter_mut().zip([open, high, low, price, volume]) {
                column.push(value);
            }
        }
        Self { time: (0..rows as i64).collect(), bars }
    }

    /// The same with every row changed.
    fn spoilt(&self, spoil: impl Fn(usize, &mut [f64; 5])) -> Self {
        let mut spoilt = self.clone();
        for row in 0..self.time.len() {
            let mut values = std::array::from_fn(|column| self.bars[column][row]);
            spoil(row, &mut values);
            for (column, value) in spoilt.bars.iter_mut().zip(values) {
                column[row] = value;
            }
        }
        spoilt
    }

    fn series(&self) -> Series<'_> {
        let [open, high, low, close, volume] = &self.bars;
        Series::new(&self.time, Bars { open, high, low, close, volume }).unwrap()
    }

    /// Every byte once: the least that any check has to read.
    fn sweep(&self) -> f64 {
        let sum = |column: &[f64]| {
            let lanes = column.chunks_exact(8).fold([0.0; 8], |mut lanes, values| {
                lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane += value);
                lanes
            });
            lanes.iter().sum::<f64>()
        };
        self.bars.iter().map(|column| sum(column)).sum::<f64>() + self.time.iter().sum::<i64>() as f64
    }
}

type Subject<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn compare(title: &str, rows: usize, rounds: usize, subjects: &[Subject<'_>]) {
    println!("\n{title}");
    println!("{:<44} {:>9} {:>9} {:>10} {:>7} {:>7}", "", "ms", "best ms", "M rows/s", "GB/s", "ratio");
    let mut times = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (times, (_, run)) in times.iter_mut().zip(subjects) {
            let begun = Instant::now();
            run();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut first = None;
    for (mut times, (name, _)) in times.into_iter().zip(subjects) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        println!(
            "{name:<44} {median:>9.3} {:>9.3} {:>10.1} {:>7.2} {:>7.2}",
            times[0],
            rows as f64 / median / 1e3,
            rows as f64 * 48.0 / median / 1e6,
            median / *first.get_or_insert(median)
        );
    }
}

fn main() {
    let validator = |config: QualityConfig| DataQualityValidator::new("quality", config).unwrap();
    let robust = [1, 2].map(|threads| validator(QualityConfig::default().threads(threads)));
    let told = validator(QualityConfig::default().profile(FeedProfile::us_equity()));
    let literal = [1, 2].map(|threads| validator(QualityConfig::literal().threads(threads)));
    let check = |validator: &DataQualityValidator, columns: &Columns| {
        black_box(validator.validate(&columns.series()));
    };
    for (rows, rounds) in [(100_000, 101), (10_000_000, 9)] {
        let clean = Columns::walk(rows);
        let report = robust[0].validate(&clean.series());
        println!("\n{rows} rows, 48 bytes each; findings in the clean ones: {:?}", report.totals);
        compare(
            &format!("{rows} clean rows"),
            rows,
            rounds,
            &[
                ("plain sweep over the memory", Box::new(|| _ = black_box(clean.sweep()))),
                ("robust, 1 thread", Box::new(|| check(&robust[0], &clean))),
                ("robust, 1 thread, told what it is", Box::new(|| check(&told, &clean))),
                ("robust, 2 threads", Box::new(|| check(&robust[1], &clean))),
                ("literal, 1 thread", Box::new(|| check(&literal[0], &clean))),
                ("literal, 2 threads", Box::new(|| check(&literal[1], &clean))),
            ],
        );
        let bad = [
            ("all rows: high below low", clean.spoilt(|_, row| row.swap(1, 2))),
            ("all rows: close a fifth above", clean.spoilt(|_, row| row[3] = row[1] * 1.2)),
            ("all rows: NaN close", clean.spoilt(|_, row| row[3] = f64::NAN)),
            ("all rows: price and volume below zero", clean.spoilt(|_, row| *row = row.map(|value| -value))),
            (
                "every second row x100",
                clean.spoilt(|at, row| {
                    row[..4].iter_mut().for_each(|price| *price *= if at % 2 == 0 { 100.0 } else { 1.0 })
                }),
            ),
            (
                "every second row x1.5",
                clean.spoilt(|at, row| {
                    row[..4].iter_mut().for_each(|price| *price *= if at % 2 == 0 { 1.5 } else { 1.0 })
                }),
            ),
            ("every second volume x1000", clean.spoilt(|at, row| row[4] *= if at % 2 == 0 { 1000.0 } else { 1.0 })),
            ("all rows equal", clean.spoilt(|_, row| *row = [10.0, 10.5, 9.5, 10.2, 1000.0])),
            (
                "old half x100",
                clean.spoilt(|at, row| {
                    row[..4].iter_mut().for_each(|price| *price *= if at * 2 < rows { 100.0 } else { 1.0 })
                }),
            ),
            (
                "all rows: another fault each",
                clean.spoilt(|at, row| match at * 7 % 8 {
                    0 => row.swap(1, 2),
                    1 => row[3] = f64::NAN,
                    2 => row[2] = -1.0,
                    3 => row[4] = -1.0,
                    4 => row[..4].iter_mut().for_each(|price| *price *= 100.0),
                    5 => row[3] *= 1.2,
                    6 => row[1] *= 10.0,
                    _ => row[4] *= 1000.0,
                }),
            ),
            ("one high tenfold", clean.spoilt(|_, row| row[1] *= 10.0)),
        ];
        let mut subjects: Vec<Subject<'_>> = vec![("clean, robust, 1 thread", Box::new(|| check(&robust[0], &clean)))];
        for (name, columns) in &bad {
            subjects.push((name, Box::new(|| check(&robust[0], columns))));
        }
        compare(&format!("{rows} bad rows, robust, 1 thread"), rows, rounds.min(21), &subjects);
    }
}
