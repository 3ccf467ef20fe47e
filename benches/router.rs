//! What does a decision among 5 and 100 endpoints cost? `benches/rivals` has the same beside tower.

#[allow(dead_code)] // each bench takes what it needs
mod support;

use feedguard::router::EndpointIndex;
use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
use support::{compare, repeat, subject};

fn main() {
    for count in [5, 100] {
        let endpoints = (0..count).map(|n| EndpointSpec::named(format!("e{n}")).price(f64::from(n))).collect();
        let router = SmartRouter::new("bench", endpoints, RouterConfig::default()).unwrap();
        for n in 0..count as usize {
            for _ in 0..10 {
                router.begin(EndpointIndex(n)).finish(Outcome::Success);
            }
        }
        compare(
            &format!("router, {count} endpoints"),
            &[1, 2],
            &[
                subject("pick + finish", |_, n| repeat(n, |_| router.pick().unwrap().finish(Outcome::Success))),
                subject("pick + drop", |_, n| repeat(n, |_| drop(router.pick().unwrap()))),
                subject("route", |_, n| repeat(n, |_| router.route(&[]))),
            ],
        );
    }
}
