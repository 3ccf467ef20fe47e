//! The breaker room.

mod promises;
mod regressions;
mod corners;
