//! A rate as exact integers, pure: permits a nanosecond, to 63 binary digits whatever the rate.
//!
//! Places in the line are in 2^-64 permits. A floating-point rate of one a day or of 5e9 a second would
//! lose digits in any one fixed point; a mantissa with its own shift does not, so that the hundred-and-first
//! permit at 10 a second is due ten seconds after the first, to the nanosecond.

/// Permits a nanosecond: `mantissa / 2^shift`, rounded up by less than two digits of it: so a whole number of
/// intervals is met in its time, and ten years are early by a thirtieth of a nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    mantissa: u64,
    shift: u32,
}

/// Bits after the point of a place.
pub(super) const PLACE: u32 = 64;
/// So that a time with its fraction fits 128 bits.
const MOST_SHIFT: u32 = 100;
const SCALE: u32 = 80;
const NANOS: u128 = 1_000_000_000;

impl Pace {
    /// Of a validated rate: one a day to 5e9 a second.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2^63 to 2^113, then cut to 64 bits")]
    pub(super) fn per_sec(rate: f64) -> Self {
        // Exact: a float's 53 digits, shifted. What the division leaves over makes the low digits.
        let scaled = (rate * (1u128 << SCALE) as f64) as u128;
        let (whole, rest) = (scaled / NANOS, scaled % NANOS);
        let digits = u128::BITS - whole.leading_zeros();
        let mantissa = if digits >= 64 {
            (whole >> (digits - 64)) as u64
        } else {
            (whole << (64 - digits)) as u64 | (((rest << 64) / NANOS) >> digits) as u64
        };
        let shift = SCALE + 64 - digits;
        let excess = shift.saturating_sub(MOST_SHIFT);
        Self { mantissa: (mantissa >> excess).saturating_add(1), shift: shift - excess }
    }

    /// What the front moves in this time, in 2^-64 permits, rounded down. The time is in nanoseconds with
    /// `fraction` binary digits after the point.
    pub(super) fn moved(self, time: u64, fraction: u32) -> u128 {
        let product = u128::from(time) * u128::from(self.mantissa);
        let shift = self.shift + fraction;
        if shift >= PLACE { product >> (shift - PLACE) } else { product.saturating_mul(1 << (PLACE - shift)) }
    }

    /// The first moment by which so much has moved, in 2^-64 permits; in nanoseconds with so many binary
    /// digits after the point.
    pub(super) fn time_for(self, places: u128, fraction: u32) -> u64 {
        let shift = self.shift + fraction;
        let scaled = if shift >= PLACE {
            let up = shift - PLACE;
            if places.leading_zeros() < up {
                return u64::MAX;
            }
            places << up
        } else {
            places.div_ceil(1 << (PLACE - shift))
        };
        u64::try_from(scaled.div_ceil(u128::from(self.mantissa))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_intervals_are_met_to_the_nanosecond_whatever_the_rate() {
        // Permits a second, and the nanoseconds in which `n` of them move.
        let cases: [(f64, u64, u64); 8] = [
            (10.0, 1, 100_000_000),
            (10.0, 100, 10_000_000_000),
            (3.0, 3, 1_000_000_000),
            (0.1, 1, 10_000_000_000),
            (1.0 / 86_400.0, 1, 86_400_000_000_000),
            (1e6, 1_000_000, 1_000_000_000),
            (5e9, 5, 1),
            (7.0, 7 * 86_400, 86_400_000_000_000),
        ];
        for (rate, permits, nanos) in cases {
            let pace = Pace::per_sec(rate);
            let places = u128::from(permits) << PLACE;
            let moved = pace.moved(nanos, 0);
            // Less than moves in a fiftieth of a nanosecond.
            let rounding = u128::from(permits) << 12;
            // A float has its own.
            assert!(moved.abs_diff(places) < rounding, "{rate}: {moved} {places}");
            assert_eq!(pace.time_for(places - rounding, 0), nanos, "{permits} at {rate}");
        }
    }

    #[test]
    fn the_time_for_a_distance_is_the_first_that_moves_it() {
        for rate in [0.000_02, 0.3, 1.0, 9.7, 100.0, 12_345.6, 3e7, 4.9e9] {
            let pace = Pace::per_sec(rate);
            for places in [1u128 << 20, 1 << 60, 3 << 63, 1 << 66, 1000 << 64] {
                let time = pace.time_for(places, 0);
                assert!(pace.moved(time, 0) >= places - 1, "{rate} {places}");
                assert!(time == 0 || pace.moved(time - 1, 0) < places, "{rate} {places}");
            }
        }
    }
}
