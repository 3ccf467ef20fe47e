//! A place in the line of a limiter.

use std::time::Duration;

use super::bucket::Place;
use super::{AdaptiveRateLimiter, Limited, RatePermit};
use crate::clock::Deadline;

/// A place in the line: the permits are taken in advance, and nobody who asked later comes before.
///
/// Who holds a reservation holds up those behind it, also once its turn has come: wait on it soon, or
/// drop it. Nobody waiting on it for a [lease](super::LimiterConfig::lease) from its turn, it is given up;
/// who waits on it then stands at the end of the line.
///
/// Dropped unused, the place goes back if it is the last of the line; otherwise it is lost, since one
/// in the middle cannot be handed on without two callers sharing a moment.
///
/// # Examples
/// ```
/// use feedguard::{AdaptiveRateLimiter, Deadline, LimiterConfig};
/// let limiter = AdaptiveRateLimiter::new("tushare", LimiterConfig::fixed(100.0))?;
/// let place = limiter.reserve(1, Deadline::never())?;
/// println!("my turn comes in {:?}", place.remaining());
/// place.wait(Deadline::never())?.succeed();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a reservation that is dropped gives its place up"]
#[derive(Debug)]
pub struct Reservation<'a> {
    pub(super) limiter: &'a AdaptiveRateLimiter,
    pub(super) n: u32,
    /// Empty once used.
    pub(super) place: Option<Place>,
}

impl<'a> Reservation<'a> {
    /// The time until its turn; zero once it has come. A pause or a cut of the rate may make it
    /// longer, a growing rate shorter.
    pub fn remaining(&self) -> Duration {
        self.place.map_or(Duration::ZERO, |place| self.limiter.queue.turn_of(self.n, place))
    }

    /// Waits for its turn until `deadline`, and starts.
    ///
    /// # Errors
    /// [`Limited`] if the turn comes too late, or when the limiter is closed; the place is given up.
    pub fn wait(mut self, deadline: Deadline) -> Result<RatePermit<'a>, Limited> {
        match self.place.take() {
            Some(place) => self.limiter.wait_turn(self.n, place, deadline),
            // Nothing was asked for, or nothing is limited.
            None => Ok(self.limiter.unrecorded()),
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.limiter.queue.leave(self.n, place);
        }
    }
}
