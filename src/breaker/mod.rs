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
//! breaker, and a refusal, take none. Must not know: what the call is, or who retries it.

mod builder;
mod circuit_breaker;
mod config;
mod error;
mod event;
mod grant;
mod metrics;
mod permit;
mod reason;
mod saved;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod window;
mod word;

pub use builder::BreakerBuilder;
pub use circuit_breaker::CircuitBreaker;
pub use config::{BreakerConfig, BreakerTier, RateWindow, WindowSize};
pub use error::Open;
pub use event::{BreakerEvent, BreakerMode, BreakerState, Settled};
pub use permit::{CallPermit, OwnedCallPermit};
pub use reason::OpenReason;
pub use saved::{SavedBreaker, SavedOpening};
pub use snapshot::BreakerSnapshot;
pub use window::WindowCounts;
