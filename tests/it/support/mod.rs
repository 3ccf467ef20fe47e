//! What tests share: gates, waiting for a condition, a source that follows a script.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use feedguard::clock::ManualClock;
use feedguard::manager::Call;
use feedguard::{Source, Verdict};

/// Waits until `condition` holds; fails loudly if it never does. The bound is a net, not a
/// measurement: no outcome depends on it.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never happened: {what}");
        std::thread::yield_now();
    }
}

/// Drives the manual clock by `step` until `done`, at most `max` steps.
pub(crate) fn drive(time: &ManualClock, step: Duration, max: u32, done: impl Fn() -> bool) {
    for _ in 0..max {
        if done() {
            return;
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(3) && !done() {
            std::thread::yield_now();
        }
        time.advance(step);
    }
}

/// Threads of this process whose name starts so; zero where the system does not tell.
pub(crate) fn threads_named(prefix: &str) -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

/// A door that stays shut until it is opened; counts who stands before it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.1 += 1;
        changed.notify_all();
        drop(changed.wait_while(state, |state| !state.0).unwrap());
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }

    /// Waits until `count` callers have come to the door.
    pub(crate) fn await_arrivals(&self, count: usize) {
        let (state, changed) = &*self.0;
        drop(changed.wait_while(state.lock().unwrap(), |state| state.1 < count).unwrap());
    }
}

/// A counter that closures can hold.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scripted: {0}")]
pub(crate) struct Scripted(pub(crate) &'static str);

/// How an endpoint answers.
#[derive(Clone)]
pub(crate) enum Manner {
    Answer,
    Fail,
    Limit(Option<Duration>),
    Missing,
    NotHere,
    BadRequest,
    Panic,
    /// Stands at the gate, then answers.
    Wait(Gate),
}

/// A source whose endpoints do as they are told; the answer is "endpoint:request".
#[derive(Default)]
pub(crate) struct ScriptedSource {
    manners: Mutex<HashMap<String, Manner>>,
    pub(crate) calls: Count,
    calls_by: Mutex<HashMap<String, usize>>,
}

impl ScriptedSource {
    pub(crate) fn set(&self, endpoint: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(endpoint.to_owned(), manner);
    }

    pub(crate) fn calls_to(&self, endpoint: &str) -> usize {
        self.calls_by.lock().unwrap().get(endpoint).copied().unwrap_or_default()
    }
}

impl Source for ScriptedSource {
    type Request = String;
    type Response = String;
    type Error = Scripted;

    fn is_idempotent(&self, request: &String) -> bool {
        request.contains("hedge") || request.contains("warm")
    }

    fn call(&self, call: &Call<'_>, request: &String) -> Result<String, Scripted> {
        let endpoint = call.endpoint();
        self.calls.up();
        *self.calls_by.lock().unwrap().entry(endpoint.name.to_string()).or_default() += 1;
        let manner = self.manners.lock().unwrap().get(&*endpoint.name).cloned().unwrap_or(Manner::Answer);
        match manner {
            Manner::Answer => {}
            Manner::Fail => return Err(Scripted("fail")),
            Manner::Limit(_) => return Err(Scripted("limit")),
            Manner::Missing => return Err(Scripted("missing")),
            Manner::NotHere => return Err(Scripted("not here")),
            Manner::BadRequest => return Err(Scripted("bad request")),
            Manner::Panic => panic!("scripted panic"),
            Manner::Wait(gate) => gate.pass(),
        }
        Ok(format!("{}:{request}", endpoint.name))
    }

    fn judge(&self, _request: &String, result: Result<&String, &Scripted>) -> Verdict {
        match result {
            Ok(_) => Verdict::Good,
            Err(Scripted("limit")) => {
                let limits = self.manners.lock().unwrap();
                let retry = limits.values().find_map(|manner| match manner {
                    Manner::Limit(after) => *after,
                    _ => None,
                });
                Verdict::Limited { retry_after: retry }
            }
            Err(Scripted("missing")) => Verdict::Missing,
            Err(Scripted("not here")) => Verdict::NotHere,
            Err(Scripted("bad request")) => Verdict::Ignore,
            Err(_) => Verdict::Bad,
        }
    }

    fn category<'a>(&'a self, request: &'a String) -> &'a str {
        match request.split_once('/') {
            Some((category, _)) => category,
            None if request.starts_with("rt") => "realtime",
            None => "daily",
        }
    }

    fn request_bytes(&self, request: &String) -> usize {
        request.len()
    }
}
