//! Router: pick and finish among 5 and 100 endpoints.
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

use feedguard::{CallOutcome, EndpointIndex, EndpointSpec, SmartRouter};
use support::{compare, repeat, subject};

fn main() {
    for count in [5, 100] {
        let endpoints = (0..count).map(|n| EndpointSpec::named(format!("e{n}")).price(f64::from(n))).collect();
        let router = SmartRouter::builder().endpoints(endpoints).build().unwrap();
        for n in 0..count as usize {
            router.begin(EndpointIndex(n)).finish(CallOutcome::Success);
        }
        compare(
            &format!("router, {count} endpoints"),
            &[1, 2],
            &[
                subject("route", |_, n| repeat(n, |_| router.route(&[]))),
                subject("route + begin + finish", |_, n| {
                    repeat(n, |_| router.begin(router.route(&[]).best().unwrap()).finish(CallOutcome::Success))
                }),
            ],
        );
    }
}
