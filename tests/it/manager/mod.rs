//! The manager room.

mod promises;
mod regressions;
