//! The router room.

mod promises;
mod regressions;
