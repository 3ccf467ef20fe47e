//! The one door to locks, shared words and thread identity: `parking_lot` and `std`, or their
//! shuttle twins when the interleaving models are compiled (`--cfg feedguard_shuttle`).

#[cfg(not(feedguard_shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(feedguard_shuttle))]
pub(crate) use std::{sync::atomic, thread, thread_local};

#[cfg(feedguard_shuttle)]
pub(crate) use model::{Condvar, Mutex, MutexGuard};
#[cfg(feedguard_shuttle)]
pub(crate) use shuttle::{sync::atomic, thread, thread_local};

/// shuttle's locks with the faces of `parking_lot`'s. Time-outs never come: a model waits until it
/// is notified, and a lost wake-up is a deadlock that shuttle reports.
#[cfg(feedguard_shuttle)]
mod model {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        /// Empty only while a wait or `unlocked` has given the lock away.
        inner: Option<shuttle::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            MutexGuard { mutex: self, inner: Some(inner) }
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> MutexGuard<'_, T> {
        pub(crate) fn unlocked<R>(guard: &mut Self, run: impl FnOnce() -> R) -> R {
            guard.inner = None;
            let result = run();
            guard.inner = Some(guard.mutex.0.lock().unwrap_or_else(PoisonError::into_inner));
            result
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        #[expect(clippy::unwrap_used, reason = "full outside waits")]
        fn deref(&self) -> &T {
            self.inner.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        #[expect(clippy::unwrap_used, reason = "full outside waits")]
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_mut().unwrap()
        }
    }

    /// What a wait that never times out says.
    pub(crate) struct InTime;

    impl InTime {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }

    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Default for Condvar {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(shuttle::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            if let Some(inner) = guard.inner.take() {
                guard.inner = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
            }
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _never: Duration) -> InTime {
            self.wait(guard);
            InTime
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
