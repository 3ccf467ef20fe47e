//! Pauses and the budget against their promises.

use std::time::Duration;

use super::RetryConfig;
use super::budget::CallBudget;

#[test]
fn pauses_double_to_their_bound_and_vary_by_a_half_downwards() {
    let config = RetryConfig::default();
    let full: Vec<u128> = (1..9).map(|round| config.pause(round, 0.0).as_millis()).collect();
    assert_eq!(full, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(config.pause(1, 1.0), Duration::from_millis(50));
    assert_eq!(config.pause(u32::MAX, 0.0), Duration::from_secs(5));
}

#[test]
fn a_tenth_of_the_first_calls_is_saved_up_to_ten() {
    let budget = CallBudget::new(0.1, false);
    assert!(!budget.try_spend());
    (0..10).for_each(|_| budget.earn());
    assert!(budget.try_spend() && !budget.try_spend());
    (0..1000).for_each(|_| budget.earn());
    assert_eq!((0..20).filter(|_| budget.try_spend()).count(), 10);
    budget.refund();
    assert!(budget.try_spend());
    let full = CallBudget::new(0.1, true);
    assert_eq!((0..20).filter(|_| full.try_spend()).count(), 10);
    assert!(!CallBudget::new(0.0, true).try_spend());
}
