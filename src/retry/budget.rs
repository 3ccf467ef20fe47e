//! A share of first calls that may be made a second time, saved up to a bound.

use crate::sync::Mutex;

/// Unused second calls are saved up to this many.
const MOST_SAVED: f64 = 10.0;
/// A tenth, ten times, is a little less than one.
const ROUNDING: f64 = 1e-9;

pub(crate) struct CallBudget {
    share: f64,
    saved: Mutex<f64>,
}

impl CallBudget {
    /// `share` of the first calls; `full` starts with what can be saved up.
    pub(crate) fn new(share: f64, full: bool) -> Self {
        let saved = if full && share > 0.0 { MOST_SAVED } else { 0.0 };
        Self { share, saved: Mutex::new(saved) }
    }

    /// A first call was made.
    pub(crate) fn earn(&self) {
        let mut saved = self.saved.lock();
        *saved = (*saved + self.share).min(MOST_SAVED);
    }

    /// Takes a second call, if there is one.
    pub(crate) fn try_spend(&self) -> bool {
        let mut saved = self.saved.lock();
        let may = *saved >= 1.0 - ROUNDING;
        *saved -= f64::from(u8::from(may));
        drop(saved);
        may
    }

    /// Gives a second call back that was not made.
    pub(crate) fn refund(&self) {
        let mut saved = self.saved.lock();
        *saved = (*saved + 1.0).min(MOST_SAVED);
    }
}
