//! What one holder of a gauge says, and what all holders of a series say together.

use std::sync::atomic::{AtomicU64, Ordering};

/// The value of one holder; none before the first, and none after its end.
#[derive(Debug)]
pub(crate) struct Reading(AtomicU64);

/// A NaN that no arithmetic makes: nothing is said any more.
const OVER: u64 = 0x7ff8_dead_0000_0001;

impl Reading {
    pub(super) fn none() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }

    pub(super) fn set(&self, value: f64) {
        self.change(|_| value);
    }

    /// It says nothing any more, whatever comes.
    pub(super) fn end(&self) {
        self.0.store(OVER, Ordering::Relaxed);
    }

    fn change(&self, change: impl Fn(f64) -> f64) {
        let change = |bits| (bits != OVER).then(|| change(f64::from_bits(bits)).to_bits());
        let _is_over = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_err();
    }

    pub(super) fn add(&self, by: f64) {
        self.change(|value| if value.is_nan() { by } else { value + by });
    }

    fn get(&self) -> Option<f64> {
        Some(f64::from_bits(self.0.load(Ordering::Relaxed))).filter(|value| !value.is_nan())
    }
}

/// What a series shows of several holders: two managers of one process, or an old and a new guard.
#[derive(Debug, Clone, Copy)]
pub(super) enum Merge {
    /// All of them together.
    Sum,
    /// The lowest: the worst one is what an operator has to see.
    Least,
    /// The longest.
    Most,
    /// Of breakers: open before half-open before closed.
    State,
}

impl Merge {
    pub(super) fn of(self, readings: &mut dyn Iterator<Item = &Reading>) -> Option<f64> {
        readings.filter_map(Reading::get).reduce(|one, other| match self {
            Self::Sum => one + other,
            Self::Least => one.min(other),
            Self::Most => one.max(other),
            Self::State if badness(one) < badness(other) => other,
            Self::State => one,
        })
    }
}

/// Of a breaker's state: 2 open, 1 half-open, 0 closed.
fn badness(state: f64) -> u8 {
    if state >= 2.0 {
        1
    } else if state >= 1.0 {
        2
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_of_a_series_are_merged() {
        let merged = |merge: Merge, values: &[f64]| {
            let readings: Vec<Reading> = values.iter().map(|value| Reading(AtomicU64::new(value.to_bits()))).collect();
            merge.of(&mut readings.iter())
        };
        assert_eq!(merged(Merge::Sum, &[]), None);
        assert_eq!(merged(Merge::Sum, &[f64::NAN]), None, "nothing was said yet");
        assert_eq!(merged(Merge::Sum, &[1.0, f64::NAN, 2.5]), Some(3.5));
        assert_eq!(merged(Merge::Least, &[90.0, 20.0, 100.0]), Some(20.0));
        assert_eq!(merged(Merge::Most, &[0.0, 3.0, 1.0]), Some(3.0));
        for (states, shown) in
            [(&[0.0, 0.0], 0.0), (&[0.0, 2.0], 2.0), (&[2.0, 1.0], 1.0), (&[1.0, 0.0], 1.0), (&[1.0, 1.0], 1.0)]
        {
            assert_eq!(merged(Merge::State, states), Some(shown), "{states:?}");
        }
    }

    #[test]
    fn a_reading_starts_with_its_first_word() {
        let reading = Reading::none();
        assert_eq!(reading.get(), None);
        reading.add(2.0);
        reading.add(-0.5);
        assert_eq!(reading.get(), Some(1.5));
        reading.set(7.0);
        assert_eq!(reading.get(), Some(7.0));
        reading.end();
        reading.set(1.0);
        reading.add(1.0);
        assert_eq!(reading.get(), None);
    }
}
