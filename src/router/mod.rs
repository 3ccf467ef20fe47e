//! Router: decides which endpoint gets the next call, and says why.
//!
//! ```text
//! facts (config) + statistics (in flight, latency, failures) + availability (from the host)
//!        -> score, pure -> Decision: every endpoint, best first, with its terms
//! begin(endpoint) -> InFlight ticket -> finish(outcome) -> statistics
//! ```
//! Owns: the statistics of endpoints and the ranking. Locks: `state`, held for arithmetic only.
//! Must not know: breakers and limiters; what they say arrives as plain [`Availability`].

mod config;
mod decision;
mod endpoint;
mod error;
mod metrics;
mod score;
mod smart_router;
mod stats;
#[cfg(test)]
mod tests;
mod ticket;

pub use config::{RouterConfig, RouterPolicy};
pub use decision::{Candidate, Decision, Terms, WhyNot};
pub use endpoint::{Availability, EndpointIndex, EndpointSpec};
pub use error::NoEndpoint;
pub(crate) use smart_router::validate_endpoints;
pub use smart_router::{EndpointSnapshot, RouterBuilder, RouterSnapshot, SmartRouter};
pub use ticket::{CallOutcome, InFlight, Settlement};
