//! The validator's own threads, for series too long for one.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::row_set::PAGE_ROWS;

/// Pages of rows from which on threads help.
const MIN_PAGES: usize = 4;
/// Threads that `0` stands for at most; the memory is busy long before.
const MAX_THREADS: usize = 8;

/// Shares ranges of rows out; starts threads when a series first needs them.
pub(super) struct Threads {
    count: usize,
    pool: OnceLock<Option<ThreadPool>>,
}

impl Threads {
    pub(super) fn new(configured: usize) -> Self {
        Self { count: configured, pool: OnceLock::new() }
    }

    /// The work on all rows, by ranges that start at whole pages, in order. One range if there is
    /// nobody to share with.
    pub(super) fn map<T: Send>(&self, rows: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let pages = rows.div_ceil(PAGE_ROWS);
        let pool = if self.count == 1 || pages < MIN_PAGES { None } else { self.pool() };
        let Some(pool) = pool else { return vec![work(0..rows)] };
        let range = |page: usize| page * PAGE_ROWS..((page + 1) * PAGE_ROWS).min(rows);
        pool.install(|| (0..pages).into_par_iter().map(|page| work(range(page))).collect())
    }

    fn pool(&self) -> Option<&ThreadPool> {
        let start = || {
            let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let count = if self.count == 0 { available.min(MAX_THREADS) } else { self.count };
            let pool =
                ThreadPoolBuilder::new().num_threads(count).thread_name(|at| format!("feedguard-quality-{at}")).build();
            pool.inspect_err(|error| tracing::warn!(%error, "no threads for the validator: the caller's has to do"))
                .ok()
        };
        self.pool.get_or_init(start).as_ref()
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("count", &self.count).finish_non_exhaustive()
    }
}
