//! A call on its way, and the duty to say how it ended.

use std::sync::Arc;
use std::time::Duration;

use super::booking::Charge;
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

/// Which call it is, and what it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) endpoint: EndpointIndex,
    pub(super) category: usize,
    pub(super) generation: u64,
    pub(super) started: Tick,
    pub(super) charge: Charge,
}

/// What a ticket that is dropped without an outcome says.
fn dropped() -> Outcome {
    if std::thread::panicking() { Outcome::Failure } else { Outcome::Ignored }
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
    begun: Begun,
}

impl<'a> InFlight<'a> {
    #[inline]
    pub(super) fn new(router: &'a SmartRouter, begun: Begun) -> Self {
        Self { router, begun }
    }

    /// Which endpoint to call.
    pub fn endpoint(&self) -> EndpointIndex {
        self.begun.endpoint
    }

    /// Says how the call ended; returns how long it took and what it cost.
    #[inline]
    #[expect(clippy::mem_forget, reason = "the outcome stands in for the drop; nothing here owns anything")]
    pub fn finish(self, outcome: Outcome) -> Settlement {
        let settlement = self.router.settle(self.begun, outcome);
        std::mem::forget(self);
        settlement
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.router.settle(self.begun, dropped());
    }
}

/// As [`InFlight`], for calls whose end another thread tells.
#[must_use = "a ticket that is dropped at once is no load"]
#[derive(Debug)]
pub(crate) struct OwnedInFlight {
    router: Arc<SmartRouter>,
    /// Empty once finished.
    begun: Option<Begun>,
}

impl OwnedInFlight {
    pub(super) fn new(router: Arc<SmartRouter>, begun: Begun) -> Self {
        Self { router, begun: Some(begun) }
    }

    pub(crate) fn finish(mut self, outcome: Outcome) -> Settlement {
        let begun = self.begun.take();
        begun.map_or(Settlement { latency: Duration::ZERO, charged: 0.0 }, |begun| self.router.settle(begun, outcome))
    }
}

impl Drop for OwnedInFlight {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.router.settle(begun, dropped());
        }
    }
}
