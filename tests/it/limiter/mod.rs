//! The limiter room.

mod promises;
mod regressions;
