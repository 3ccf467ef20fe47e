//! The cache against a plain reference model: sequences of operations under the manual clock, all
//! modes. The reference knows no shards, flights or threads; it is written from the documentation.

use std::collections::HashMap;
use std::time::Duration;

use feedguard::cache::{CacheMode, CacheStatus, Eviction, ExpiryMode, LoadError, Loaded};
use feedguard::{CacheConfig, Clock, Deadline, SmartCache};
use proptest::prelude::*;

use crate::support::eventually;

const S: fn(u64) -> Duration = Duration::from_secs;
const TTL: u64 = 100;
const GRACE: u64 = 50;
const ON_ERROR: u64 = 300;
const NEGATIVE: u64 = 60;
const LRU_CAPACITY: usize = 3;

/// What a loader answers.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Value(u32),
    ValueFor(u32, u64),
    Missing,
    Error,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Load(u8, Answer, Option<u64>),
    Get(u8),
    Insert(u8, u32, Option<u64>),
    Invalidate(u8),
    InvalidateEven,
    Clear,
    Purge,
    Advance(u64),
}

/// What a lookup gives, as far as a caller sees it; times in seconds.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Value(u32, CacheStatus, u64),
    Failed(u64),
    Held(u64),
    Missing(u64, u64),
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    value: u32,
    at: u64,
    ttl: u64,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    is_missing: bool,
    since: u64,
    until: u64,
    failures: u32,
}

struct Reference {
    mode: CacheMode,
    is_soft: bool,
    now: u64,
    entries: HashMap<u8, Entry>,
    holds: HashMap<u8, Hold>,
    /// Keys, oldest first, for the old mode.
    order: Vec<u8>,
    refreshes: u64,
    lookups: u64,
}

impl Reference {
    fn new(mode: CacheMode, is_soft: bool) -> Self {
        Self {
            mode,
            is_soft,
            now: 0,
            entries: HashMap::new(),
            holds: HashMap::new(),
            order: Vec::new(),
            refreshes: 0,
            lookups: 0,
        }
    }

    fn is_smart(&self) -> bool {
        self.mode == CacheMode::Smart
    }

    fn touch(&mut self, key: u8) {
        if let Some(at) = self.order.iter().position(|other| *other == key) {
            let key = self.order.remove(at);
            self.order.push(key);
        }
    }

    fn remove(&mut self, key: u8) {
        self.entries.remove(&key);
        self.order.retain(|other| *other != key);
    }

    fn store(&mut self, key: u8, value: u32, ttl: u64) {
        if self.mode == CacheMode::Off {
            return;
        }
        self.holds.remove(&key);
        if ttl == 0 {
            self.remove(key);
            return;
        }
        self.order.retain(|other| *other != key);
        self.order.push(key);
        self.entries.insert(key, Entry { value, at: self.now, ttl });
        if self.mode == CacheMode::PlainLru {
            while self.entries.len() > LRU_CAPACITY {
                let oldest = self.order[0];
                self.remove(oldest);
            }
        }
    }

    /// What is of no use to anybody leaves at the next lookup or insert.
    fn purge(&mut self) {
        let bridge = if self.is_smart() { ON_ERROR } else { 0 };
        let is_dead = |entry: &Entry| self.now >= entry.at + entry.ttl + bridge;
        let dead: Vec<u8> = self.entries.iter().filter(|(_, entry)| is_dead(entry)).map(|(key, _)| *key).collect();
        dead.into_iter().for_each(|key| self.remove(key));
    }

    fn fail(&mut self, key: u8) -> u64 {
        let last = self.holds.get(&key).filter(|hold| self.now < hold.until + 60).map_or(0, |hold| hold.failures);
        let length = (1u64 << last.min(20)).min(60);
        let hold = Hold { is_missing: false, since: self.now, until: self.now + length, failures: last + 1 };
        self.holds.insert(key, hold);
        length
    }

    /// Books an answer; what the loading caller sees, if it has no older value to fall back on.
    fn book(&mut self, key: u8, answer: Answer, is_refresh: bool) -> Seen {
        match answer {
            Answer::Value(value) => {
                self.store(key, value, TTL);
                Seen::Value(value, CacheStatus::Loaded, 0)
            }
            Answer::ValueFor(value, ttl) => {
                self.store(key, value, ttl);
                Seen::Value(value, CacheStatus::Loaded, 0)
            }
            Answer::Missing => {
                // A refresh that finds nothing is believed the second time.
                let confirms = |hold: &Hold| hold.is_missing && (hold.until..hold.until + 60).contains(&self.now);
                if !is_refresh || self.holds.get(&key).is_some_and(confirms) {
                    self.remove(key);
                }
                if self.is_smart() {
                    let hold = Hold { is_missing: true, since: self.now, until: self.now + NEGATIVE, failures: 0 };
                    self.holds.insert(key, hold);
                }
                Seen::Missing(0, if self.is_smart() { NEGATIVE } else { 0 })
            }
            Answer::Error if self.is_smart() => Seen::Failed(self.fail(key)),
            Answer::Error => Seen::Failed(0),
        }
    }

    fn on_error(&self, key: u8, max_age: Option<u64>) -> Option<Seen> {
        let entry = self.entries.get(&key)?;
        let age = self.now - entry.at;
        let serves = self.now < entry.at + entry.ttl + ON_ERROR && max_age.is_none_or(|max| age <= max);
        serves.then_some(Seen::Value(entry.value, CacheStatus::StaleOnError, age))
    }

    fn load(&mut self, key: u8, answer: Answer, max_age: Option<u64>) -> Seen {
        self.lookups += 1;
        self.purge();
        self.touch(key);
        self.load_inner(key, answer, max_age)
    }

    fn load_inner(&mut self, key: u8, answer: Answer, max_age: Option<u64>) -> Seen {
        if let Some(entry) = self.entries.get(&key).copied() {
            let age = self.now - entry.at;
            let is_young = max_age.is_none_or(|max| age <= max);
            if !self.is_smart() {
                if age < entry.ttl && is_young {
                    return Seen::Value(entry.value, CacheStatus::Fresh, age);
                }
                return self.book(key, answer, false);
            }
            let is_due = age * 10 >= entry.ttl * 8;
            let is_stale = age >= entry.ttl;
            if is_young && !is_due {
                return Seen::Value(entry.value, CacheStatus::Fresh, age);
            }
            if is_young && (!is_stale || (self.is_soft && age < entry.ttl + GRACE)) {
                let is_held = self.holds.get(&key).is_some_and(|hold| self.now < hold.until);
                let status = match (is_stale, is_held) {
                    (true, _) => CacheStatus::Stale,
                    (false, true) => CacheStatus::Fresh,
                    (false, false) => CacheStatus::Refreshing,
                };
                if !is_held {
                    self.refreshes += 1;
                    self.book(key, answer, true);
                }
                return Seen::Value(entry.value, status, age);
            }
        }
        if self.is_smart() {
            if let Some(hold) = self.holds.get(&key).copied().filter(|hold| self.now < hold.until) {
                let refused = if hold.is_missing {
                    Seen::Missing(self.now - hold.since, hold.until - self.now)
                } else {
                    Seen::Held(hold.until - self.now)
                };
                return self.on_error(key, max_age).unwrap_or(refused);
            }
        }
        match self.book(key, answer, false) {
            Seen::Failed(retry) if self.is_smart() => self.on_error(key, max_age).unwrap_or(Seen::Failed(retry)),
            seen => seen,
        }
    }

    fn get(&mut self, key: u8) -> Seen {
        self.lookups += 1;
        self.purge();
        self.touch(key);
        match self.entries.get(&key) {
            Some(entry) if self.now < entry.at + entry.ttl => {
                Seen::Value(entry.value, CacheStatus::Fresh, self.now - entry.at)
            }
            _ => Seen::Nothing,
        }
    }
}

fn run(mode: CacheMode, expiry: ExpiryMode, eviction: Eviction, ops: &[Op]) -> Result<(), TestCaseError> {
    let (clock, time) = Clock::manual();
    let config = CacheConfig::default()
        .mode(mode)
        .expiry(expiry)
        .eviction(eviction)
        .max_capacity(if mode == CacheMode::PlainLru { LRU_CAPACITY as u64 } else { 200 })
        .time_to_live(S(TTL))
        .grace(Some(S(GRACE)))
        .stale_if_error(S(ON_ERROR))
        .negative_ttl(S(NEGATIVE))
        .jitter(0.0);
    let cache: SmartCache<u8, u32, ()> = SmartCache::builder("model").config(config).clock(clock).build().unwrap();
    let mut reference = Reference::new(mode, expiry == ExpiryMode::Soft);
    for (nth, op) in ops.iter().enumerate() {
        match *op {
            Op::Load(key, answer, max_age) => {
                let load = move |_: &u8| match answer {
                    Answer::Value(value) => Ok(Loaded::Value(value)),
                    Answer::ValueFor(value, ttl) => Ok(Loaded::ValueFor(value, S(ttl))),
                    Answer::Missing => Ok(Loaded::Missing),
                    Answer::Error => Err(()),
                };
                let real = match cache.get_or_fetch_by(&key, Deadline::never(), max_age.map(S), load) {
                    Ok(cached) => Seen::Value(*cached, cached.status(), cached.age().as_secs()),
                    Err(LoadError::Failed { retry_after, .. }) => Seen::Failed(retry_after.as_secs()),
                    Err(LoadError::Held { retry_after, .. }) => Seen::Held(retry_after.as_secs()),
                    Err(LoadError::Missing { age, retry_after, .. }) => {
                        Seen::Missing(age.as_secs(), retry_after.as_secs())
                    }
                    Err(other) => panic!("{other:?}"),
                };
                let expected = reference.load(key, answer, max_age);
                eventually("the refresh ends", || cache.snapshot().refreshes == reference.refreshes);
                prop_assert_eq!(real, expected, "step {}: {:?}", nth, op);
            }
            Op::Get(key) => {
                let real = cache.get(&key);
                let real = real.map_or(Seen::Nothing, |c| Seen::Value(*c, c.status(), c.age().as_secs()));
                prop_assert_eq!(real, reference.get(key), "step {}: {:?}", nth, op);
            }
            Op::Insert(key, value, ttl) => {
                match ttl {
                    Some(ttl) => cache.insert_for(&key, value, S(ttl)).unwrap(),
                    None => cache.insert(&key, value).unwrap(),
                }
                reference.purge();
                reference.store(key, value, ttl.unwrap_or(TTL));
            }
            Op::Invalidate(key) => {
                cache.invalidate(&key);
                reference.remove(key);
                reference.holds.remove(&key);
            }
            Op::InvalidateEven => {
                cache.invalidate_if(|_, value| value % 2 == 0);
                // What has no value to ask about counts as named.
                let entries = &reference.entries;
                reference.holds.retain(|key, _| entries.contains_key(key));
                let even: Vec<u8> =
                    reference.entries.iter().filter(|(_, e)| e.value % 2 == 0).map(|(key, _)| *key).collect();
                for key in even {
                    reference.remove(key);
                    reference.holds.remove(&key);
                }
            }
            Op::Clear => {
                cache.clear();
                reference.entries.clear();
                reference.holds.clear();
                reference.order.clear();
            }
            Op::Purge => {
                cache.purge_expired();
                reference.purge();
            }
            Op::Advance(seconds) => {
                time.advance(S(seconds));
                reference.now += seconds;
            }
        }
    }
    prop_assert_eq!(cache.snapshot().gets(), reference.lookups);
    Ok(())
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0u8..5;
    let answer = prop_oneof![
        4 => (0u32..1000).prop_map(Answer::Value),
        1 => (0u32..1000, prop_oneof![Just(0u64), 1u64..200]).prop_map(|(value, ttl)| Answer::ValueFor(value, ttl)),
        1 => Just(Answer::Missing),
        3 => Just(Answer::Error),
    ];
    let op = prop_oneof![
        8 => (key.clone(), answer, prop_oneof![4 => Just(None), 1 => (0u64..150).prop_map(Some)])
            .prop_map(|(key, answer, max_age)| Op::Load(key, answer, max_age)),
        2 => key.clone().prop_map(Op::Get),
        2 => (key.clone(), 0u32..1000, prop_oneof![3 => Just(None), 1 => (0u64..200).prop_map(Some)])
            .prop_map(|(key, value, ttl)| Op::Insert(key, value, ttl)),
        1 => key.prop_map(Op::Invalidate),
        1 => Just(Op::InvalidateEven),
        1 => Just(Op::Clear),
        1 => Just(Op::Purge),
        6 => prop_oneof![0u64..5, 5u64..60, 60u64..500].prop_map(Op::Advance),
    ];
    prop::collection::vec(op, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soft_expiry_is_as_documented(ops in ops()) {
        run(CacheMode::Smart, ExpiryMode::Soft, Eviction::TinyLfu, &ops)?;
    }

    #[test]
    fn hard_expiry_is_as_documented(ops in ops()) {
        run(CacheMode::Smart, ExpiryMode::Hard, Eviction::Lru, &ops)?;
    }

    #[test]
    fn plain_lru_is_the_old_cache(ops in ops()) {
        run(CacheMode::PlainLru, ExpiryMode::Soft, Eviction::TinyLfu, &ops)?;
    }

    #[test]
    fn off_is_no_cache(ops in ops()) {
        run(CacheMode::Off, ExpiryMode::Soft, Eviction::TinyLfu, &ops)?;
    }
}
