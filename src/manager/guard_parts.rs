//! Makes the guards of endpoints, at the build and at a reload.

use std::sync::Arc;

use super::ManagerConfig;
use super::caller::Plan;
use super::endpoint_config::{EndpointConfig, QuotaGroupConfig};
use super::guarded::{Guarded, Memory};
use super::metrics::CallMetrics;
use crate::breaker::{BreakerEvent, CircuitBreaker};
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::limiter::{AdaptiveRateLimiter, CalendarQuota, LimiterEvent};
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::router::EndpointState;
use crate::sync::atomic::Ordering;

/// What guards are made with, at the build and at a reload.
pub(super) struct GuardParts {
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) categories: Arc<[Arc<str>]>,
    pub(super) on_breaker: Listeners<BreakerEvent>,
    pub(super) on_limiter: Listeners<LimiterEvent>,
}

impl GuardParts {
    /// The endpoints of a configuration; those that keep their name keep their guards.
    pub(super) fn plan(&self, config: &ManagerConfig, old: Option<&Plan>) -> Result<Plan, ConfigError> {
        let group = |group: &QuotaGroupConfig| {
            let kept = old.filter(|old| old.config.quota_groups.contains(group));
            let kept = kept.and_then(|old| old.quota_group(&group.name));
            if let Some(kept) = kept {
                return Ok(Arc::clone(kept));
            }
            let quota = CalendarQuota::new(group.name.as_str(), group.windows.clone(), self.clock.clone())?;
            // Other windows, the same account: what is used up stays so.
            if let Some(old) = old.and_then(|old| old.quota_group(&group.name)) {
                quota.restore(&old.save());
            }
            Ok(Arc::new(quota))
        };
        let quota_groups: Vec<Arc<CalendarQuota>> = config.quota_groups.iter().map(group).collect::<Result<_, _>>()?;
        let endpoints = config.endpoints.iter().map(|endpoint| {
            let old = old.and_then(|old| old.endpoint(&endpoint.spec.name));
            self.guarded(endpoint, &quota_groups, old).map(Arc::new)
        });
        Ok(Plan { endpoints: endpoints.collect::<Result<_, _>>()?, config: config.clone(), quota_groups })
    }

    fn guarded(
        &self,
        config: &EndpointConfig,
        groups: &[Arc<CalendarQuota>],
        old: Option<&Arc<Guarded>>,
    ) -> Result<Guarded, ConfigError> {
        let name = &config.spec.name;
        let metrics = self.metrics.of_vendor(config.spec.vendor());
        // Labels are resolved once: of another vendor they are others.
        let same = old.filter(|old| old.config.spec.vendor() == config.spec.vendor());
        let group = groups.iter().find(|group| config.quota_group.as_deref() == Some(group.name().as_str()));
        let breaker = if let Some(old) = same.filter(|old| old.config.breaker == config.breaker) {
            Arc::clone(&old.breaker)
        } else {
            let breaker = CircuitBreaker::builder(Arc::clone(name)).config(config.breaker.clone());
            let listeners = self.on_breaker.clone();
            let breaker = breaker.clock(self.clock.clone()).metrics(&metrics).listeners(listeners).build()?;
            // Other settings, the same source: what is open stays open.
            if let Some(old) = old {
                breaker.take_over(&old.breaker);
            }
            Arc::new(breaker)
        };
        let is_same_limiter = |old: &&Arc<Guarded>| {
            let shares = old.limiter.quotas().iter().any(|quota| group.is_some_and(|group| Arc::ptr_eq(quota, group)));
            old.config.limiter == config.limiter
                && old.config.quota_group == config.quota_group
                && shares == group.is_some()
        };
        let limiter = if let Some(old) = same.filter(is_same_limiter) {
            Arc::clone(&old.limiter)
        } else {
            let limiter = AdaptiveRateLimiter::builder(Arc::clone(name)).config(config.limiter.clone());
            let limiter = match group {
                Some(group) => limiter.quota(Arc::clone(group)),
                None => limiter,
            };
            let listeners = self.on_limiter.clone();
            let limiter = limiter.clock(self.clock.clone()).metrics(&metrics).listeners(listeners);
            let limiter = limiter.build()?;
            if let Some(old) = old {
                limiter.take_over(&old.limiter);
            }
            Arc::new(limiter)
        };
        let memory = old.map_or_else(|| Arc::new(Memory::default()), |old| Arc::clone(&old.memory));
        if old.is_none_or(|old| old.config.spec.state != config.spec.state) {
            memory.is_drained.store(config.spec.state == EndpointState::Drained, Ordering::Release);
        }
        let is_same_metrics = |old: &&Arc<Guarded>| old.config.spec.currency == config.spec.currency;
        let metrics = same.filter(is_same_metrics).map_or_else(
            || Arc::new(CallMetrics::new(&self.metrics, config, &self.categories)),
            |old| Arc::clone(&old.metrics),
        );
        Ok(Guarded { config: config.clone(), breaker, limiter, metrics, memory })
    }
}
