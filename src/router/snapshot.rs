//! A router as data.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::ArmSnapshot;
use super::shadow::ShadowCounts;

/// What a router knows, at one moment.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("paid").price(0.02)], RouterConfig::default())?;
/// router.pick()?.finish(Outcome::Success);
/// assert_eq!(router.snapshot().endpoints.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouterSnapshot {
    /// One entry an endpoint, in the order given.
    pub endpoints: Vec<EndpointSnapshot>,
    /// What the shadow policy would have done, if there is one.
    pub shadow: Option<ShadowCounts>,
    /// What the calls of the router's own policy and of its split brought, if there is a split.
    pub arms: Option<[ArmSnapshot; 2]>,
}

/// What a router knows of one endpoint.
///
/// # Examples
/// ```
/// use feedguard::{EndpointSpec, Outcome, RouterConfig, SmartRouter};
/// let router = SmartRouter::new("quotes", vec![EndpointSpec::named("paid").price(0.02)], RouterConfig::default())?;
/// router.pick()?.finish(Outcome::Success);
/// let seen = &router.snapshot().endpoints[0];
/// assert_eq!((seen.calls, seen.in_flight, seen.cost), (1, 0, 0.02));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// Name.
    pub name: Arc<str>,
    /// Calls on their way.
    pub in_flight: u32,
    /// Calls finished, without ignored ones.
    pub calls: u64,
    /// Calls that succeeded.
    pub successes: u64,
    /// Share of failures to expect of the next call, 0 to 1, from what is remembered of the latest ones.
    pub failure_rate: f64,
    /// Median latency of the last successes.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub p50: Duration,
    /// 95th percentile.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub p95: Duration,
    /// 99th percentile.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub p99: Duration,
    /// Time until it is tried again after failures in a row.
    #[serde(serialize_with = "crate::config::human::serialize")]
    pub ejected_for: Duration,
    /// Price of the successful calls beyond the free quota, each as it was when it was called.
    pub cost: f64,
    /// Free calls left.
    pub free_quota_left: u64,
}
