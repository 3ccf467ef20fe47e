//! Outages, absurd samples and what is left of them.

use super::world::{World, around, failing, out_between, share};
use feedguard::{EndpointSpec, RouterConfig};

fn equals() -> Vec<EndpointSpec> {
    vec![EndpointSpec::named("a"), EndpointSpec::named("b")]
}

/// Seconds from `since` until the endpoint has 40 % of the calls of ten seconds.
fn back_after(calls: &[super::world::Called], endpoint: usize, since: f64) -> f64 {
    (0..3000)
        .map(|n| f64::from(n) / 2.0)
        .find(|after| share(calls, endpoint, since + after, since + after + 10.0) >= 0.4)
        .map_or(f64::INFINITY, |after| after + 10.0)
}

#[test]
fn explore() {
    for rate in [20.0, 60.0] {
        for (name, spans) in [
            ("10s", &[(60.0, 70.0)][..]),
            ("60s", &[(60.0, 120.0)][..]),
            ("300s", &[(60.0, 360.0)][..]),
            ("3600s", &[(60.0, 3660.0)][..]),
        ] {
            let end = spans[0].1;
            let mut text = String::new();
            for seed in 0..10 {
                let mut world = World::new(
                    RouterConfig::default(),
                    equals(),
                    vec![out_between(50.0, spans), failing(50.0, 0.0)],
                    seed,
                );
                let calls = world.run(rate, end + 400.0);
                let first = calls.iter().find(|c| c.endpoint == 0 && c.at >= end).map_or(9e9, |c| c.at - end);
                let probes = share(&calls, 0, 65.0, end);
                text += &format!(
                    " [{:.1} {:.1} {:.3} s={:.2}]",
                    first,
                    back_after(&calls, 0, end),
                    probes,
                    share(&calls, 0, end + 30.0, end + 400.0)
                );
            }
            println!("{rate} {name}: {text}");
        }
    }
    let _ = around;
}
