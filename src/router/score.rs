//! The scores, pure: facts of an endpoint -> terms.

use std::time::Duration;

use super::category_stats::UNKNOWN_LATENCY;
use super::stats::EndpointStats;
use super::{Availability, EndpointSpec, RouterConfig, RouterPolicy, ScoreTerms};
use crate::clock::Tick;

/// Standard deviations of latency counted on top of the mean.
const TAIL: f64 = 0.83;
/// Latencies that one call more than the endpoint's places costs, shared by the places: the wait of
/// the call itself, and what it makes those behind it wait.
const QUEUE: f64 = 5.0;
/// From this share of the places on, and how much of a latency a full house costs: arrivals come in
/// bunches.
const BUSY: f64 = 0.5;
const BUSY_COST: f64 = 0.18;
/// Seconds a call in flight costs an endpoint with free places: it spreads equals, and no more.
const SPREAD: f64 = 1e-6;

/// What a score is about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) spec: &'a EndpointSpec,
    pub(super) stats: &'a EndpointStats,
    pub(super) category: usize,
    pub(super) availability: Availability,
}

/// Everything in seconds; lower is better.
#[inline]
pub(super) fn adaptive(subject: Subject<'_>, config: &RouterConfig, now: Tick) -> ScoreTerms {
    let unloaded = unloaded(subject, config, now);
    let congestion = congestion(subject);
    ScoreTerms { latency: unloaded.latency + congestion, total: unloaded.total + congestion, ..unloaded }
}

/// The same with nobody under way.
#[inline]
pub(super) fn unloaded(subject: Subject<'_>, config: &RouterConfig, now: Tick) -> ScoreTerms {
    let Subject { spec, stats, category, availability } = subject;
    let known = stats.category(category).map(|of| (of.mean, of.deviation));
    let (mean, deviation) = known.unwrap_or((UNKNOWN_LATENCY, 0.0));
    let latency = mean + TAIL * deviation;
    let failure = weigh(stats.expected_failures(config, now), config.failure_penalty);
    let price = if stats.is_charged(spec.free_quota) { weigh(spec.price, config.price_weight) } else { 0.0 };
    let load = if availability.permit_in.is_zero() { 0.0 } else { availability.permit_in.as_secs_f64() };
    let location = if spec.local { 0.0 } else { remote(latency, config) };
    let quality = weigh(stats.flaws(category, config, now), config.failure_penalty);
    let total = latency + failure + price + load + location + quality;
    ScoreTerms { latency, failure, price, load, location, quality, total }
}

/// So much of something that is worth this time; most are nothing, and need no division.
#[inline]
fn weigh(amount: f64, worth: Duration) -> f64 {
    if amount > 0.0 { amount * worth.as_secs_f64() } else { 0.0 }
}

/// What the calls under way add.
#[inline]
pub(super) fn congestion(subject: Subject<'_>) -> f64 {
    let Subject { spec, stats, category, .. } = subject;
    let mean = stats.category(category).map_or(UNKNOWN_LATENCY, |of| of.mean);
    let (in_flight, places) = (f64::from(stats.load.calls()), f64::from(spec.concurrency));
    let taken = in_flight / places;
    let queued = (taken + 1.0 / places - 1.0).max(0.0);
    mean * (QUEUE * queued + BUSY_COST * (taken - BUSY).max(0.0)) + SPREAD * taken
}

/// The cost of an endpoint that is as good as can be, but where it is and at its price: if even that is
/// above another's, nothing that a probe could show would change the choice.
pub(super) fn at_best(spec: &EndpointSpec, stats: &EndpointStats, latency: f64, config: &RouterConfig) -> f64 {
    let price = if stats.is_charged(spec.free_quota) { weigh(spec.price, config.price_weight) } else { 0.0 };
    latency + price + if spec.local { 0.0 } else { remote(latency, config) }
}

fn remote(latency: f64, config: &RouterConfig) -> f64 {
    config.remote_penalty.as_secs_f64() + config.remote_share * latency
}

/// The literal score: performance (p50 20 %, p95 30 %, p99 30 %, success 20 %) at 40 %, cost 30 %,
/// load 20 %, location 10 %, each with the design's bonus; higher is better.
pub(super) fn seed(subject: Subject<'_>) -> ScoreTerms {
    let Subject { spec, stats, category, .. } = subject;
    let points = |seconds: f64| (100.0 - seconds * 100.0).max(0.0);
    let performance = stats.recent_percentiles(category).map_or(50.0, |[p50, p95, p99]| {
        0.2 * points(p50) + 0.3 * points(p95) + 0.3 * points(p99) + 0.2 * 100.0 * stats.success_rate()
    });
    let cost = if spec.price <= 0.0 {
        1.5
    } else if stats.is_charged(spec.free_quota) {
        1.0
    } else {
        1.2
    };
    let busy = f64::from(stats.load.calls()) >= 0.9 * f64::from(spec.concurrency);
    let load = if busy { 0.7 } else { 1.0 };
    let location = if spec.local { 1.1 } else { 1.0 };
    let total = performance * (0.4 + 0.3 * cost + 0.2 * load + 0.1 * location);
    ScoreTerms { latency: performance, failure: 0.0, price: cost, load, location, quality: 0.0, total }
}

/// The rank of an endpoint under a policy: lower is better.
#[inline]
pub(super) fn rank(policy: RouterPolicy, terms: &ScoreTerms, subject: Subject<'_>) -> f64 {
    let Subject { stats, category, .. } = subject;
    match policy {
        RouterPolicy::Adaptive => terms.total,
        RouterPolicy::SeedScore => -terms.total,
        // An unknown endpoint is tried first.
        RouterPolicy::Fastest => stats.recent_percentiles(category).map_or(0.0, |[p50, ..]| p50),
        RouterPolicy::RoundRobin => stats.turn as f64,
    }
}

/// The terms of an endpoint under a policy.
#[inline]
pub(super) fn terms(policy: RouterPolicy, subject: Subject<'_>, config: &RouterConfig, now: Tick) -> ScoreTerms {
    match policy {
        RouterPolicy::SeedScore => seed(subject),
        _ => adaptive(subject, config, now),
    }
}
