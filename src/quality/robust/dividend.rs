//! What a dividend is worth: the verdict is a pure function of yield, adjustment and price.

use crate::quality::median::median;

/// A dividend and what price and adjusted close say about it; shares of the close before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dividend {
    pub(super) row: usize,
    /// The row on which the adjustment steps.
    pub(super) at: usize,
    /// The yield by the dividend column.
    pub(super) paid: f64,
    /// The yield by the step of the adjusted close; `None` without one.
    pub(super) seen: Option<f64>,
    /// How far the close fell that day.
    pub(super) drop: f64,
    /// Standard deviation of a day's return.
    pub(super) sigma: f64,
}

/// What is wrong with a dividend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Fine,
    /// It has to be multiplied; NaN where nobody knows by what.
    Unit(f64),
    /// It is right, the adjusted close is not.
    WronglyAdjusted,
    /// It and the adjusted close differ by nothing that is known.
    Mismatch,
}

/// Units a dividend may be off by, and how near the ratio has to be.
const UNITS: [(f64, f64); 3] = [(100.0, 0.3), (10.0, 0.1), (1000.0, 0.1)];
/// Yields below are within the rounding of a price.
const SMALL: f64 = 0.002;
/// A dividend above deserves the question whether the price followed.
const LARGE: f64 = 0.1;
/// Nobody pays more than there is.
const WHOLE: f64 = 1.0;
/// A yield whose adjustment nobody can tell from nonsense.
pub(super) const ABSURD: f64 = 0.5;
/// Ratio of two dividends that may be a unit.
const HUNDREDFOLD: std::ops::Range<f64> = 40.0..250.0;
/// Fewest dividends that tell what is usual.
const MIN_YIELDS: usize = 4;
/// Rows between a dividend and its phantom.
const PHANTOM_ROWS: usize = 12;

/// A yield that companies pay, at least and at most.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.0008..=0.1;

/// `noise` is the rounding of the factors; a dividend may be off by one of the series' `splits`, too.
pub(super) fn verdict(dividend: &Dividend, usual: Usual, noise: f64, splits: &[f64]) -> Verdict {
    let Dividend { paid, seen, drop, sigma, .. } = *dividend;
    // The price did not notice.
    let is_unnoticed = drop < 0.3 * paid && paid - drop > 6.0 * sigma;
    let Some(seen) = seen else {
        // Prices that are adjusted themselves notice no dividend.
        return match unlike(dividend, usual) {
            Verdict::Fine if paid >= ABSURD && is_unnoticed => Verdict::Unit(f64::NAN),
            Verdict::Fine if paid > LARGE && is_unnoticed => Verdict::Mismatch,
            verdict => verdict,
        };
    };
    if (seen - paid).abs() <= (0.25 * paid).max(noise) {
        return if paid > LARGE && is_unnoticed { Verdict::Unit(0.01) } else { unlike(dividend, usual) };
    }
    let is_unit = |(unit, slack): &(f64, f64)| seen > noise && (paid / seen / unit - 1.0).abs() <= *slack;
    let is_part = |(unit, slack): &(f64, f64)| (seen / paid / unit - 1.0).abs() <= *slack;
    if let Some((unit, _)) = UNITS.iter().find(|unit| is_unit(unit)) {
        return if believes_dividend(dividend, seen, usual) {
            Verdict::WronglyAdjusted
        } else {
            Verdict::Unit(unit.recip())
        };
    }
    if let Some((unit, _)) = UNITS.iter().find(|unit| seen > SMALL && is_part(unit)) {
        return if believes_dividend(dividend, seen, usual) { Verdict::WronglyAdjusted } else { Verdict::Unit(*unit) };
    }
    if paid >= WHOLE || (paid > LARGE && is_unnoticed) {
        // Adjusted for what companies pay: the dividend is in another currency.
        let is_currency =
            seen > noise.max(*PLAUSIBLE.start() / 2.0) && seen <= 2.0 * PLAUSIBLE.end() && paid > 3.0 * seen;
        return Verdict::Unit(if is_currency { seen / paid } else { hundredth(paid, usual) });
    }
    let of_split = splits.iter().flat_map(|split| [*split, split.recip()]).find(|split| is_unit(&(*split, 0.05)));
    if let Some(split) = of_split.filter(|_| paid.max(seen) > SMALL) {
        return Verdict::Unit(split.recip());
    }
    let is_ignored = seen.abs() <= (0.15 * paid).max(noise);
    // A close that jumped itself would make any dividend look twice or half as large.
    let is_twice = (seen - 2.0 * paid).abs() <= 0.25 * paid && drop.abs() <= paid + 6.0 * sigma;
    if paid < SMALL {
        Verdict::Fine
    } else if is_ignored || is_twice {
        Verdict::WronglyAdjusted
    } else {
        Verdict::Mismatch
    }
}

/// A hundredth, if that is what the others pay or nobody knows better.
fn hundredth(paid: f64, usual: Usual) -> f64 {
    let fits = usual.paid.is_none_or(|usual| (0.1..10.0).contains(&(0.01 * paid / usual)));
    if fits && 0.01 * paid <= *PLAUSIBLE.end() { 0.01 } else { f64::NAN }
}

/// Of a dividend and an adjustment that differ by a unit, whether the dividend is the one to believe: the price
/// says so, or the other dividends, or what companies pay.
fn believes_dividend(dividend: &Dividend, seen: f64, usual: Usual) -> bool {
    let Dividend { paid, drop, sigma, .. } = *dividend;
    let misses = |share: f64| (drop - share).abs();
    if (paid - seen).abs() > 5.0 * sigma {
        return misses(paid) < misses(seen);
    }
    if let Some(usual) = usual.agreed {
        return (paid / usual).ln().abs() < (seen / usual).ln().abs();
    }
    PLAUSIBLE.contains(&paid) && !PLAUSIBLE.contains(&seen)
}

/// What the dividends of a series are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    /// Median yield; `None` with fewer than four.
    paid: Option<f64>,
    /// Whether all are alike but one, which is about a hundredth or a hundredfold.
    is_steady: bool,
    /// Median yield of those that the adjusted close agrees with.
    agreed: Option<f64>,
}

impl Usual {
    pub(super) fn new(dividends: &[Dividend]) -> Self {
        let agrees = |dividend: &&Dividend| dividend.seen.is_some_and(|seen| (seen / dividend.paid - 1.0).abs() < 0.25);
        let mut agreed: Vec<f64> = dividends.iter().filter(agrees).map(|dividend| dividend.paid).collect();
        let agreed = median(&mut agreed);
        let mut yields: Vec<f64> = dividends.iter().map(|dividend| dividend.paid).collect();
        if yields.len() < MIN_YIELDS {
            yields.clear();
        }
        let Some(paid) = median(&mut yields) else { return Self { paid: None, is_steady: false, agreed } };
        let alike = yields.iter().filter(|other| (1.0 / 3.0..3.0).contains(&(**other / paid))).count();
        let far = yields.iter().filter(|other| HUNDREDFOLD.contains(&(**other / paid).max(paid / **other))).count();
        Self { paid: Some(paid), is_steady: far == 1 && alike + far == yields.len(), agreed }
    }
}

/// A dividend about 100 times below or above the series' others, with which everything else agrees.
/// Companies whose dividend follows their profit do pay a hundredth at times, so all others have to be
/// alike for that to be an error.
fn unlike(dividend: &Dividend, usual: Usual) -> Verdict {
    let Some(paid) = usual.paid else { return Verdict::Fine };
    let ratio = dividend.paid / paid;
    if HUNDREDFOLD.contains(&ratio.recip()) {
        let is_error = usual.is_steady && (62.0..160.0).contains(&ratio.recip());
        if is_error { Verdict::Unit(100.0) } else { Verdict::Mismatch }
    } else if HUNDREDFOLD.contains(&ratio)
        && dividend.drop < 0.3 * dividend.paid
        && (usual.is_steady || dividend.paid > LARGE)
        && dividend.paid - dividend.drop > 4.0 * dividend.sigma
    {
        Verdict::Unit(0.01)
    } else {
        Verdict::Fine
    }
}

/// Whether the dividend at `at` repeats its neighbour: two alike within days, while the others are
/// far away. Of the two the one is real that the price followed more; of equals the first. If the
/// price followed both, both were paid.
pub(super) fn is_phantom_pair(dividends: &[Dividend], at: usize) -> bool {
    let gap = |first: Option<usize>, second: usize| {
        let row = |at: usize| dividends.get(at).map(|dividend| dividend.row);
        row(second).zip(first.and_then(row)).map_or(usize::MAX, |(second, first)| second - first)
    };
    let is_pair = |first: usize| {
        let (Some(a), Some(b)) = (dividends.get(first), dividends.get(first + 1)) else { return false };
        let between = b.row - a.row;
        let is_isolated =
            gap(first.checked_sub(1), first) >= 3 * between && gap(Some(first + 1), first + 2) >= 3 * between;
        let was_paid = |dividend: &Dividend| dividend.drop >= (0.6 * dividend.paid).max(1.2 * dividend.sigma);
        let were_paid = was_paid(a) && was_paid(b);
        between <= PHANTOM_ROWS && is_isolated && (0.85..1.18).contains(&(b.paid / a.paid)) && !were_paid
    };
    let this = &dividends[at];
    let is_later = at.checked_sub(1).is_some_and(|first| is_pair(first) && this.drop <= dividends[first].drop);
    let is_earlier = is_pair(at) && this.drop < dividends[at + 1].drop;
    is_later || is_earlier
}
