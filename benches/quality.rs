//! Validator: rows a second, beside a plain sweep over the same memory.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::mem_forget,
    clippy::print_stdout,
    clippy::allow_attributes_without_reason,
    let_underscore_drop,
    reason = "a bench measures, it is no interface"
)]

#[allow(dead_code, unreachable_pub, reason = "each bench takes what it needs")]
mod support;

use feedguard::{Bars, DataQualityValidator, QualityConfig, Series};
use support::{compare, subject};

fn main() {
    let rows = 100_000;
    let days: Vec<i64> = (0..rows).collect();
    let close: Vec<f64> = (0..rows).map(|n| 100.0 + (n as f64 * 0.01).sin()).collect();
    let high: Vec<f64> = close.iter().map(|price| price + 0.5).collect();
    let low: Vec<f64> = close.iter().map(|price| price - 0.5).collect();
    let volume: Vec<f64> = (0..rows).map(|n| 1000.0 + f64::from(n as i32 % 100)).collect();
    let bars = Bars { open: &close, high: &high, low: &low, close: &close, volume: &volume };
    let series = Series::new(&days, bars).unwrap();
    let validator = DataQualityValidator::new(QualityConfig::default()).unwrap();
    compare(
        "100 000 clean rows",
        &[1, 2],
        &[
            subject("validate", |_, n| support::repeat(n, |_| validator.validate(&series))),
            subject("sum of the columns", |_, n| {
                support::repeat(n, |_| [&close, &high, &low, &volume].map(|column| column.iter().sum::<f64>()))
            }),
        ],
    );
}
