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

/// The median of the numbers above zero; `None` for none.
#[expect(single_use_lifetimes, reason = "it cannot be left out here")]
pub(in crate::quality) fn median_of<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<f64> {
    let known = values.into_iter().copied().filter(|value| *value > 0.0 && value.is_finite());
    median(&mut known.collect::<Vec<f64>>())
}

/// Median and median deviation from it; the values are used up.
pub(in crate::quality) fn median_and_deviation(values: &mut [f64]) -> Option<(f64, f64)> {
    let middle = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    Some((middle, median(values)?))
}
