//! The state machine against its table, without lock or clock.

use std::time::Duration;

use super::state::{Core, Verdict};
use super::{BreakerConfig, BreakerState, Settled};
use crate::clock::Tick;

const NOW: Tick = Tick(1_000_000_000_000);

fn opened(config: &BreakerConfig) -> Core {
    let mut core = Core::new();
    for _ in 0..config.failure_threshold {
        let grant = core.admit(config, NOW).0.unwrap();
        core.settle(config, grant, Verdict::Failure, NOW);
    }
    assert_eq!(core.state, BreakerState::Open);
    core
}

#[test]
fn a_success_between_failures_keeps_it_closed() {
    let config = BreakerConfig::default();
    let mut core = Core::new();
    for i in 0..100 {
        let grant = core.admit(&config, NOW).0.unwrap();
        let verdict = if i % 5 == 4 { Verdict::Success } else { Verdict::Failure };
        core.settle(&config, grant, verdict, NOW);
    }
    assert_eq!((core.state, core.failures), (BreakerState::Closed, 0));
}

#[test]
fn results_of_an_older_generation_change_nothing() {
    let config = BreakerConfig::free();
    let mut core = Core::new();
    let late = core.admit(&config, NOW).0.unwrap();
    for _ in 0..3 {
        let grant = core.admit(&config, NOW).0.unwrap();
        core.settle(&config, grant, Verdict::Failure, NOW);
    }
    assert_eq!(core.settle(&config, late, Verdict::Success, NOW), (Settled::Stale, None));
    assert_eq!((core.state, core.stale), (BreakerState::Open, 1));
}

#[test]
fn a_hung_probe_frees_its_place_after_the_lease_and_is_stale_then() {
    let config = BreakerConfig::default().half_open_permits(1);
    let mut core = opened(&config);
    let later = NOW.after(config.open_for);
    let hung = core.admit(&config, later).0.unwrap();
    let refused = core.admit(&config, later).0.unwrap_err();
    assert_eq!(refused.retry_after, config.lease());
    let after_lease = later.after(config.lease());
    let probe = core.admit(&config, after_lease).0.unwrap();
    assert_eq!(core.settle(&config, hung, Verdict::Failure, after_lease), (Settled::Stale, None));
    assert_eq!(core.settle(&config, probe, Verdict::Success, after_lease).0, Settled::Recorded);
    assert_eq!(core.state, BreakerState::Closed);
}

#[test]
fn forced_open_never_expires() {
    let config = BreakerConfig::default();
    let mut core = Core::new();
    core.force_open();
    let far = NOW.after(Duration::from_secs(400 * 365 * 24 * 3600));
    assert!(core.admit(&config, far).0.is_err());
    core.reset();
    assert!(core.admit(&config, far).0.is_ok());
}
