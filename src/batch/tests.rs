//! Defaults that depend on the machine.

use super::BatchConfig;

#[test]
fn the_default_pool_is_four_a_core_and_at_most_32() {
    let config = BatchConfig::default();
    assert!((1..=32).contains(&config.workers) && config.max_abandoned == config.workers);
    assert!(config.validate().is_ok());
}
