//! Threads that stand in for workers: one that runs a borrowed call while a worker waits for its end.

use std::cell::RefCell;

crate::sync::thread_local! {
    /// The engines whose workers wait for the calling thread.
    static ENGINES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread stands in for workers of that engine, for the rest of its life.
pub(super) fn enter(engine: usize) {
    ENGINES.with(|engines| engines.borrow_mut().push(engine));
}

/// Whether the calling thread stands in for one of that engine.
pub(super) fn is_one(engine: usize) -> bool {
    ENGINES.with(|engines| engines.borrow().contains(&engine))
}
