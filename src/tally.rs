//! Counts that many threads raise at once without waiting for each other's cache lines.

use std::cell::Cell;
// Not the door of the models: which cell a thread gets is no part of them.
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicU64, Ordering};

/// Cells a count is spread over; threads share them in turn.
const STRIPES: usize = 4;

/// `N` counts that only grow.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>([CachePadded<[AtomicU64; N]>; STRIPES]);

impl<const N: usize> Tally<N> {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0)))))
    }

    /// Adds to one count; ordered with every other operation on it, and on words that are read and
    /// written as strictly.
    #[inline]
    pub(crate) fn add(&self, which: usize, by: u64) {
        self.0[stripe()][which].fetch_add(by, Ordering::SeqCst);
    }

    /// The sum now. Not a moment's picture: additions during the call may be in it or not.
    #[inline]
    pub(crate) fn sum(&self, which: usize) -> u64 {
        self.0.iter().fold(0, |sum, cells| sum.wrapping_add(cells[which].load(Ordering::SeqCst)))
    }
}

/// The calling thread's cell.
#[inline]
fn stripe() -> usize {
    // Which threads share a cell; of no consequence to what is counted.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed) % STRIPES);
    }
    MINE.with(Cell::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up() {
        let tally: Tally<2> = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        tally.add(0, 2);
                        tally.add(1, 1);
                    }
                });
            }
        });
        assert_eq!((tally.sum(0), tally.sum(1)), (12_000, 6_000));
    }
}
