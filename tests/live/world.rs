//! A host whose sources can be told to misbehave, its users, and its `/metrics`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use feedguard::breaker::BreakerState;
use feedguard::limiter::Keyed;
use feedguard::manager::{CachesConfig, Call};
use feedguard::quality::{Bars, Series};
use feedguard::retry::RetryConfig;
use feedguard::router::{RouterPolicy, Split};
use feedguard::{
    BreakerConfig, CacheConfig, CircuitBreaker, Clock, DataSourceManager, Deadline, EndpointConfig, EndpointSpec,
    LimiterConfig, ManagerConfig, Metrics, Outcome, RouterConfig, SmartRouter, Source, Verdict,
};
use prometheus::{Registry, TextEncoder};

const MS: fn(u64) -> Duration = Duration::from_millis;
/// One endpoint and one kind of trouble each.
const CATEGORIES: [&str; 9] = ["steady", "down", "slow", "limited", "paid", "dirty", "refresh", "misses", "hung"];

/// What may be wrong.
#[derive(Default)]
pub(crate) struct Weather {
    outage: AtomicBool,
    pub(crate) is_gone: AtomicBool,
    is_over: AtomicBool,
}

impl Weather {
    pub(crate) fn set_outage(&self, is_on: bool) {
        self.outage.store(is_on, Ordering::SeqCst);
    }

    fn is_bad(&self) -> bool {
        self.outage.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Request {
    category: &'static str,
    key: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(&'static str);

/// Closes of a series, some of them broken.
struct Rows {
    time: Vec<i64>,
    close: Vec<f64>,
    volume: Vec<f64>,
}

impl Rows {
    fn new(is_dirty: bool) -> Self {
        let close = |row: i32| 100.0 + (0.7 * f64::from(row)).sin();
        let close = (0..60).map(|row| if is_dirty && row % 2 == 1 { -1.0 } else { close(row) }).collect();
        Self { time: (0..60).collect(), close, volume: vec![1e6; 60] }
    }
}

struct Sources(Arc<Weather>);

impl Source for Sources {
    type Request = Request;
    type Response = Rows;
    type Error = Trouble;

    fn call(&self, call: &Call<'_>, request: &Request) -> Result<Rows, Trouble> {
        let is_bad = self.0.is_bad();
        match request.category {
            "down" if is_bad => return Err(Trouble("down")),
            "limited" if is_bad => return Err(Trouble("limited")),
            "refresh" if is_bad && call.is_background() => return Err(Trouble("down")),
            "slow" if is_bad => thread::sleep(MS(700)),
            "hung" if is_bad => {
                while self.0.is_bad() && !self.0.is_over() {
                    thread::sleep(MS(20));
                }
            }
            _ => thread::sleep(MS(2 + request.key % 10)),
        }
        Ok(Rows::new(is_bad && request.category == "dirty"))
    }

    fn category<'a>(&'a self, request: &'a Request) -> &'a str {
        request.category
    }

    fn judge(&self, _request: &Request, result: Result<&Rows, &Trouble>) -> Verdict {
        match result {
            Ok(_) => Verdict::Good,
            Err(Trouble("limited")) => Verdict::Limited { retry_after: None },
            Err(_) => Verdict::Bad,
        }
    }

    fn series<'a>(&'a self, _request: &'a Request, rows: &'a Rows) -> Option<Series<'a>> {
        let Rows { time, close, volume } = rows;
        Series::new(time, Bars { open: close, high: close, low: close, close, volume }).ok()
    }
}

fn config() -> ManagerConfig {
    let limiter = LimiterConfig::default().initial_rate_per_sec(100.0).max_rate_per_sec(400.0).burst(50);
    let endpoints = CATEGORIES.map(|category| {
        let mut spec = EndpointSpec::named(format!("{category}.api")).concurrency(8);
        spec.categories = vec![category.into()];
        // Spent before the first scrape: what "a week ago" cost is what it costs.
        if category == "paid" {
            spec = spec.price(1.0).currency("CNY".into()).free_quota(5);
        }
        let breaker = BreakerConfig::free().open_for(MS(400));
        let limiter = match category {
            "limited" => limiter.clone().min_rate_per_sec(5.0).initial_rate_per_sec(20.0).max_rate_per_sec(40.0),
            _ => limiter.clone(),
        };
        EndpointConfig::new(spec).breaker(breaker).limiter(limiter)
    });
    let cache =
        |time_to_live| CacheConfig::default().time_to_live(time_to_live).stale_if_error(MS(1)).max_capacity(200);
    let caches = CATEGORIES.iter().fold(CachesConfig::default(), |caches, category| {
        // Refreshed ahead of time; the others live for a short while.
        caches.set(*category, cache(if *category == "refresh" { MS(600) } else { MS(3000) }))
    });
    ManagerConfig::default()
        .endpoints(endpoints.into())
        .caches(caches)
        .call_timeout(MS(1000))
        .fetch_timeout(MS(1500))
        .permit_timeout(MS(50))
        .retry(RetryConfig::off())
}

/// The host.
pub(crate) struct World {
    pub(crate) weather: Arc<Weather>,
    pub(crate) registry: Registry,
    /// Held while a page is written: what happens under it is seen by no scrape.
    page: Arc<Mutex<()>>,
    manager: Arc<DataSourceManager<Sources>>,
    metrics: Metrics,
}

impl World {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let weather = Arc::<Weather>::default();
        let manager = DataSourceManager::builder(Sources(Arc::clone(&weather))).config(config()).metrics(&metrics);
        let manager = Arc::new(manager.build().unwrap());
        Self { weather, registry, page: Arc::default(), manager, metrics }
    }

    pub(crate) fn page(&self) -> String {
        let _unseen = lock(&self.page);
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    /// Serves `/metrics`; the address.
    pub(crate) fn serve(self: &Arc<Self>) -> String {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let address = server.server_addr().to_string();
        let world = Arc::clone(self);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let is_gone = world.weather.is_gone.load(Ordering::SeqCst);
                let page = if is_gone { String::new() } else { world.page() };
                let status = if is_gone { 503 } else { 200 };
                drop(request.respond(tiny_http::Response::from_string(page).with_status_code(status)));
            }
        });
        address
    }

    /// The users, until the weather is over.
    pub(crate) fn users(self: &Arc<Self>) -> Vec<thread::JoinHandle<()>> {
        let mut users = Vec::new();
        for category in CATEGORIES {
            let world = Arc::clone(self);
            users.push(thread::spawn(move || world.ask(category)));
        }
        for work in [Self::flap, Self::route, Self::batches] {
            let world = Arc::clone(self);
            users.push(thread::spawn(move || work(&world)));
        }
        users
    }

    pub(crate) fn end(&self) {
        self.weather.is_over.store(true, Ordering::SeqCst);
    }

    /// One user of a category.
    fn ask(&self, category: &'static str) {
        let next = AtomicU64::new(0);
        while !self.weather.is_over() {
            let (n, is_bad) = (next.fetch_add(1, Ordering::Relaxed), self.weather.is_bad());
            let key = match category {
                "misses" if is_bad => 1000 + n,
                // Each asked for four times.
                "down" | "slow" | "limited" | "paid" | "dirty" => 1000 + n / 4,
                "hung" if is_bad => 1000 + n / 10,
                _ => n % 5,
            };
            drop(self.manager.fetch(&Request { category, key }));
            // A surge costs more.
            let pause = if category == "paid" && !is_bad { 100 } else { 25 };
            thread::sleep(MS(pause));
        }
    }

    /// Opens and closes a breaker, in an outage, while nobody looks.
    fn flap(&self) {
        let config = BreakerConfig::free().failure_threshold(1).open_for(MS(1));
        let breaker = CircuitBreaker::builder("flappy.api").config(config).metrics(&self.metrics.of_vendor("flappy"));
        let breaker = breaker.build().unwrap();
        while !self.weather.is_over() {
            if self.weather.is_bad() {
                let unseen = lock(&self.page);
                breaker.try_acquire().unwrap().fail();
                while breaker.state() != BreakerState::Closed {
                    match breaker.try_acquire() {
                        Ok(probe) => _ = probe.succeed(),
                        Err(_open) => thread::sleep(MS(1)),
                    }
                }
                drop(unseen);
            }
            thread::sleep(MS(150));
        }
    }

    /// A router with two policies, and a limiter by user.
    fn route(&self) {
        let config = RouterConfig::default().split(Some(Split::new(RouterPolicy::Adaptive, 0.5)));
        let endpoints = vec![EndpointSpec::named("tdx.a"), EndpointSpec::named("tdx.b").price(1.0)];
        let router = SmartRouter::builder("by_hand").endpoints(endpoints).config(config).metrics(&self.metrics);
        let router = router.build().unwrap();
        let users: Keyed<u64> = Keyed::new("users", LimiterConfig::fixed(5.0), 100, Clock::system()).unwrap();
        let users = users.metrics(&self.metrics);
        for n in 0.. {
            if self.weather.is_over() {
                return;
            }
            if let Ok(call) = router.pick() {
                thread::sleep(MS(3));
                call.finish(Outcome::Success);
            }
            drop(users.try_acquire(&(n % 7), 1).map(|permit| permit.succeed()));
            thread::sleep(MS(30));
        }
    }

    fn batches(&self) {
        for n in 0.. {
            if self.weather.is_over() {
                return;
            }
            let keys: HashSet<u64> = (0..20).map(|key| (n * 7 + key) % 50).collect();
            let requests = keys.into_iter().map(|key| Request { category: "steady", key }).collect();
            drop(self.manager.fetch_batch(requests, Deadline::never()));
            thread::sleep(MS(400));
        }
    }
}

fn lock(page: &Mutex<()>) -> MutexGuard<'_, ()> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}
