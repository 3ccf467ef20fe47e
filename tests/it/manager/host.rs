//! A host with bars: what its endpoints answer, and how long they take, is set by the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedguard::clock::ManualClock;
use feedguard::manager::{CachesConfig, Call};
use feedguard::quality::{Bars, Series};
use feedguard::{
    BreakerConfig, Clock, DataSourceManager, EndpointConfig, EndpointSpec, LimiterConfig, ManagerConfig, RouterConfig,
    Source,
};

use crate::support::Gate;

pub(super) const S: fn(u64) -> Duration = Duration::from_secs;
pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;

/// Columns of daily bars.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) days: Vec<i64>,
    pub(super) rows: Vec<[f64; 5]>,
    columns: [Vec<f64>; 5],
}

impl Table {
    /// Calm bars, in which `change` breaks what it likes.
    pub(super) fn new(count: usize, change: impl Fn(usize, &mut [f64; 5])) -> Self {
        let rows: Vec<[f64; 5]> = (0..count)
            .map(|row| {
                let price = 100.0 + (row as f64 * 0.11).sin();
                let mut cells = [price, price + 0.5, price - 0.5, price + 0.1, 2e6 + (row as f64).sin() * 1e5];
                change(row, &mut cells);
                cells
            })
            .collect();
        let columns = std::array::from_fn(|at| rows.iter().map(|row| row[at]).collect());
        Self { days: (0..count as i64).collect(), rows, columns }
    }

    pub(super) fn clean() -> Self {
        Self::new(250, |_, _| {})
    }
}

pub(super) type Answer = Arc<dyn Fn(&Call<'_>, &str) -> Result<Table, std::io::Error> + Send + Sync>;

/// Answers by endpoint; one that is not set gives clean bars.
#[derive(Clone, Default)]
pub(super) struct BarsHost {
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    calls: Arc<Mutex<HashMap<String, usize>>>,
}

impl BarsHost {
    pub(super) fn set(
        &self,
        endpoint: &str,
        answer: impl Fn(&Call<'_>, &str) -> Result<Table, std::io::Error> + Send + Sync + 'static,
    ) {
        self.answers.lock().unwrap().insert(endpoint.to_owned(), Arc::new(answer));
    }

    /// Calls of that endpoint stand at the gate, then give clean bars.
    pub(super) fn gate(&self, endpoint: &str) -> Gate {
        let gate = Gate::default();
        let stuck = gate.clone();
        self.set(endpoint, move |_, _| {
            stuck.pass();
            Ok(Table::clean())
        });
        gate
    }

    pub(super) fn calls(&self, endpoint: &str) -> usize {
        self.calls.lock().unwrap().get(endpoint).copied().unwrap_or_default()
    }
}

impl Source for BarsHost {
    type Request = String;
    type Response = Table;
    type Error = std::io::Error;

    fn call(&self, call: &Call<'_>, request: &String) -> Result<Table, std::io::Error> {
        let name = call.endpoint().name.to_string();
        *self.calls.lock().unwrap().entry(name.clone()).or_default() += 1;
        let answer = self.answers.lock().unwrap().get(&name).cloned();
        answer.map_or_else(|| Ok(Table::clean()), |answer| answer(call, request))
    }

    fn series<'a>(&'a self, _request: &'a String, table: &'a Table) -> Option<Series<'a>> {
        let [open, high, low, close, volume] = &table.columns;
        Series::new(&table.days, Bars { open, high, low, close, volume }).ok()
    }
}

/// Endpoints `a`, `b`, ... that the router prefers in this order, by price.
pub(super) fn endpoints(names: &[&str]) -> Vec<EndpointConfig> {
    let endpoint = |(place, name): (u32, &&str)| {
        EndpointConfig::new(EndpointSpec::named(*name).price(f64::from(place)))
            .breaker(BreakerConfig::free())
            .limiter(LimiterConfig::off())
    };
    (0..).zip(names).map(endpoint).collect()
}

pub(super) fn config(names: &[&str]) -> ManagerConfig {
    ManagerConfig::default()
        .endpoints(endpoints(names))
        .caches(CachesConfig::default().all(|cache| cache.jitter(0.0)))
        .router(RouterConfig::default().price_weight(S(100)))
}

pub(super) fn manager(config: ManagerConfig) -> (Arc<DataSourceManager<BarsHost>>, BarsHost, ManualClock, Clock) {
    let (clock, time) = Clock::manual();
    let host = BarsHost::default();
    let manager = DataSourceManager::builder(host.clone()).config(config).clock(clock.clone()).build().unwrap();
    (Arc::new(manager), host, time, clock)
}

/// Moves the clock on beside a running test, until dropped.
pub(super) struct Driver(Arc<std::sync::atomic::AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Driver {
    /// `step` of manual time each millisecond of real time.
    pub(super) fn start(time: &ManualClock, step: Duration) -> Self {
        let (time, stop) = (time.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                time.advance(step);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        self.1.take().map(|thread| thread.join());
    }
}
