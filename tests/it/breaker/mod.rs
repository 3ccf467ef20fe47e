//! The breaker room.

mod promises;
mod regressions;
