//! Router: pick and finish among 5 and 100 endpoints.

#[allow(dead_code)] // each bench takes what it needs
#[path = "../../support/mod.rs"]
mod support;

use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use feedguard::Outcome;
use feedguard::router::EndpointIndex;
use feedguard::{EndpointSpec, SmartRouter};
use support::{compare, repeat, subject};
use tower::Service;
use tower::load::{CompleteOnResponse, Load, PeakEwma};

/// A call that is answered at once.
#[derive(Clone)]
struct Answer;

impl Service<()> for Answer {
    type Response = ();
    type Error = ();
    type Future = Ready<Result<(), ()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

type Peak = PeakEwma<Answer>;

/// Two at random, the lighter one is called: tower's balancer without its queues.
fn p2c(endpoints: &mut [Peak], rng: &mut fastrand::Rng) {
    let (a, b) = (rng.usize(..endpoints.len()), rng.usize(..endpoints.len()));
    let lighter = if endpoints[a].load() <= endpoints[b].load() { a } else { b };
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(endpoints[lighter].call(())).poll(&mut context).is_ready());
}

fn main() {
    for count in [5, 100] {
        let endpoints = (0..count).map(|n| EndpointSpec::named(format!("e{n}")).price(f64::from(n))).collect();
        let router = SmartRouter::builder("router").endpoints(endpoints).build().unwrap();
        for n in 0..count as usize {
            for _ in 0..10 {
                router.begin(EndpointIndex(n)).finish(Outcome::Success);
            }
        }
        let peaks = || -> Vec<Peak> {
            let peak = |_| PeakEwma::new(Answer, Duration::from_millis(50), 1e10, CompleteOnResponse::default());
            (0..count).map(peak).collect()
        };
        compare(
            &format!("router, {count} endpoints"),
            &[1, 2],
            &[
                subject("feedguard pick + finish", |_, n| {
                    repeat(n, |_| router.pick().unwrap().finish(Outcome::Success))
                }),
                subject("feedguard pick + drop", |_, n| repeat(n, |_| drop(router.pick().unwrap()))),
                subject("tower PeakEwma, P2C, a list a thread", |thread, n| {
                    let (mut list, mut rng) = (peaks(), fastrand::Rng::with_seed(thread as u64));
                    for _ in 0..n {
                        p2c(&mut list, &mut rng);
                    }
                }),
                subject("tower PeakEwma, P2C, a shared list", {
                    let shared = std::sync::Mutex::new(peaks());
                    move |thread, n| {
                        let mut rng = fastrand::Rng::with_seed(thread as u64);
                        for _ in 0..n {
                            p2c(&mut shared.lock().unwrap(), &mut rng);
                        }
                    }
                }),
                subject("feedguard explain (route)", |_, n| repeat(n, |_| router.route(&[]))),
            ],
        );
    }
}
