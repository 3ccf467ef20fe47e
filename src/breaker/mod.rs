//! Circuit breaker: stops calling a source that keeps failing, and probes it carefully before
//! trusting it again.
//!
//! ```text
//!            threshold reached                    open_for over
//!  CLOSED ----------------------> OPEN -------------------------> HALF_OPEN
//!    ^                             ^                                 |   |
//!    |                             +---------- one failure ----------+   |
//!    +---------------------- all half-open permits succeed --------------+
//! ```
//! Owns: one state machine a source. Locks: `core`, held for a transition only; a healthy closed
//! breaker takes none. Must not know: what the call is, or who retries it.

mod circuit_breaker;
mod config;
mod error;
mod event;
mod metrics;
mod permit;
mod state;
#[cfg(test)]
mod tests;

pub use circuit_breaker::{BreakerBuilder, BreakerSnapshot, CircuitBreaker};
pub use config::BreakerConfig;
pub use error::{Open, OpenReason};
pub use event::{BreakerEvent, BreakerState};
pub use permit::{CallPermit, Settled};
