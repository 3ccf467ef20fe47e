//! Data-quality validator: finds rows of a price series that cannot be right, or should be looked
//! at, and lets the market through.
//!
//! ```text
//! Series (borrowed columns) -> in order of time? -> robust | literal policy     \
//!                              no: Ordered copy     limits, amount, calendar,    > report builder -> report
//!                                                   freshness, rules of the host /
//! ```
//!
//! What a feed is like it may say (`FeedProfile`); what it does not say is learned, or judged with care: then what only
//! prices as traded explain is a warning.
//!
//! | | |
//! |---|---|
//! | `validate(&series)` | is it right? findings are runs of rows with a reason |
//! | `check_new(&history, &new)` | are the new rows right, given the stored ones? |
//! | `compare(&series, &other)` | do two sources agree? |
//! | `repair(&series)` | the series with every remedy applied that a rule is sure of |
//!
//! Owns: the rules. Locks: none, but for the one start of its threads. Must not know: where a series came from.

mod builder;
mod calendar;
mod column;
mod columns;
mod config;
mod custom;
mod error;
mod finding;
mod limits;
mod median;
pub(crate) mod metrics;
mod ordered;
mod profile;
mod reason;
mod repair;
mod report;
mod report_builder;
mod robust;
mod robust_config;
mod row_set;
mod rule;
mod rules;
mod series;
mod severity;
#[cfg(test)]
mod tests;
mod threads;
mod time;
mod validator;

pub use builder::ValidatorBuilder;
pub use calendar::TradingCalendar;
pub use column::Column;
pub use config::{Policy, QualityConfig};
pub use custom::CustomFindings;
pub use error::SeriesError;
pub use finding::Finding;
pub use limits::{Board, BoardLimit, PriceLimits};
pub use profile::{FeedProfile, PriceBasis, TradingDays};
pub use reason::Reason;
pub use repair::{Change, Repair};
pub use report::{DimensionScores, QualityReport, RuleTotal, Skipped};
pub use robust_config::RobustConfig;
pub use row_set::RowSet;
pub use rule::Rule;
pub use series::{Bars, Series};
pub use severity::{Dimension, RuleLevel, Severity};
pub use time::TimeUnit;
pub use validator::DataQualityValidator;
