//! What separates a plain row from one that deserves a look, and what a unit is.

/// Change of a price against the last close from which on it deserves a look.
pub(super) const JUMP: f64 = 1.08;
/// High over low from which on a bar deserves a look.
pub(super) const WIDE: f64 = 1.5;
/// Factor between two volumes from which on they deserve a look.
pub(super) const SWELL: f64 = 16.0;

/// 10, 100 or 1000 (or a part of one), if the ratio is about that.
pub(super) fn unit_of(ratio: f64) -> Option<f64> {
    let up = ratio.max(ratio.recip());
    let unit = match up {
        8.0..=12.5 => 10.0,
        77.0..=130.0 => 100.0,
        770.0..=1300.0 => 1000.0,
        _ => return None,
    };
    Some(if ratio > 1.0 { unit } else { unit.recip() })
}
