//! The median.

/// The upper median of numbers in any order; the slice is parted at its middle. `None` for none.
pub(in crate::quality) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// The same of integers.
pub(in crate::quality) fn median_of_integers(values: &mut [i64]) -> Option<i64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}
