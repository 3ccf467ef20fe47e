//! Endpoints for different kinds of data, and their priorities.

use std::time::Duration;

use feedguard::cache::CacheStatus;
use feedguard::manager::CachesConfig;
use feedguard::retry::RetryConfig;
use feedguard::{
    BreakerConfig, CacheConfig, Clock, DataSourceManager, EndpointConfig, EndpointSpec, FetchErrorKind, LimiterConfig,
    ManagerConfig,
};

use crate::support::{Manner, ScriptedSource};

const S: fn(u64) -> Duration = Duration::from_secs;

fn endpoint(name: &str, categories: &[&str]) -> EndpointConfig {
    let spec = EndpointSpec::named(name).categories(categories.iter().map(|name| (*name).into()).collect());
    EndpointConfig::new(spec).breaker(BreakerConfig::free()).limiter(LimiterConfig::off())
}

fn key(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_request_goes_to_endpoints_that_serve_its_category_only() {
    let endpoints = vec![endpoint("bars", &["daily", "minute"]), endpoint("ticks", &["realtime"])];
    let config = ManagerConfig::default().endpoints(endpoints).retry(RetryConfig::off());
    let manager = DataSourceManager::new("feed", config, ScriptedSource::default()).unwrap();
    for n in 0..20 {
        assert_eq!(&**manager.fetch(&format!("daily/{n}")).unwrap().endpoint(), "bars");
        assert_eq!(&**manager.fetch(&format!("realtime/{n}")).unwrap().endpoint(), "ticks");
    }
    manager.source().set("ticks", Manner::Fail);
    let error = manager.fetch(&key("realtime/x")).unwrap_err();
    assert_eq!((error.attempts().len(), manager.source().calls_to("bars")), (1, 20), "not asked for what it has not");
}

#[test]
fn a_category_that_nobody_serves_is_a_fault_at_build_and_an_error_at_the_fetch() {
    let endpoints = vec![endpoint("bars", &["daily"])];
    let caches = CachesConfig::default().set("fundamentals", CacheConfig::daily());
    let config = ManagerConfig::default().endpoints(endpoints).caches(caches);
    let error = DataSourceManager::new("feed", config.clone(), ScriptedSource::default()).unwrap_err();
    assert_eq!(error.faults()[0].path, "caches.fundamentals");
    let config = config.caches(CachesConfig::default());
    let manager = DataSourceManager::new("feed", config, ScriptedSource::default()).unwrap();
    let error = manager.fetch(&key("realtime/x")).unwrap_err();
    assert!(matches!(error.kind(), FetchErrorKind::Unserved { category } if &**category == "realtime"), "{error}");
    assert_eq!((error.reached_source(), error.retry_after()), (false, None));
}

#[test]
fn a_category_of_the_hosts_own_has_its_cache_and_an_unknown_one_the_defaults() {
    let caches = CachesConfig::default()
        .set("news", CacheConfig::default().time_to_live(S(10)).jitter(0.0))
        .set("default", CacheConfig::default().time_to_live(S(100)).jitter(0.0));
    let (clock, time) = Clock::manual();
    let config = ManagerConfig::default().endpoints(vec![endpoint("a", &[])]).caches(caches);
    let manager = DataSourceManager::builder(ScriptedSource::default()).config(config).clock(clock).build().unwrap();
    for request in ["news/x", "odd/x"] {
        manager.fetch(&key(request)).unwrap();
    }
    time.advance(S(25));
    assert_eq!(manager.fetch(&key("news/x")).unwrap().status(), CacheStatus::Loaded, "past its own grace");
    assert_eq!(manager.fetch(&key("odd/x")).unwrap().status(), CacheStatus::Fresh);
    let health = manager.health();
    assert_eq!(health.unknown_categories, 2);
    let names: Vec<&str> = health.caches.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["default", "daily", "minute", "realtime", "news"]);
}

#[test]
fn latency_is_known_by_category() {
    let (clock, time) = Clock::manual();
    let endpoints = vec![endpoint("a", &[]), endpoint("b", &[])];
    let config = ManagerConfig::default().endpoints(endpoints);
    let source = feedguard::manager::source_fn({
        let time = time.clone();
        move |call: &feedguard::manager::Call<'_>, request: &(bool, u32)| {
            // `a` is quick for one kind of request, `b` for the other.
            let is_quick = (&*call.endpoint().name == "a") == request.0;
            time.advance(Duration::from_millis(if is_quick { 10 } else { 300 }));
            Ok::<u32, std::io::Error>(request.1)
        }
    });
    struct Kinds<S>(S);
    impl<S: feedguard::Source<Request = (bool, u32), Response = u32, Error = std::io::Error>> feedguard::Source
        for Kinds<S>
    {
        type Request = (bool, u32);
        type Response = u32;
        type Error = std::io::Error;
        fn call(&self, call: &feedguard::manager::Call<'_>, request: &(bool, u32)) -> Result<u32, std::io::Error> {
            self.0.call(call, request)
        }
        fn category<'a>(&'a self, request: &'a (bool, u32)) -> &'a str {
            if request.0 { "daily" } else { "minute" }
        }
    }
    let manager = DataSourceManager::builder(Kinds(source)).config(config).clock(clock).build().unwrap();
    for n in 0..100 {
        manager.fetch(&(true, n)).unwrap();
        manager.fetch(&(false, n)).unwrap();
    }
    let best = |kind| {
        let decision = manager.explain(&(kind, 1000));
        decision.name(decision.best().unwrap()).to_owned()
    };
    assert_eq!((best(true), best(false)), (key("a"), key("b")));
}

#[test]
fn a_lower_priority_is_called_only_while_no_higher_one_can_be_and_left_again() {
    let mut standby = endpoint("standby", &[]);
    standby.spec = standby.spec.priority(1);
    let mut main = endpoint("main", &[]);
    // Dearer and slower, and still first.
    main.spec = main.spec.price(50.0);
    let (clock, time) = Clock::manual();
    let config = ManagerConfig::default().endpoints(vec![standby, main]).retry(RetryConfig::off());
    let manager = DataSourceManager::builder(ScriptedSource::default()).config(config).clock(clock).build().unwrap();
    for n in 0..50 {
        time.advance(S(5));
        assert_eq!(&**manager.fetch(&n.to_string()).unwrap().endpoint(), "main");
    }
    assert_eq!(manager.source().calls_to("standby"), 0, "not even a probe");
    manager.source().set("main", Manner::Fail);
    for n in 100..110 {
        assert_eq!(&**manager.fetch(&n.to_string()).unwrap().endpoint(), "standby");
    }
    let tried = manager.source().calls_to("main");
    assert_eq!(tried, 53, "three failures open its breaker");
    manager.source().set("main", Manner::Answer);
    time.advance(S(61));
    for n in 200..210 {
        manager.fetch(&n.to_string()).unwrap();
        time.advance(S(1));
    }
    assert_eq!(&**manager.fetch(&key("last")).unwrap().endpoint(), "main", "back to the first choice");
}
