//! Faults that a review found, each by the promise it broke.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use feedguard::breaker::RateWindow;
use feedguard::manager::Call;
use feedguard::{
    BreakerConfig, Clock, DataSourceManager, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, Source,
    Verdict,
};

use crate::support::drive;

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

struct Src;
impl Source for Src {
    type Request = String;
    type Response = u32;
    type Error = std::io::Error;
    fn call(&self, _: &Call<'_>, _: &String) -> Result<u32, std::io::Error> {
        Ok(1)
    }
    fn judge(&self, _: &String, _: Result<&u32, &std::io::Error>) -> Verdict {
        Verdict::Good
    }
}
#[test]
fn the_wait_for_the_limiter_is_no_slowness_of_the_source() {
    let (clock, time) = Clock::manual();
    let w = RateWindow::default().slow_call_after(Some(MS(200))).minimum_calls(5);
    let e = EndpointConfig::new(EndpointSpec::named("a"))
        .breaker(BreakerConfig::default().window(Some(w)))
        .limiter(LimiterConfig::fixed(1.0));
    let m = DataSourceManager::builder(Src)
        .config(ManagerConfig::default().permit_timeout(S(5)).endpoints(vec![e]))
        .clock(clock)
        .build()
        .unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| drive(&time, MS(50), 4000, || done.load(Ordering::Relaxed)));
        for i in 0..20 {
            let r = m.fetch(&format!("k{i}"));
            if r.is_err() {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let snap = m.health().endpoints[0].breaker.clone();
    assert_eq!(snap.times_opened, 0, "the source answers at once");
}
