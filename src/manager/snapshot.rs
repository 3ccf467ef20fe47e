//! Health as data.

use crate::breaker::BreakerSnapshot;
use crate::cache::CacheSnapshot;
use crate::limiter::LimiterSnapshot;
use crate::pool::PoolSnapshot;
use crate::router::EndpointSnapshot;

use super::hedge::HedgeSnapshot;
use super::source::Category;

/// Health of an endpoint and its guards.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndpointHealth {
    /// What the router has seen of it.
    pub router: EndpointSnapshot,
    /// Its breaker.
    pub breaker: BreakerSnapshot,
    /// Its limiter.
    pub limiter: LimiterSnapshot,
}

/// Health of a manager at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ManagerSnapshot {
    /// The endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointHealth>,
    /// The caches by category.
    pub caches: Vec<(Category, CacheSnapshot)>,
    /// Threads of the batch processor.
    pub batch: PoolSnapshot,
    /// Calls made twice.
    pub hedges: HedgeSnapshot,
}
