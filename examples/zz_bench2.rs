use feedguard::router::EndpointIndex;
use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
fn main() {
    let count = 5;
    let endpoints = (0..count).map(|n| EndpointSpec::named(format!("e{n}")).price(f64::from(n))).collect();
    let router = SmartRouter::new("bench", endpoints, RouterConfig::default()).unwrap();
    for n in 0..count as usize {
        for _ in 0..10 {
            router.begin(EndpointIndex(n)).finish(Outcome::Success);
        }
    }
    for _ in 0..5 {
        let t = std::time::Instant::now();
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..3_000_000u64 {
                        router.pick().unwrap().finish(Outcome::Success);
                    }
                });
            }
        });
        println!("{} ns", t.elapsed().as_nanos() as f64 / 3e6);
    }
}
