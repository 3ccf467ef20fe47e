//! Retry: calls again when that can help, never more than the source can bear.
//!
//! ```text
//! call -> Ok: done
//!      -> Err: can it help? -> when? (what the error says, at least a growing back-off)
//!              -> before the deadline, within the rounds, and within the budget: again
//! ```
//! Owns: a budget of second calls. Locks: `saved`, held for arithmetic only. Must not know: what the
//! call is; errors say by themselves when to come back ([`RetryHint`]).

mod budget;
mod builder;
mod config;
mod error;
mod metrics;
mod policy;
#[cfg(test)]
mod tests;

pub use crate::hint::RetryHint;
pub(crate) use budget::CallBudget;
pub use builder::RetryBuilder;
pub use config::RetryConfig;
pub use error::{GaveUp, RetryError};
pub use policy::{Attempt, Retry};
