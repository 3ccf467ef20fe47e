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

#[test]
fn explore2() {
    use super::world::Source;
    use std::time::Duration;
    let ep = |n: &str, p: f64| EndpointSpec::named(n).price(p);
    let slow_until = |t: f64, before: f64, after: f64| -> Source {
        Box::new(move |at, rng| (around(if at < t { before } else { after }, 0.3, rng), true))
    };
    for seed in 0..4 {
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("free", 0.0), ep("paid", 10.0)],
            vec![failing(300.0, 0.0), failing(50.0, 0.0)],
            seed,
        );
        let calls = w.run(1.0, 86400.0);
        println!("1 free+paid10: paid share {:.4}", share(&calls, 1, 0.0, 1e9));
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("free", 0.0), ep("paid", 0.5)],
            vec![failing(60.0, 0.0), failing(50.0, 0.0)],
            seed,
        );
        let calls = w.run(1.0, 86400.0);
        println!(
            "1 free60+paid.5@50: paid share {:.4} cost {}",
            share(&calls, 1, 0.0, 1e9),
            w.router.snapshot().endpoints[1].cost
        );
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("a", 0.0), ep("b", 0.0)],
            vec![failing(300.0, 0.0), slow_until(3000.0, 600.0, 50.0)],
            seed,
        );
        let calls = w.run(1.0 / 60.0, 12.0 * 3600.0);
        let mut text = String::new();
        for h in 0..12 {
            text += &format!("{:.2} ", share(&calls, 1, h as f64 * 3600.0, (h + 1) as f64 * 3600.0));
        }
        println!("2 sparse: b by hour {text}");
        for rate in [1.0, 20.0] {
            let mut w = World::new(
                RouterConfig::default(),
                vec![ep("a", 0.0), ep("b", 0.0)],
                vec![failing(5.0, 1.0), failing(50.0, 0.3)],
                seed,
            );
            let calls = w.run(rate, 1200.0);
            println!("3 100% vs 30%: b share {:.3} at {rate}", share(&calls, 1, 60.0, 1e9));
            let mut w = World::new(
                RouterConfig::default(),
                vec![ep("a", 0.0), ep("b", 0.0)],
                vec![failing(50.0, 1.0), failing(50.0, 0.9)],
                seed,
            );
            let calls = w.run(rate, 1200.0);
            println!("3 100% vs 90%: b share {:.3} at {rate}", share(&calls, 1, 60.0, 1e9));
        }
        for first in [true, false] {
            for rate in [1.0, 20.0] {
                let absurd: Source = Box::new(move |at, rng| {
                    (
                        if (at - if first { 0.0 } else { 300.0 }).abs() < 0.4 / rate {
                            Duration::from_secs(20)
                        } else {
                            around(50.0, 0.3, rng)
                        },
                        true,
                    )
                });
                let mut w = World::new(
                    RouterConfig::default(),
                    vec![ep("a", 0.0), ep("b", 0.0)],
                    vec![absurd, failing(50.0, 0.0)],
                    seed,
                );
                let calls = w.run(rate, 1200.0);
                let end = if first { 20.0 } else { 320.0 };
                println!(
                    "4 absurd first={first} rate {rate}: back after {} s={:.2}",
                    back_after(&calls, 0, end),
                    share(&calls, 0, end, 1200.0)
                );
            }
        }
        let flap = |phase: f64| -> Source {
            Box::new(move |at, rng| {
                if ((at + phase) / 20.0).fract() < 0.5 {
                    (around(50.0, 0.3, rng), true)
                } else {
                    (Duration::from_millis(5), false)
                }
            })
        };
        let flapping = flap(0.0);
        let mut w =
            World::new(RouterConfig::default(), vec![ep("a", 0.0), ep("b", 0.0)], vec![flapping, flap(10.0)], seed);
        let calls = w.run(20.0, 1200.0);
        println!("6 flapping pair: ok {:.3}", calls.iter().filter(|c| c.ok).count() as f64 / calls.len() as f64);
        let flapping = flap(0.0);
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("a", 0.0), ep("b", 0.0)],
            vec![flapping, failing(60.0, 0.0)],
            seed,
        );
        let calls = w.run(20.0, 1200.0);
        println!(
            "6 flapping beside steady 60: ok {:.4} a {:.3}",
            calls.iter().filter(|c| c.ok).count() as f64 / calls.len() as f64,
            share(&calls, 0, 0.0, 1e9)
        );
        for rate in [1.0 / 60.0, 1.0, 20.0] {
            let mut eps = vec![ep("good", 0.0)];
            let mut src = vec![failing(50.0, 0.0)];
            for n in 0..10 {
                eps.push(ep(&format!("bad{n}"), 0.0));
                src.push(if n % 2 == 0 { failing(400.0, 0.0) } else { failing(5.0, 1.0) });
            }
            let mut w = World::new(RouterConfig::default(), eps, src, seed);
            let calls = w.run(rate, (3000.0 / rate).max(3600.0));
            println!("7 ten bad: good share {:.4} at {rate}", share(&calls, 0, 0.0, 1e9));
        }
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("paid", 0.5), ep("free", 0.0)],
            vec![out_between(50.0, &[(3600.0, 7200.0)]), failing(400.0, 0.0)],
            seed,
        );
        let calls = w.run(1.0, 10800.0);
        println!(
            "8 paid back: {:.3} {:.3} {:.3} after 7200: {}",
            share(&calls, 0, 0.0, 3600.0),
            share(&calls, 0, 3600.0, 7200.0),
            share(&calls, 0, 7200.0, 10800.0),
            back_after(&calls, 0, 7200.0)
        );
        let mut w = World::new(
            RouterConfig::default(),
            vec![ep("cheap", 0.1), ep("dear", 0.3)],
            vec![failing(60.0, 0.0), failing(55.0, 0.0)],
            seed,
        );
        let calls = w.run(1.0, 3600.0);
        let s = w.router.snapshot();
        println!(
            "9 cheap+dear: dear calls {:.4} spend {:.4}",
            share(&calls, 1, 0.0, 1e9),
            s.endpoints[1].cost / (s.endpoints[0].cost + s.endpoints[1].cost)
        );
    }
}
