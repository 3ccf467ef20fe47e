//! A call on its way, and the duty to say how it ended.

use std::time::Duration;

use super::table::Charge;
use super::{EndpointIndex, SmartRouter};
use crate::clock::Tick;
use crate::outcome::Outcome;

/// What a finished call took and cost.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("paid").price(0.02)], RouterConfig::default())?;
/// let settled = router.pick()?.finish(Outcome::Success);
/// assert_eq!(settled.charged, 0.02);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Settlement {
    /// Time from `begin` to `finish`.
    pub latency: Duration,
    /// Price of the call, zero while the free quota lasts and for calls that gave nothing.
    pub charged: f64,
}

/// A call on its way to an endpoint; counted as load until it is finished or dropped.
///
/// Dropped without an outcome it counts as nothing; dropped while its thread panics, as a failure.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("paid").price(0.02)], RouterConfig::default())?;
/// let ticket = router.pick()?;
/// // ... call `router.endpoints()[ticket.endpoint().0]` ...
/// ticket.finish(Outcome::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a ticket that is dropped at once is no load"]
#[derive(Debug)]
pub struct InFlight<'a> {
    router: &'a SmartRouter,
    endpoint: EndpointIndex,
    generation: u64,
    started: Tick,
    charge: Charge,
}

impl<'a> InFlight<'a> {
    #[inline]
    pub(super) fn new(
        router: &'a SmartRouter,
        endpoint: EndpointIndex,
        generation: u64,
        started: Tick,
        charge: Charge,
    ) -> Self {
        Self { router, endpoint, generation, started, charge }
    }

    /// Which endpoint to call.
    pub fn endpoint(&self) -> EndpointIndex {
        self.endpoint
    }

    /// Says how the call ended; returns how long it took and what it cost.
    #[inline]
    #[expect(clippy::mem_forget, reason = "the outcome stands in for the drop; nothing here owns anything")]
    pub fn finish(self, outcome: Outcome) -> Settlement {
        let settlement = self.settle(outcome);
        std::mem::forget(self);
        settlement
    }

    #[inline]
    fn settle(&self, outcome: Outcome) -> Settlement {
        self.router.settle(self.endpoint, self.generation, self.started, self.charge, outcome)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        self.settle(if failed { Outcome::Failure } else { Outcome::Ignored });
    }
}
