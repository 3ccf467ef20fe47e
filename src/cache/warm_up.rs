//! Warm-up: loads a list of keys through the same flights as every other lookup.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::load_guard::{LoadContext, Loader};
use super::smart_cache::LookupOptions;
use super::{Key, Loaded, SmartCache};

/// What a warm-up did.
///
/// # Examples
/// ```
/// use feedguard::{CacheConfig, SmartCache};
/// let cache: SmartCache<u32, u32, String> = SmartCache::new("numbers", CacheConfig::default())?;
/// let load = |n: &u32| if *n == 3 { Err("three".to_owned()) } else { Ok(*n) };
/// let report = cache.warm_up((0..10).collect(), load, |so_far| println!("{} done", so_far.done()));
/// assert_eq!((report.ok, report.failed), (9, 1));
/// # Ok::<(), feedguard::ConfigError>(())
/// ```
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
    fn count(&mut self, loading: Loading, progress: &mut impl FnMut(&Self)) {
        match loading {
            Loading::Ok => self.ok += 1,
            Loading::Failed => self.failed += 1,
            Loading::Panicked => self.panicked += 1,
        }
        progress(self);
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { ok: self.ok + other.ok, failed: self.failed + other.failed, panicked: self.panicked + other.panicked }
    }
}

#[derive(Clone, Copy)]
enum Loading {
    Ok,
    Failed,
    Panicked,
}

impl<K, V, E> SmartCache<K, V, E>
where
    K: Key,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Loads `keys` on this thread and on idle refresh threads; returns when all are done.
    /// `progress` is called on this thread after each key.
    ///
    /// # Panics
    /// A panic of `progress` propagates; panics of the loader are counted.
    pub fn warm_up<L: Into<Loaded<V>> + 'static>(
        &self,
        keys: Vec<K>,
        loader: impl Fn(&K) -> Result<L, E> + Clone + Send + Sync + 'static,
        progress: impl FnMut(&WarmUpReport),
    ) -> WarmUpReport {
        let loader = move |key: &K, _: &LoadContext<'_, K, V, E>| loader(key).map(Into::into);
        self.warm_up_by(keys, loader, progress)
    }

    /// As [`warm_up`](Self::warm_up), with a loader that is told what it loads for.
    pub(crate) fn warm_up_by(
        &self,
        keys: Vec<K>,
        loader: impl Loader<K, V, E> + Clone,
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
        while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            report.count(self.warm_one(key, &loader), &mut progress);
            for loading in receiver.try_iter() {
                report.count(loading, &mut progress);
            }
        }
        // Not until the channel closes: helpers still in the queue hold it open.
        while report.done() < keys.len() {
            match receiver.recv() {
                Ok(loading) => report.count(loading, &mut progress),
                Err(_all_helpers_gone) => break,
            }
        }
        report
    }

    fn warm_one(&self, key: &K, loader: &(impl Loader<K, V, E> + Clone)) -> Loading {
        match catch_unwind(AssertUnwindSafe(|| self.lookup(key, LookupOptions::default(), loader.clone()))) {
            Ok(Ok(_cached)) => Loading::Ok,
            Ok(Err(_error)) => Loading::Failed,
            Err(_panic) => Loading::Panicked,
        }
    }
}
