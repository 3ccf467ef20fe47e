//! The limiter room.

mod corners;
mod promises;
mod regressions;
