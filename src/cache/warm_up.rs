//! Warm-up: loads a list of keys through the same flights as every other lookup.

use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::{Loaded, SmartCache};

/// What a warm-up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WarmUpReport {
    /// Keys that are in the cache now.
    pub ok: usize,
    /// Keys whose load failed.
    pub failed: usize,
    /// Keys whose load panicked.
    pub panicked: usize,
}

impl WarmUpReport {
    /// Keys done so far.
    pub const fn done(&self) -> usize {
        self.ok + self.failed + self.panicked
    }
}

impl WarmUpReport {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { ok: self.ok + other.ok, failed: self.failed + other.failed, panicked: self.panicked + other.panicked }
    }
}

enum Loading {
    Ok,
    Failed,
    Panicked,
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Loads `keys` on this thread and on idle refresh threads; returns when all are done.
    /// `progress` is called on this thread after each key.
    ///
    /// # Panics
    /// A panic of `progress` goes on; panics of the loader are counted.
    pub fn warm_up<L: Into<Loaded<V>> + 'static>(
        &self,
        keys: Vec<K>,
        loader: impl Fn(&K) -> Result<L, E> + Clone + Send + Sync + 'static,
        mut progress: impl FnMut(&WarmUpReport),
    ) -> WarmUpReport {
        let (keys, next) = (Arc::new(keys), Arc::new(AtomicUsize::new(0)));
        let (sender, receiver) = mpsc::channel();
        let helpers = self.core().config.refresh_workers.min(keys.len().saturating_sub(1));
        for _ in 0..helpers {
            let (cache, keys, next) = (self.clone(), Arc::clone(&keys), Arc::clone(&next));
            let (loader, sender) = (loader.clone(), sender.clone());
            let help = move || {
                while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send(cache.warm_one(key, &loader)).is_err() {
                        return;
                    }
                }
            };
            if self.core().pool.submit(Box::new(help)).is_err() {
                break;
            }
        }
        drop(sender);
        let mut report = WarmUpReport::default();
        let mut count = |loading| {
            match loading {
                Loading::Ok => report.ok += 1,
                Loading::Failed => report.failed += 1,
                Loading::Panicked => report.panicked += 1,
            }
            progress(&report);
        };
        while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            count(self.warm_one(key, &loader));
            receiver.try_iter().for_each(&mut count);
        }
        receiver.iter().for_each(&mut count);
        report
    }

    fn warm_one<L: Into<Loaded<V>>>(
        &self,
        key: &K,
        loader: &(impl Fn(&K) -> Result<L, E> + Clone + Send + Sync + 'static),
    ) -> Loading {
        match catch_unwind(AssertUnwindSafe(|| self.get_or_load(key, loader.clone()))) {
            Ok(Ok(_cached)) => Loading::Ok,
            Ok(Err(_error)) => Loading::Failed,
            Err(_panic) => Loading::Panicked,
        }
    }
}
