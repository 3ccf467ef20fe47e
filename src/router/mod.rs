//! Router: decides which endpoint gets the next call, and says why.
//!
//! ```text
//! facts (config) + statistics (in flight, latency, failures, health) + availability (from the host)
//!        -> score, pure -> pick: the best endpoint, counted at once
//!                       -> Decision: every endpoint, best first, with its terms
//! pick or begin(endpoint) -> InFlight ticket -> finish(outcome) -> statistics
//! ```
//! Owns: the statistics of endpoints and the ranking. Locks: `state`, held for arithmetic only.
//! Must not know: breakers and limiters; what they say arrives as plain [`Availability`].

mod arm;
mod booking;
mod budget;
mod builder;
mod category_stats;
mod config;
mod decision;
mod endpoint;
mod error;
mod evidence;
mod health;
mod histogram;
mod load;
mod metrics;
#[cfg(test)]
mod one_rule;
mod policy;
mod probes;
mod ranking;
mod score;
mod shadow;
mod smart_router;
mod snapshot;
mod split;
mod stats;
mod storm;
mod table;
#[cfg(test)]
mod tests;
mod ticket;
mod views;

pub use arm::ArmSnapshot;
pub use budget::Budget;
pub use builder::RouterBuilder;
pub use config::RouterConfig;
pub use decision::{Candidate, Decision, Exclusion, ScoreTerms};
pub(crate) use endpoint::validate_endpoints;
pub use endpoint::{Availability, EndpointIndex, EndpointSpec, EndpointState};
pub use error::NoEndpoint;
pub use policy::RouterPolicy;
pub use shadow::ShadowCounts;
pub use smart_router::SmartRouter;
pub use snapshot::{EndpointSnapshot, RouterSnapshot};
pub use split::Split;
pub(crate) use ticket::OwnedInFlight;
pub use ticket::{InFlight, Settlement};
