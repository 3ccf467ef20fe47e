//! Listeners of a room: called after the fact, outside every lock. A panic in one is caught and logged,
//! and the others still hear.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::config::Faults;
use crate::error::ConfigError;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Listeners a room takes; one more is a fault of the configuration.
pub(crate) const MAX_LISTENERS: usize = 16;

type Listener<E> = Arc<dyn Fn(&E) + Send + Sync>;

pub(crate) struct Listeners<E> {
    first: Vec<Listener<E>>,
    /// Those that came after the guard was built, and whether there are any: a fetch asks each time.
    later: Mutex<Vec<Listener<E>>>,
    has_later: AtomicBool,
}

impl<E> Clone for Listeners<E> {
    fn clone(&self) -> Self {
        let later = self.later.lock().clone();
        Self { first: self.first.clone(), has_later: AtomicBool::new(!later.is_empty()), later: Mutex::new(later) }
    }
}

impl<E> Default for Listeners<E> {
    fn default() -> Self {
        Self { first: Vec::new(), later: Mutex::new(Vec::new()), has_later: AtomicBool::new(false) }
    }
}

impl<E> Listeners<E> {
    pub(crate) fn add(&mut self, listener: impl Fn(&E) + Send + Sync + 'static) {
        self.first.push(Arc::new(listener));
    }

    /// Adds one to a guard that is built.
    ///
    /// # Errors
    /// A fault if there are [`MAX_LISTENERS`] already.
    pub(crate) fn subscribe(&self, listener: impl Fn(&E) + Send + Sync + 'static) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        let mut later = self.later.lock();
        let count = self.first.len() + later.len();
        if count < MAX_LISTENERS {
            later.push(Arc::new(listener));
            self.has_later.store(true, Ordering::Release);
        }
        drop(later);
        faults.range("listeners", count + 1, 0..=MAX_LISTENERS);
        faults.finish()
    }

    /// A fault if there are more than [`MAX_LISTENERS`].
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("listeners", self.first.len(), 0..=MAX_LISTENERS);
        faults.finish()
    }

    pub(crate) fn has_any(&self) -> bool {
        !self.first.is_empty() || self.has_later.load(Ordering::Acquire)
    }

    /// Calls all of them with an event of the guard `name`.
    pub(crate) fn tell(&self, name: &dyn Display, event: &E) {
        let later = self.later.lock().clone();
        for listener in self.first.iter().chain(&later) {
            if catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
                tracing::error!(guard = %name, "a listener panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_of_one_listener_keeps_the_event_from_nobody() {
        let heard = Arc::new(AtomicUsize::new(0));
        let mut listeners = Listeners::default();
        let count = Arc::clone(&heard);
        listeners.add(|_: &u32| panic!("a listener"));
        listeners.add(move |n: &u32| {
            count.fetch_add(*n as usize, Ordering::Relaxed);
        });
        listeners.tell(&"x", &7);
        assert_eq!(heard.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn one_listener_too_many_is_a_fault() {
        let mut listeners = Listeners::default();
        (0..MAX_LISTENERS).for_each(|_| listeners.add(|_: &u32| {}));
        assert!(listeners.validate().is_ok());
        listeners.add(|_| {});
        assert_eq!(listeners.validate().unwrap_err().faults()[0].path, "listeners");
    }
}
