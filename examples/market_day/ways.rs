//! Three ways to the same sources: straight, the old way (a small LRU, a health flag, one call after the other),
//! and `feedguard`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedguard::batch::ItemError;
use feedguard::{Clock, DataSourceManager, Deadline, Fetched};

use crate::bars::Columns;
use crate::http_source::{BarsRequest, HttpError, HttpSource};
use crate::settings::{CAPACITY, SOURCES, Unit};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Old,
    Guarded,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Old, Self::Guarded];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Old => "old way",
            Self::Guarded => "feedguard",
        }
    }
}

/// How one request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    /// From a cache, within its time.
    Hit,
    Stale,
    /// With a row that cannot be right, and marked as such.
    Marked,
    /// With a row that cannot be right, as if nothing were.
    Wrong,
    Error,
}

/// What asks the sources.
pub(crate) enum Host {
    Direct(HttpSource, Unit),
    Old(OldWay),
    Guarded(Arc<DataSourceManager<HttpSource>>),
}

fn is_wrong(columns: &Columns) -> bool {
    columns.high.iter().zip(&columns.low).any(|(high, low)| high < low)
}

fn plain(result: &Result<Arc<Columns>, HttpError>, is_hit: bool) -> Answer {
    match result {
        Err(_) => Answer::Error,
        Ok(columns) if is_wrong(columns) => Answer::Wrong,
        Ok(_) if is_hit => Answer::Hit,
        Ok(_) => Answer::Good,
    }
}

fn guarded<E>(result: &Result<Fetched<Columns>, E>) -> Answer {
    use feedguard::cache::CacheStatus;
    match result {
        Err(_) => Answer::Error,
        Ok(fetched) if is_wrong(fetched) && fetched.is_flawed() => Answer::Marked,
        Ok(fetched) if is_wrong(fetched) => Answer::Wrong,
        Ok(fetched) if fetched.status().is_stale() => Answer::Stale,
        Ok(fetched) if fetched.status() == CacheStatus::Loaded => Answer::Good,
        Ok(_) => Answer::Hit,
    }
}

impl Host {
    pub(crate) fn fetch(&self, request: &BarsRequest, patience: Duration) -> Answer {
        match self {
            Self::Direct(source, unit) => {
                plain(&source.get(SOURCES[0], request, unit.call_timeout()).map(Arc::new), false)
            }
            Self::Old(old) => {
                let (result, is_hit) = old.fetch(request, Instant::now() + patience);
                plain(&result, is_hit)
            }
            Self::Guarded(manager) => guarded(&manager.fetch_by(request, Deadline::after(&Clock::system(), patience))),
        }
    }

    /// Many at once, each way as it can; the answers, and how long it took.
    pub(crate) fn nightly(&self, requests: &[BarsRequest], patience: Duration) -> (Vec<Answer>, Duration) {
        let begun = Instant::now();
        let answers = if let Self::Guarded(manager) = self {
            let report = manager.fetch_batch(requests.to_vec(), Deadline::never());
            report.results.into_iter().map(|result| guarded(&result.map_err(|error: ItemError<_>| error))).collect()
        } else {
            requests.iter().map(|request| self.fetch(request, patience)).collect()
        };
        (answers, begun.elapsed())
    }

    pub(crate) fn source(&self) -> &HttpSource {
        match self {
            Self::Direct(source, _) => source,
            Self::Old(old) => &old.source,
            Self::Guarded(manager) => manager.source(),
        }
    }
}

/// What a team writes in an afternoon: a small LRU, sources in turn, a flag for the one that has just failed.
pub(crate) struct OldWay {
    source: HttpSource,
    unit: Unit,
    cache: Mutex<Lru>,
    ill_until: [Mutex<Option<Instant>>; 4],
    turn: AtomicUsize,
}

#[derive(Default)]
struct Lru {
    entries: HashMap<BarsRequest, (Arc<Columns>, Instant, u64)>,
    uses: u64,
}

impl Lru {
    fn get(&mut self, request: &BarsRequest) -> Option<Arc<Columns>> {
        self.uses += 1;
        let uses = self.uses;
        let entry = self.entries.get_mut(request).filter(|(_, until, _)| Instant::now() < *until)?;
        entry.2 = uses;
        Some(Arc::clone(&entry.0))
    }

    fn put(&mut self, request: BarsRequest, columns: &Arc<Columns>, ttl: Duration) {
        self.uses += 1;
        self.entries.insert(request, (Arc::clone(columns), Instant::now() + ttl, self.uses));
        if self.entries.len() > CAPACITY {
            let oldest = self.entries.iter().min_by_key(|(_, (_, _, used))| *used).map(|(request, _)| *request);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
    }
}

impl OldWay {
    pub(crate) fn new(source: HttpSource, unit: Unit) -> Self {
        let ill_until = std::array::from_fn(|_| Mutex::new(None));
        Self { source, unit, cache: Mutex::default(), ill_until, turn: AtomicUsize::new(0) }
    }

    fn fetch(&self, request: &BarsRequest, until: Instant) -> (Result<Arc<Columns>, HttpError>, bool) {
        if let Some(hit) = self.cache.lock().ok().and_then(|mut cache| cache.get(request)) {
            return (Ok(hit), true);
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut last = HttpError::Malformed;
        // Those that are well, then once all.
        for round in 0..2 {
            for number in (0..SOURCES.len()).map(|n| (first + n) % SOURCES.len()) {
                let is_ill = self.ill_until[number].lock().is_ok_and(|ill| ill.is_some_and(|ill| Instant::now() < ill));
                let left = until.saturating_duration_since(Instant::now());
                if (round == 0 && is_ill) || left.is_zero() {
                    continue;
                }
                match self.source.get(SOURCES[number], request, self.unit.call_timeout().min(left)) {
                    Ok(columns) => {
                        let columns = Arc::new(columns);
                        if let Ok(mut cache) = self.cache.lock() {
                            cache.put(*request, &columns, self.unit.time_to_live(request.category));
                        }
                        return (Ok(columns), false);
                    }
                    Err(error) => {
                        last = error;
                        if let Ok(mut ill) = self.ill_until[number].lock() {
                            *ill = Some(Instant::now() + self.unit.times(0.5));
                        }
                    }
                }
            }
        }
        (Err(last), false)
    }
}
