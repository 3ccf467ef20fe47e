//! What a test inside a process with other tests cannot show: a host that forks, and one whose system gives no
//! thread. Without a harness, so that this process has no threads but those it starts.

#[cfg(not(unix))]
fn main() {
    println!("SKIPPED: forking is for Unix");
}

#[cfg(unix)]
fn main() {
    if std::env::var_os(unix::NO_THREADS).is_some() {
        return unix::without_threads();
    }
    unix::a_host_without_threads_gets_answers();
    unix::a_child_of_a_fork_has_a_cache_that_works();
    println!("process: 2 passed");
}

#[cfg(unix)]
mod unix {
    use std::process::{Command, exit};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use feedguard::cache::CacheStatus;
    use feedguard::{CacheConfig, Clock, SmartCache};

    /// Set in the process whose threads cannot be had.
    pub const NO_THREADS: &str = "FEEDGUARD_TEST_NO_THREADS";
    /// A net, not a measurement: no outcome depends on it.
    const NEVER: Duration = Duration::from_secs(60);

    type Cache = SmartCache<u64, u64, String>;

    fn eventually(what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < NEVER, "never happened: {what}");
            std::thread::yield_now();
        }
    }

    fn threads_named(name: &str) -> usize {
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
        let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|of| of.trim() == name).count()
    }

    pub fn a_child_of_a_fork_has_a_cache_that_works() {
        let config = CacheConfig::default().jitter(0.0).refresh_ahead(0.0);
        let cache: Cache = SmartCache::new("forked", config).unwrap();
        cache.insert_for(&1, 1, Duration::from_millis(300)).unwrap();
        // Threads before the fork: a refresh worker that idles, and the one that tells the policy of reads.
        cache.insert(&2, 0).unwrap();
        assert_eq!(*cache.get_or_load(&2, |_| Ok(1)).unwrap(), 0);
        eventually("the parent refreshes", || cache.get(&2).is_some_and(|value| *value == 1));
        (10..1_000).for_each(|key| cache.insert(&key, key).unwrap());
        eventually("the parent has a keeper", || {
            (10..1_000).for_each(|key| drop(cache.get(&key)));
            threads_named("feedguard-keep") == 1 || cfg!(not(target_os = "linux"))
        });
        // One shard, one worker, which is busy, and a refresh in line behind it.
        let (queued, opens) = (one_worker(), Arc::new(AtomicBool::new(false)));
        let (inside, is_inside) = (Arc::clone(&opens), Arc::new(AtomicBool::new(false)));
        let enters = Arc::clone(&is_inside);
        let busy = move |_: &u64| {
            enters.store(true, Ordering::SeqCst);
            eventually("the parent opens", || inside.load(Ordering::SeqCst));
            Ok(10)
        };
        drop(queued.get_or_load(&1, busy));
        eventually("the worker is busy", || is_inside.load(Ordering::SeqCst));
        assert_eq!(queued.get_or_load(&2, |_| Ok(20)).unwrap().status(), CacheStatus::Refreshing);
        match fork::fork().expect("a fork") {
            fork::Fork::Child => {
                let all = move || {
                    child(&cache);
                    child_of_a_queue(&queued);
                    // Nobody waits for threads that are the parent's.
                    drop((cache, queued));
                };
                exit(i32::from(std::panic::catch_unwind(std::panic::AssertUnwindSafe(all)).is_err()));
            }
            fork::Fork::Parent(child) => {
                opens.store(true, Ordering::SeqCst);
                let status = fork::waitpid(child).expect("the child ends");
                assert_eq!(status, 0, "the child failed, see above");
                assert!(cache.get(&2).is_some(), "the parent goes on");
            }
        }
    }

    fn one_worker() -> Cache {
        let config = CacheConfig::default().jitter(0.0).refresh_ahead(0.0).refresh_workers(1).max_capacity(100);
        let cache: Cache = SmartCache::new("queued", config).unwrap();
        (1..4).for_each(|key| cache.insert(&key, key).unwrap());
        cache
    }

    fn child_of_a_queue(cache: &Cache) {
        // The first read finds out, with a shard's lock in hand, that all that was queued is the parent's.
        assert_eq!(cache.get_or_load(&3, |_| Ok(30)).unwrap().status(), CacheStatus::Refreshing);
        eventually("it is refreshed", || cache.get(&3).is_some_and(|value| *value == 30));
        eventually("what was in line is refreshed by a new reader", || {
            drop(cache.get_or_load(&2, |_| Ok(21)));
            cache.get(&2).is_some_and(|value| *value == 21)
        });
    }

    fn child(cache: &Cache) {
        assert_eq!(threads_named("forked-1"), 0, "a fork takes no threads along");
        eventually("the clock ticks", || cache.get(&1).is_none());
        assert_eq!(*cache.get_or_load(&2, |_| Ok(2)).unwrap(), 1);
        eventually("refreshes run", || cache.get(&2).is_some_and(|value| *value == 2));
        eventually("reads are passed on", || {
            (10..1_000).for_each(|key| drop(cache.get(&key)));
            threads_named("feedguard-keep") == 1 || cfg!(not(target_os = "linux"))
        });
    }

    pub fn a_host_without_threads_gets_answers() {
        let me = std::env::current_exe().expect("this program");
        // No system has a stack of this size to give.
        let mut again = Command::new(me);
        again.env(NO_THREADS, "1").env("RUST_MIN_STACK", (1u64 << 60).to_string());
        let mut process = again.spawn().expect("this program again");
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("its end") {
                return assert!(status.success(), "the host without threads failed, see above");
            }
            if begun.elapsed() > NEVER {
                process.kill().expect("an end");
                panic!("the host without threads hangs: a lock was held while it logged");
            }
            std::thread::yield_now();
        }
    }

    /// A host whose logger uses the cache.
    struct Logger {
        cache: Cache,
        depth: AtomicUsize,
    }

    impl tracing::Subscriber for Logger {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.target().starts_with("feedguard")
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            if self.depth.fetch_add(1, Ordering::SeqCst) < 20 {
                drop(self.cache.get_or_load(&1, |_| Ok(3)));
                (10..1_000).for_each(|key| drop(self.cache.get(&key)));
            }
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    pub fn without_threads() {
        assert!(std::thread::Builder::new().spawn(|| {}).is_err(), "there are threads after all");
        let (clock, time) = Clock::manual();
        let config = CacheConfig::default().jitter(0.0).time_to_live(Duration::from_secs(100));
        let due: Cache = SmartCache::builder("due").config(config.clone()).clock(clock).build().unwrap();
        [1, 2].iter().for_each(|key| due.insert(key, *key).unwrap());
        time.advance(Duration::from_secs(90));
        // By the real clock, many reads look for the thread that tells the policy of them.
        let read: Cache = SmartCache::new("read", config).unwrap();
        (10..1_000).for_each(|key| read.insert(&key, key).unwrap());
        let logger = Logger { cache: due.clone(), depth: AtomicUsize::new(0) };
        tracing::subscriber::with_default(logger, || {
            let cached = due.get_or_load(&2, |_| Ok(3)).unwrap();
            assert_eq!((*cached, cached.status()), (2, CacheStatus::Fresh), "served, and nothing is on its way");
            assert_eq!(*due.get_or_load(&3, |_| Ok(3)).unwrap(), 3);
            (10..1_000).for_each(|key| drop(read.get(&key)));
            let report = due.warm_up((20..30).collect(), |key| Ok(*key), |_| {});
            assert_eq!(report.ok, 10, "on this thread");
        });
    }
}
