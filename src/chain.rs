//! Which loads the running code is part of, across threads: a loader that asks for the key it is loading
//! would wait for itself, on whatever thread it asks.
//!
//! Whoever runs a load enters it; whoever hands a call to another thread takes [`Chain::current`] along
//! and enters that there. No thread is named, so it does not matter who runs what.

use std::cell::RefCell;

crate::sync::thread_local! {
    static LOADS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The loads the current code is part of, outermost first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(Vec<usize>);

impl Chain {
    /// Those of the calling thread.
    pub(crate) fn current() -> Self {
        LOADS.with(|loads| Self(loads.borrow().clone()))
    }

    /// Makes them the calling thread's, until the guard is dropped.
    pub(crate) fn enter(self) -> Entered {
        LOADS.with(|loads| Entered(loads.replace(self.0)))
    }
}

/// Adds loads to the calling thread's, until the guard is dropped.
pub(crate) fn enter(ids: impl IntoIterator<Item = usize>) -> Entered {
    LOADS.with(|loads| {
        let before = loads.borrow().clone();
        loads.borrow_mut().extend(ids);
        Entered(before)
    })
}

/// How many loads the calling code is part of.
pub(crate) fn depth() -> usize {
    LOADS.with(|loads| loads.borrow().len())
}

/// Whether the calling code is part of that load.
pub(crate) fn contains(id: usize) -> bool {
    LOADS.with(|loads| loads.borrow().contains(&id))
}

/// Puts back what stood before.
#[must_use = "dropped at once it enters nothing"]
pub(crate) struct Entered(Vec<usize>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.0);
        LOADS.with(|loads| drop(loads.replace(before)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test plays the other thread")]
    #[test]
    fn a_chain_goes_with_the_work_and_leaves_with_it() {
        let outer = enter([1]);
        let carried = Chain::current();
        std::thread::spawn(move || {
            assert!(!contains(1));
            let here = carried.enter();
            let inner = enter([2]);
            assert!(contains(1) && contains(2));
            drop(inner);
            assert!(contains(1) && !contains(2));
            drop(here);
            assert!(!contains(1));
        })
        .join()
        .unwrap();
        drop(outer);
        assert!(!contains(1));
    }
}
