use feedguard::{
    BatchConfig, BreakerConfig, CacheConfig, ConfigError, DataSourceManager, EndpointConfig, EndpointSpec,
    LimiterConfig, ManagerConfig, QualityConfig, RouterConfig,
};

use crate::support::ScriptedSource;

fn paths(error: &ConfigError) -> Vec<&str> {
    error.faults().iter().map(|fault| fault.path.as_str()).collect()
}

#[test]
fn every_fault_of_every_room_is_reported_at_once_with_path_value_and_range() {
    let text = r#"{
        "endpoints": [
            {"name": "a", "price": -1, "breaker": {"failure_threshold": 0}, "limiter": {"min_rate_per_sec": 50.0}},
            {"name": "a", "concurrency": 0}
        ],
        "caches": {"daily": {"refresh_ahead": 1.5, "max_capacity": 0}, "realtime": {"jitter": 2.0}},
        "router": {"eject_after": 0},
        "batch": {"workers": 0, "item_timeout": "0s"},
        "quality": {"max_sigma": 0.0},
        "call_timeout": "20years"
    }"#;
    let config: ManagerConfig = serde_json::from_str(text).unwrap();
    let error = config.validate().unwrap_err();
    assert_eq!(
        paths(&error),
        [
            "endpoints[0].price",
            "endpoints[1].concurrency",
            "endpoints[1].name",
            "endpoints[0].breaker.failure_threshold",
            "endpoints[0].limiter.initial_rate_per_sec",
            "caches.daily.max_capacity",
            "caches.daily.refresh_ahead",
            "caches.realtime.jitter",
            "router.eject_after",
            "batch.workers",
            "batch.item_timeout",
            "quality.max_sigma",
            "call_timeout",
        ]
    );
    let text = error.to_string();
    assert!(text.contains("caches.daily.refresh_ahead = 1.5, expected 0 to 1"), "{text}");
    assert!(text.contains("endpoints[0].limiter.initial_rate_per_sec = 10, expected 50 to 100"), "{text}");
    assert!(text.contains("call_timeout = 20years, expected 1ms to"), "{text}");
    let refused = DataSourceManager::builder(ScriptedSource::default()).config(config).build().unwrap_err();
    assert_eq!(refused, error);
}

#[test]
fn nan_and_infinity_are_faults() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(CacheConfig::default().refresh_ahead(odd).validate().is_err());
        assert!(CacheConfig::default().jitter(odd).validate().is_err());
        assert!(LimiterConfig::default().initial_rate_per_sec(odd).validate().is_err());
        assert!(LimiterConfig::default().min_rate_per_sec(odd).validate().is_err());
        assert!(LimiterConfig::default().max_rate_per_sec(odd).validate().is_err());
        assert!(EndpointSpec::named("x").price(odd).validate().is_err());
        assert!(QualityConfig::default().max_change(odd).validate().is_err());
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for text in [
        r#"{"caches": {"daily": {"ttl": "5m"}}}"#,
        r#"{"routr": {}}"#,
        r#"{"batch": {"threads": 4}}"#,
        r#"{"quality": {"sigma": 3}}"#,
    ] {
        let error = serde_json::from_str::<ManagerConfig>(text).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }
    let text = r#"{"endpoints": [{"name": "a", "breaker": {"treshold": 4}}]}"#;
    assert!(serde_json::from_str::<ManagerConfig>(text).unwrap_err().to_string().contains("treshold"));
    let text = r#"{"endpoints": [{"name": "a", "prize": 4}]}"#;
    assert!(serde_json::from_str::<ManagerConfig>(text).unwrap_err().to_string().contains("prize"));
}

#[test]
fn durations_are_human_and_errors_say_so() {
    let config: CacheConfig = serde_json::from_str(r#"{"time_to_live": "1h 30m", "grace": "250ms"}"#).unwrap();
    assert_eq!((config.time_to_live.as_secs(), config.grace.unwrap().as_millis()), (5400, 250));
    for bad in [r#"{"time_to_live": "soon"}"#, r#"{"time_to_live": "-5m"}"#, r#"{"time_to_live": 5}"#] {
        let error = serde_json::from_str::<CacheConfig>(bad).unwrap_err().to_string();
        assert!(error.contains("a duration such as"), "{error}");
    }
}

#[test]
fn what_a_file_leaves_out_is_the_categorys_own_preset() {
    let text = r#"{"caches": {
        "daily": {"time_to_live": "2h"}, "minute": {"jitter": 0.2}, "realtime": {"time_to_live": "5s"}, "default": {}
    }}"#;
    let caches = serde_json::from_str::<ManagerConfig>(text).unwrap().caches;
    assert_eq!(caches.get("daily"), CacheConfig::daily().time_to_live(std::time::Duration::from_secs(7200)));
    assert_eq!(caches.get("minute"), CacheConfig::minute().jitter(0.2));
    assert_eq!(caches.get("realtime"), CacheConfig::realtime().time_to_live(std::time::Duration::from_secs(5)));
    assert_eq!(caches.get("default"), CacheConfig::default());
    // A reading that fails leaves no preset behind.
    assert!(serde_json::from_str::<ManagerConfig>(r#"{"caches": {"realtime": {"jitter": "x"}}}"#).is_err());
    assert_eq!(serde_json::from_str::<CacheConfig>("{}").unwrap(), CacheConfig::default());
}

#[test]
fn every_configuration_survives_a_round_trip() {
    let config = ManagerConfig::default().endpoints(vec![
        EndpointConfig::new(EndpointSpec::named("a").price(1.5).local(true)).breaker(BreakerConfig::paid()),
        EndpointConfig::new(EndpointSpec::named("b").free_quota(9)).limiter(LimiterConfig::off()),
    ]);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ManagerConfig>(&text).unwrap(), config);
}

#[test]
fn defaults_are_valid_and_as_documented() {
    assert_eq!((BreakerConfig::default().threshold(), BreakerConfig::default().open_for.as_secs()), (5, 60));
    assert_eq!(CacheConfig::default().time_to_live.as_secs(), 3600);
    assert_eq!(CacheConfig::realtime().stale_if_error.as_secs(), 0);
    assert_eq!(CacheConfig::daily().stale_if_error.as_secs(), 24 * 3600);
    assert_eq!(LimiterConfig::default().initial_rate_per_sec, 10.0);
    assert_eq!(BatchConfig::default().item_timeout.as_secs(), 30);
    for config in [CacheConfig::daily(), CacheConfig::minute(), CacheConfig::realtime(), CacheConfig::off()] {
        config.validate().unwrap();
    }
    RouterConfig::default().validate().unwrap();
}

#[test]
fn a_manager_without_endpoints_is_a_fault() {
    let error = DataSourceManager::builder(ScriptedSource::default()).build().unwrap_err();
    assert_eq!(paths(&error), ["endpoints"]);
}
