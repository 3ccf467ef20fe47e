//! Data-quality validator: finds rows of a price series that cannot be right, or should be looked
//! at.
//!
//! ```text
//! Series (borrowed columns) -> rules: logic | business | statistical | cross-source -> findings -> report
//! ```
//! Owns: the rules. Locks: none. Must not know: where a series came from.

mod config;
mod error;
mod metrics;
mod report;
mod rules;
mod series;
#[cfg(test)]
mod tests;
mod validator;

pub use config::QualityConfig;
pub use error::SeriesError;
pub use report::{Finding, QualityReport, Rule, RuleTotal, Severity};
pub use series::{Bars, Series};
pub use validator::{DataQualityValidator, ValidatorBuilder};
