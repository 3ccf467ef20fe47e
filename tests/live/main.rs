//! A host, a real Prometheus and a real Alertmanager through a scripted outage: every alert of `examples/monitoring`
//! fires and resolves in its time, and every panel of the dashboard has something to show. A minute of the rules is
//! a second here.
//!
//! Needs both programs: `FEEDGUARD_PROMETHEUS` names their folder (`.ci/prometheus` gets them), or they are in the
//! path. Without them nothing is tested, and the last line says so. `FEEDGUARD_KEEP_PICTURE=1` keeps the picture of
//! the panels in `examples/monitoring`.

mod panels;
mod programs;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::programs::{Monitoring, Programs, rules_folder};
use crate::world::World;

/// Alerts of the outage: seconds, as minutes of the rules, in which each has to fire and to resolve. They are the
/// rule's own window and `for`, and as much again for the trouble to grow and for a machine that is busy.
const ALERTS: [(&str, u64, u64); 12] = [
    ("DatasourceFetchesFailing", 25, 25),
    ("DatasourceSuccessLow", 25, 25),
    ("DatasourceLatencyHigh", 25, 25),
    ("DatasourceBreakerOpen", 15, 25),
    ("DatasourceBreakerFlapping", 15, 25),
    ("DatasourceBreakerOpenShare", 30, 45),
    ("DatasourceCacheHitRateLow", 45, 25),
    ("DatasourceCostHigh", 45, 90),
    ("DatasourceLimiterPinned", 30, 60),
    ("DatasourceRefreshesFailing", 30, 45),
    ("DatasourceQualityLow", 25, 25),
    ("DatasourceThreadsAbandoned", 30, 30),
];
/// Fair weather before: what "a week ago" is.
const BEFORE: Duration = Duration::from_secs(75);
/// The bad weather lasts at least so long.
const OUTAGE: Duration = Duration::from_secs(30);

fn main() {
    let Some(programs) = Programs::find() else {
        println!("SKIPPED: the live run of examples/monitoring needs prometheus, promtool and alertmanager;");
        println!("SKIPPED: set FEEDGUARD_PROMETHEUS to their folder, see .ci/prometheus. NOTHING WAS TESTED.");
        return;
    };
    programs.promtool(&["check", "config", "prometheus.yml"], "");
    programs.promtool(&["check", "rules", "recording_rules.yml", "alert_rules.yml"], "");
    programs.promtool(&["test", "rules", "rules_test.yml"], "");

    let world = Arc::new(World::new());
    let (hook, told) = webhook();
    let users = world.users();
    let monitoring = Monitoring::start(&programs, &world.serve(), &hook);
    let began = now();
    until("Prometheus scrapes", Duration::from_secs(60), || value(&monitoring, "up") == Some(1.0));
    programs.promtool(&["check", "metrics"], &world.page());

    thread::sleep(BEFORE);
    let calm = firing(&monitoring);
    assert!(calm.is_empty(), "in fair weather {calm:?}");

    let fired = all(
        &monitoring,
        "fires",
        |alert| alert.1,
        || world.weather.set_outage(true),
        |firing, alert| firing.contains(alert),
    );
    thread::sleep(OUTAGE.saturating_sub(fired.values().max().copied().unwrap_or_default()));
    let page = world.page();
    let resolved = all(
        &monitoring,
        "resolves",
        |alert| alert.2,
        || world.weather.set_outage(false),
        |firing, alert| !firing.contains(alert),
    );
    programs.promtool(&["check", "metrics"], &page);

    println!("\n{:<30} {:>10} {:>12}", "alert", "fires, min", "resolves, min");
    for (alert, ..) in ALERTS {
        println!("{alert:<30} {:>10.1} {:>12.1}", fired[alert].as_secs_f64(), resolved[alert].as_secs_f64());
    }
    let seen = value(&monitoring, "max(max_over_time(datasource_circuit_breaker_state{endpoint=\"flappy.api\"}[10m]))");
    assert_eq!(seen, Some(0.0), "no scrape has seen the flapping breaker open");

    fs::write(picture_path(), panels::picture(&monitoring, began, now())).unwrap();
    println!("picture: {}", picture_path().display());

    // At last the host itself.
    world.weather.is_gone.store(true, Ordering::SeqCst);
    let down = BTreeSet::from(["DatasourceTargetDown".to_owned()]);
    until("the target is down", Duration::from_secs(20), || firing(&monitoring).is_superset(&down));
    world.weather.is_gone.store(false, Ordering::SeqCst);
    until("and back", Duration::from_secs(20), || firing(&monitoring).is_disjoint(&down));

    let names = ALERTS.iter().map(|(alert, ..)| *alert).chain(["DatasourceTargetDown"]);
    for state in ["firing", "resolved"] {
        for alert in names.clone() {
            let key = (alert.to_owned(), state.to_owned());
            until(&format!("Alertmanager tells that {alert} is {state}"), Duration::from_secs(30), || {
                told.lock().unwrap().contains(&key)
            });
        }
    }
    println!("Alertmanager told of all {} alerts, firing and resolved", names.count());
    world.end();
    users.into_iter().for_each(|user| user.join().unwrap());
    println!("live: ok");
}

/// After `change`, how long each alert takes until `is_so`.
fn all(
    monitoring: &Monitoring,
    what: &str,
    limit: impl Fn(&(&'static str, u64, u64)) -> u64,
    change: impl FnOnce(),
    is_so: impl Fn(&BTreeSet<String>, &str) -> bool,
) -> BTreeMap<&'static str, Duration> {
    let start = Instant::now();
    change();
    let mut times = BTreeMap::new();
    while times.len() < ALERTS.len() {
        let firing = firing(monitoring);
        for alert in &ALERTS {
            if is_so(&firing, alert.0) {
                times.entry(alert.0).or_insert_with(|| start.elapsed());
            }
            let is_late = !times.contains_key(alert.0) && start.elapsed() > Duration::from_secs(limit(alert));
            assert!(
                !is_late,
                "{} {what} not within {} minutes of the rules; so far {times:.1?}",
                alert.0,
                limit(alert)
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
    times
}

fn picture_path() -> std::path::PathBuf {
    match std::env::var_os("FEEDGUARD_KEEP_PICTURE") {
        Some(_) => rules_folder().join("panels.svg"),
        None => std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("panels.svg"),
    }
}

/// Names of the alerts that fire.
fn firing(monitoring: &Monitoring) -> BTreeSet<String> {
    let alerts = monitoring.ask("alerts", &[]).unwrap_or_default();
    let alerts = alerts["alerts"].as_array().cloned().unwrap_or_default();
    let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
    firing.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect()
}

/// The first value of a query.
fn value(monitoring: &Monitoring, query: &str) -> Option<f64> {
    let data = monitoring.ask("query", &[("query", query)])?;
    data["result"][0]["value"][1].as_str()?.parse().ok()
}

type Told = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Whom Alertmanager tells: names and states.
fn webhook() -> (String, Told) {
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let (address, told) = (server.server_addr().to_string(), Told::default());
    let heard = Arc::clone(&told);
    thread::spawn(move || {
        for mut request in server.incoming_requests() {
            let mut text = String::new();
            drop(request.as_reader().read_to_string(&mut text));
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            for alert in message["alerts"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                heard.lock().unwrap().insert((text(&alert["labels"]["alertname"]), text(&alert["status"])));
            }
            drop(request.respond(tiny_http::Response::empty(200)));
        }
    });
    (address, told)
}

fn until(what: &str, within: Duration, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
