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
mod admission;
mod atomic_bucket;
mod blocked;
mod bucket;
mod builder;
mod calendar;
mod config;
mod controller;
mod error;
mod event;
mod in_flight;
mod in_flight_cap;
mod keyed;
mod learner;
mod metrics;
mod operator;
mod pace;
mod permit;
mod quota;
mod quota_config;
mod reservation;
mod retry_after;
mod snapshot;
#[cfg(test)]
mod tests;
mod wait_queue;

pub use adaptive_rate_limiter::AdaptiveRateLimiter;
pub use builder::LimiterBuilder;
pub use config::{LimiterConfig, RateControl};
pub use error::{LimitReason, Limited};
pub use event::{LimiterEvent, LimiterEventKind, RateBound};
pub use keyed::Keyed;
pub use permit::{OwnedRatePermit, RatePermit};
pub use quota::CalendarQuota;
pub(crate) use quota_config::validate_windows;
pub use quota_config::{QuotaKind, QuotaPeriod, QuotaState, QuotaWindow, QuotaWindowState};
pub use reservation::Reservation;
pub use retry_after::retry_after;
pub use snapshot::LimiterSnapshot;
