//! Adaptive rate limiter: paces calls to a source and finds the rate the source accepts.
//!
//! ```text
//! acquire -> bucket (GCRA: when may the next call start?) -> permit -> call
//!               ^                                                       |
//!               +------ rate <- controller <- outcome (ok, limited) <---+
//! ```
//! Owns: one bucket and one controller a source. Locks: `core`, held for arithmetic only; waiting
//! callers sleep on a condition variable. Must not know: what the call is, or who else guards it.

mod adaptive_rate_limiter;
mod bucket;
mod config;
mod controller;
mod error;
mod metrics;
mod permit;
#[cfg(test)]
mod tests;

pub use adaptive_rate_limiter::{AdaptiveRateLimiter, LimiterBuilder, LimiterSnapshot};
pub use config::LimiterConfig;
pub use error::{LimitReason, Limited};
pub use permit::{RateOutcome, RatePermit};
