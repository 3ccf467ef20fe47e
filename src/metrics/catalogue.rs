//! Every family: its name, its help, its labels, its kind. `docs/METRICS.md`, the dashboard and the rules of
//! `examples/monitoring` are compared with this table by tests. Renaming one is a breaking change.
//!
//! A label `endpoint` brings `source`, the vendor, with it, so that all families about endpoints join.

/// Hands the whole table to another macro:
/// `name on the page, help: resolver(labels) -> kind and what belongs to it;`
macro_rules! catalogue {
    ($then:ident) => {
        $then! {
            // ===== calls =====
            "datasource_api_latency_seconds", "Latency of source calls in seconds":
                api_latency(endpoint, category, status) -> Histogram LATENCY;
            "datasource_api_calls_total", "Source calls by outcome":
                api_calls(endpoint, category, status) -> Counter;
            "datasource_attempts_total", "Turns of endpoints in fetches, those included in which they were not called":
                attempts(endpoint, outcome) -> Counter;
            "datasource_api_cost_estimated", "Estimated cost of source calls since start":
                cost(endpoint) -> Gauge Sum;
            "datasource_api_cost_total", "Cost of source calls":
                cost_total(currency) -> Amount;
            "datasource_fetches_total", "Fetches by result":
                fetches(manager, category, result) -> Counter;
            "datasource_hedges_total", "Second calls beside slow ones":
                hedges(manager, result) -> Counter;
            "datasource_call_busy_threads", "Threads that make a source call":
                call_busy(manager) -> Gauge Sum;
            "datasource_call_abandoned_threads", "Threads stuck in a source call past its time-out":
                call_abandoned(manager) -> Gauge Sum;
            "datasource_retries_total", "Second calls and second rounds":
                retries(policy) -> Counter;
            // ===== quality =====
            "datasource_data_quality", "Latest quality score, 0 to 100":
                data_quality(endpoint, check_type) -> Gauge Least;
            "datasource_quality_findings_total", "Data-quality findings":
                findings(rule, severity) -> Counter;
            // ===== cache =====
            "datasource_cache_hits_total", "Lookups answered from the cache":
                cache_hits(cache) -> Counter;
            "datasource_cache_misses_total", "Lookups not answered from the cache":
                cache_misses(cache) -> Counter;
            "datasource_cache_stale_served_total", "Stale values served":
                cache_stale(cache) -> Counter;
            "datasource_cache_held_total", "Lookups answered by a remembered failure or a remembered absence":
                cache_held(cache) -> Counter;
            "datasource_cache_waits_total", "Lookups that waited for the load of another caller":
                cache_waits(cache) -> Counter;
            "datasource_cache_loads_total", "Loads on a caller's thread by result":
                cache_loads(cache, result) -> Counter;
            "datasource_cache_load_timeouts_total", "Loads and refreshes given up at load_timeout":
                cache_load_timeouts(cache) -> Counter;
            "datasource_cache_refreshes_total", "Background refreshes by result":
                cache_refreshes(cache, result) -> Counter;
            "datasource_cache_refresh_seconds", "Time of background refreshes in seconds":
                cache_refresh_time(cache) -> Histogram LATENCY;
            "datasource_cache_refresh_queue", "Background refreshes that wait for a thread":
                cache_refresh_queue(cache) -> Gauge Sum;
            "datasource_cache_evictions_total", "Entries that left the cache by cause":
                cache_evictions(cache, cause) -> Counter;
            "datasource_cache_entries", "Entries in the cache":
                cache_entries(cache) -> Gauge Sum;
            "datasource_cache_holds", "Keys whose failure or absence is remembered":
                cache_holds(cache) -> Gauge Sum;
            // ===== breaker =====
            "datasource_circuit_breaker_state", "0 closed, 1 open, 2 half-open":
                breaker_state(endpoint) -> Gauge State;
            "datasource_circuit_breaker_transitions_total", "Breaker transitions by target state":
                breaker_transitions(endpoint, to) -> Counter;
            "datasource_circuit_breaker_open_seconds_total", "Time a breaker was open in seconds":
                breaker_open_time(endpoint) -> Amount;
            "datasource_rejected_total", "Calls refused before the source was reached":
                rejected(endpoint, reason) -> Counter;
            // ===== limiter =====
            "datasource_limiter_rate", "Permits per second the limiter grants now":
                limiter_rate(endpoint) -> Gauge Sum;
            "datasource_limiter_bound", "-1 the rate is at its floor, 1 at its ceiling, 0 between":
                limiter_bound(endpoint) -> Gauge Least;
            "datasource_limiter_waiters", "Callers that wait for a permit":
                limiter_waiters(endpoint) -> Gauge Sum;
            "datasource_limiter_limited_total", "Answers of the source that said 'too many requests'":
                limiter_limited(endpoint) -> Counter;
            "datasource_limiter_keys", "Keys that have a limiter of their own":
                limiter_keys(limiter) -> Gauge Sum;
            // ===== router =====
            "datasource_router_picks_total", "Calls sent to an endpoint":
                router_picks(endpoint) -> Counter;
            "datasource_router_score", "Expected cost of the next call in seconds, the lowest is called first":
                router_score(endpoint, category) -> Gauge Least;
            "datasource_router_quota_left", "Free calls left":
                router_quota_left(endpoint) -> Gauge Least;
            "datasource_router_arm_calls_total", "Calls by the router's own policy and by its split":
                router_arm_calls(router, arm, status) -> Counter;
            "datasource_router_arm_latency_seconds", "Latency of an arm's successes in seconds":
                router_arm_latency(router, arm) -> Histogram LATENCY;
            "datasource_router_arm_cost_total", "Cost of an arm's calls":
                router_arm_cost(router, arm) -> Amount;
            // ===== batch =====
            "datasource_batch_busy_workers", "Batch workers that run an item":
                batch_busy(pool) -> Gauge Sum;
            "datasource_batch_idle_workers", "Batch workers that wait for an item":
                batch_idle(pool) -> Gauge Sum;
            "datasource_batch_abandoned_workers", "Batch workers stuck in a call past its time-out":
                batch_abandoned(pool) -> Gauge Sum;
            "datasource_batch_queued_items", "Batch items that wait for a worker":
                batch_queued(pool) -> Gauge Sum;
            "datasource_batch_queue_age_seconds", "Age of the oldest batch with items that wait in seconds":
                batch_queue_age(pool) -> Gauge Most;
            // ===== locks =====
            "datasource_lock_wait_seconds", "Waits for a lock that another thread had, one in sixteen, in seconds":
                lock_wait(lock) -> Histogram LOCK_WAIT;
        }
    };
}

pub(super) use catalogue;
