//! Token arithmetic, pure: the generic cell rate algorithm (GCRA).
//!
//! The bucket is one number, the theoretical arrival time of the next call. `n` calls may start
//! when it is at most `burst` intervals ahead of now, and push it `n` intervals further. So any
//! window `w` grants at most `burst + rate x w`.
//!
//! Times are in 2^-32 nanoseconds, so that intervals down to 0.2 ns keep nine digits.

use std::time::Duration;

use crate::clock::Tick;

const FRACTION_BITS: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    interval: u128,
    burst: u32,
    /// Theoretical arrival time.
    arrival: u128,
}

fn fixed(tick: Tick) -> u128 {
    u128::from(tick.0) << FRACTION_BITS
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "validated rates give 0.2 ns to one day")]
fn interval(rate: f64) -> u128 {
    ((1e9 / rate) * 4_294_967_296.0).ceil() as u128
}

/// `part / whole` of `of`, rounded up; the product of the integers would overflow.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both factors are below 2^80")]
fn share(part: u128, whole: u128, of: u128) -> u128 {
    (part as f64 / whole as f64 * of as f64).ceil() as u128
}

impl Bucket {
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        Self { interval: interval(rate), burst, arrival: 0 }
    }

    /// When `n` permits may be taken: zero means now.
    pub(super) fn wait(&self, n: u32, now: Tick) -> Duration {
        let start = self.arrival.max(fixed(now)) + self.interval * u128::from(n);
        let latest = fixed(now) + self.interval * u128::from(self.burst);
        let nanos = start.saturating_sub(latest).div_ceil(1 << FRACTION_BITS);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes `n` permits, now or in advance.
    pub(super) fn take(&mut self, n: u32, now: Tick) {
        self.arrival = self.arrival.max(fixed(now)) + self.interval * u128::from(n);
    }

    /// Puts `n` permits back.
    pub(super) fn refund(&mut self, n: u32) {
        self.arrival = self.arrival.saturating_sub(self.interval * u128::from(n));
    }

    /// Changes the rate; permits taken in advance, counted from `base`, keep their number.
    pub(super) fn set_rate(&mut self, rate: f64, base: Tick) {
        let new = interval(rate);
        let ahead = self.arrival.saturating_sub(fixed(base));
        if ahead > 0 {
            let (whole, rest) = (ahead / self.interval, ahead % self.interval);
            self.arrival =
                fixed(base).saturating_add(whole.saturating_mul(new)).saturating_add(share(rest, self.interval, new));
        }
        self.interval = new;
    }

    /// Moves everything taken in advance, and all that follows, later by `pause`.
    pub(super) fn postpone(&mut self, pause: Duration, now: Tick) {
        self.arrival = self.arrival.max(fixed(now)).saturating_add(fixed(Tick::default().after(pause)));
    }
}
