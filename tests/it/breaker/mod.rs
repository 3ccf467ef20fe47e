//! The breaker room.

mod corners;
mod promises;
mod regressions;
